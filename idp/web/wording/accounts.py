"""Sentences for refusals about one's own account: registration, passwords, old portals (screens §1.0)."""

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

REFUSALS: dict[str, LazyString] = {
    "email.taken": _("Diese E-Mail-Adresse gehört schon zu einem anderen Konto."),
    "email.known": _("Zu dieser E-Mail-Adresse gibt es schon ein Konto. Melden Sie sich an."),
    "phone.taken": _("Diese Telefonnummer gehört schon zu einem anderen Konto."),
    "email.same": _("Das ist schon Ihre E-Mail-Adresse."),
    "email.empty": _("Geben Sie Ihre E-Mail-Adresse ein."),
    "email.format": _("Die E-Mail-Adresse braucht ein @ und eine Domain, zum Beispiel name@beispiel.de."),
    "given_name.empty": _("Geben Sie Ihren Vornamen ein."),
    "family_name.empty": _("Geben Sie Ihren Nachnamen ein."),
    "registration.off": _("Hier kann man sich nicht selbst registrieren."),
    "registration.throttled": _("Zu viele Registrierungen. Versuchen Sie es ab %(until)s wieder."),
    "registration.password": _("Das ist nicht das Passwort, das Sie bei der Registrierung gewählt haben."),
    "reset.throttled": _("Zu viele Anfragen. Versuchen Sie es ab %(until)s wieder."),
    "reset.exhausted": _(
        "Das waren zu viele falsche Codes. Ihr altes Passwort gilt weiter. Beginnen Sie noch einmal."
    ),
    "reset.known_only": _(
        "An diese Adresse ging schon viel Post. Wir senden den Link nur, wenn Sie sich in diesem Browser "
        "schon mit Ihrem jetzigen Passwort angemeldet haben. Sonst versuchen Sie es ab %(until)s wieder."
    ),
    "mail.too_soon": _("Der letzte Link ist noch keine Minute alt. Der nächste geht ab %(until)s."),
    "mail.throttled": _("An diese Adresse ging schon viel Post. Versuchen Sie es ab %(until)s wieder."),
    "link.failed": _("Benutzername oder Passwort von %(directory)s stimmt nicht."),
    "affiliation.unknown": _("Diese Zugehörigkeit gibt es nicht mehr. Wählen Sie eine andere."),
    "link.stopped": _(
        "Zu viele Versuche mit diesem Benutzernamen. Wir prüfen ihn nicht mehr. Unsere Hilfe gibt ihn "
        "wieder frei."
    ),
    "link.taken": _("Dieser Zugang ist schon mit einem Konto verknüpft."),
    "link.away": _("%(directory)s antwortet gerade nicht. Versuchen Sie es in ein paar Minuten wieder."),
    "link.undone": _("Diese Verknüpfung ist schon gelöst."),
    "link.final": _("Diese Verknüpfung lässt sich nicht mehr lösen. Die Zeit dafür ist vorbei."),
    "link.unknown": _("Diese Verknüpfung gibt es nicht."),
    "legacy_directory.unknown": _("Dieses alte Portal kennen wir nicht."),
    "legacy_directory.kind": _("Das geht bei diesem alten Portal nicht."),
    "legacy_directory.secret": _("Das alte Portal ist noch nicht fertig eingerichtet."),
    "token.expired": _("Dieser Link ist abgelaufen."),
    "token.used": _("Dieser Link wurde schon benutzt."),
    "phone.format": _(
        "Die Telefonnummer beginnt mit + und der Vorwahl des Landes, zum Beispiel +49 341 5550100."
    ),
    "username.format": _("Der Benutzername hat höchstens 128 Zeichen und kein @."),
    "username.needed": _(
        "Ihr Konto hat keine bestätigte E-Mail-Adresse. Zum Anmelden brauchen Sie den Benutzernamen."
    ),
    "username.reserved": _("Dieser Benutzername ist nicht möglich. Wählen Sie einen anderen."),
    "username.throttled": _("Zu viele Versuche mit Benutzernamen. Versuchen Sie es ab %(until)s wieder."),
    "export.throttled": _(
        "Sie haben Ihre Daten gerade mehrmals heruntergeladen. Das geht ab %(until)s wieder."
    ),
    "username.taken": _("Diesen Benutzernamen gibt es schon. Wählen Sie einen anderen."),
    "recovery.wrong": _("Das Wiederherstellungspasswort stimmt nicht."),
    "tick.missing": _("Setzen Sie den Haken, wenn Sie das Wiederherstellungspasswort gespeichert haben."),
    "session.unknown": _("Diese Anmeldung gibt es nicht."),
    "known_device.unknown": _("Dieses Gerät kennen wir nicht."),
    "connected_device.unknown": _("Dieses Gerät kennen wir nicht."),
    "account.deletion_planned": _("Für dieses Konto ist die Löschung beantragt."),
    "deletion.tick": _("Setzen Sie den Haken, wenn Sie Ihr Konto löschen wollen."),
    "password.wrong": _("Das Passwort stimmt nicht."),
    "password.same": _("Das ist Ihr jetziges Passwort. Wählen Sie ein anderes."),
    "password.mismatch": _("Die beiden Passwörter sind verschieden."),
    "password.choose": _("Wählen Sie ein Passwort."),
    "password.short": _("Das Passwort hat %(length)s Zeichen. Es braucht mindestens %(minimum)s."),
    "password.long": _("Das Passwort hat mehr als %(maximum)s Zeichen. Wählen Sie ein kürzeres."),
    "password.class": _("Es fehlt noch: %(missing)s."),
    "password.common": _("Dieses Passwort ist aus Datendiebstählen bekannt. Wählen Sie ein anderes."),
    "password.personal": _(
        "Das Passwort enthält Ihren Namen oder Ihre E-Mail-Adresse. Wählen Sie ein anderes."
    ),
    "password.context": _("Das Passwort enthält den Namen dieses Dienstes. Wählen Sie ein anderes."),
}

#: classes of signs a password may still lack under the profile ``amt24``
PASSWORD_CLASSES: dict[str, LazyString] = {
    "special": _("ein Sonderzeichen"),
    "digit": _("eine Zahl"),
    "upper": _("ein Großbuchstabe"),
    "lower": _("ein Kleinbuchstabe"),
}
