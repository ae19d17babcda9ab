"""Sentences for refusals while signing in, and at any form (screens §1.0)."""

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

REFUSALS: dict[str, LazyString] = {
    "password.empty": _("Geben Sie Ihr Passwort ein."),
    "login.failed": _("E-Mail-Adresse, Benutzername oder Passwort stimmt nicht."),
    "login.throttled": _("Zu viele Versuche. Versuchen Sie es ab %(until)s wieder."),
    "login.stopped": _(
        "Zu viele Versuche. Die Anmeldung mit Passwort ruht, bis Sie unter „Passwort vergessen?“ ein neues "
        "Passwort festlegen."
    ),
    "code.stopped": _(
        "Zu viele Versuche. Die zweistufige Anmeldung ruht. Unsere Hilfe gibt sie wieder frei."
    ),
    "login.blocked": _(
        "Ihr Zugang ist gesperrt. Wenden Sie sich an Ihren Administrator bei %(company)s oder an unsere "
        "Hilfe."
    ),
    "account.blocked": _("Ihr Konto ist gesperrt. Unsere Hilfe kann es entsperren."),
    "code.length": _("Der Code hat 6 Ziffern. Sie haben %(typed)s eingegeben."),
    "code.wrong": _("Der Code stimmt nicht."),
    "code.expired": _("Der Code ist abgelaufen. Wir haben Ihnen einen neuen gesendet."),
    "code.too_soon": _("Der letzte Code ist noch keine Minute alt. Der nächste geht ab %(until)s."),
    "code.used_up": _("Das waren zu viele falsche Codes. Lassen Sie sich einen neuen senden."),
    "code.throttled": _("Zu viele Versuche. Versuchen Sie es ab %(until)s wieder."),
    "code.exhausted": _(
        "Das waren zu viele falsche Codes. Melden Sie sich noch einmal mit Ihrem Passwort an."
    ),
    "device.unknown": _("Diesen Code kennen wir nicht. Vergleichen Sie ihn mit der Anzeige des Geräts."),
    "device.expired": _("Dieser Code ist abgelaufen. Lassen Sie sich vom Gerät einen neuen anzeigen."),
    "device.used": _("Dieser Code wurde schon benutzt. Lassen Sie sich vom Gerät einen neuen anzeigen."),
    "device.lost": _(
        "Die Seite war zu lange offen oder ist schon erledigt. Geben Sie den Code noch einmal ein."
    ),
    "totp.used": _("Diesen Code haben Sie schon benutzt. Warten Sie auf den nächsten."),
    "authenticator.unknown": _("Wählen Sie aus, welche App Sie benutzen."),
    "consent.choice": _("Wählen Sie „Zustimmen“ oder „Ablehnen“."),
    "consent.nothing": _("Haken Sie mindestens eine Angabe an, oder lehnen Sie ab."),
    "consent.other_person": _(
        "Sie sind jetzt mit einem anderen Konto oder für ein anderes Unternehmen angemeldet. "
        "Prüfen Sie die Angaben noch einmal."
    ),
    "consent.unknown": _("Diesem Portal haben Sie nichts erlaubt."),
    "choice.unknown": _("Diesen Eintrag gibt es nicht mehr. Wählen Sie einen anderen."),
    "form.stale": _("Die Seite war länger offen. Ihre Eingaben sind noch da. Senden Sie sie noch einmal."),
    "form.stale_password": _(
        "Die Seite war länger offen. Geben Sie Ihr Passwort noch einmal ein und senden Sie die Seite ab."
    ),
    "flow.expired": _("Die Anmeldung ist abgelaufen. Beginnen Sie im Portal noch einmal."),
    "flow.lost": _("Diese Anmeldung kennen wir nicht mehr. Beginnen Sie im Portal noch einmal."),
    "flow.other_browser": _(
        "Diese Anmeldung gehört zu einem anderen Browser. Beginnen Sie im Portal noch einmal."
    ),
    "principal.may_not_act": _("Ihr Konto oder Ihr Zugang ist im Moment nicht frei."),
}
