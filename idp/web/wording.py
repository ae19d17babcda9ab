"""Words for refusals, states and statuses: a code from the domain becomes a sentence for a person.

Codes and sentences: reference/screens.md §1.0. What happened, then what to do; never "invalid" or "sorry".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import get_locale, gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString

from idp.errors import Refusal
from idp.web.formats import clock

_ = lazy_gettext

REFUSALS: Mapping[str, LazyString] = {
    "identifier.empty": _("Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen ein."),
    "password.empty": _("Geben Sie Ihr Passwort ein."),
    "email.taken": _("Diese E-Mail-Adresse gehört schon zu einem anderen Konto."),
    "phone.taken": _("Diese Telefonnummer gehört schon zu einem anderen Konto."),
    "email.format": _("Die E-Mail-Adresse braucht ein @ und eine Domain, z. B. name@beispiel.de."),
    "given_name.empty": _("Geben Sie Ihren Vornamen ein."),
    "family_name.empty": _("Geben Sie Ihren Nachnamen ein."),
    "registration.off": _("Hier kann man sich nicht selbst registrieren."),
    "registration.throttled": _("Zu viele Registrierungen. Versuchen Sie es ab %(until)s wieder."),
    "registration.password": _("Das ist nicht das Passwort, das Sie bei der Registrierung gewählt haben."),
    "reset.throttled": _("Zu viele Anfragen. Versuchen Sie es ab %(until)s wieder."),
    "mail.too_soon": _("Der letzte Link ist noch keine Minute alt. Der nächste geht ab %(until)s."),
    "mail.throttled": _("An diese Adresse ging schon viel Post. Versuchen Sie es ab %(until)s wieder."),
    "link.failed": _("Benutzername oder Passwort von %(directory)s stimmt nicht."),
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
    "login.failed": _("E-Mail-Adresse, Benutzername oder Passwort stimmt nicht."),
    "login.throttled": _("Zu viele Versuche. Versuchen Sie es ab %(until)s wieder."),
    "login.stopped": _(
        "Zu viele Versuche. Die Anmeldung mit Passwort ruht. Unsere Hilfe gibt sie wieder frei."
    ),
    "code.stopped": _(
        "Zu viele Versuche. Die zweistufige Anmeldung ruht. Unsere Hilfe gibt sie wieder frei."
    ),
    "login.blocked": _("Ihr Zugang ist gesperrt. Ihr Administrator bei %(company)s kann ihn entsperren."),
    "login.pending": _("Ihr Zugang wartet auf die Freischaltung durch %(company)s."),
    "account.blocked": _("Ihr Konto ist gesperrt. Unsere Hilfe kann es entsperren."),
    "account.ended": _("Dieses Konto gibt es nicht mehr."),
    "code.empty": _("Geben Sie den Code aus Ihrer App ein."),
    "code.digits": _("Der Code besteht nur aus Ziffern."),
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
    "totp.clock": _("Der Code passt nicht zur Uhrzeit. Prüfen Sie die Uhrzeit Ihres Smartphones."),
    "authenticator.unknown": _("Wählen Sie aus, welche App Sie benutzen."),
    "choice.missing": _("Wählen Sie einen Eintrag aus."),
    "consent.choice": _("Wählen Sie „Zustimmen“ oder „Ablehnen“."),
    "consent.nothing": _("Haken Sie mindestens eine Angabe an, oder lehnen Sie ab."),
    "consent.other_person": _(
        "Sie sind jetzt mit einem anderen Konto oder für ein anderes Unternehmen angemeldet. "
        "Prüfen Sie die Angaben noch einmal."
    ),
    "consent.unknown": _("Diesem Portal haben Sie nichts erlaubt."),
    "choice.unknown": _("Diesen Eintrag gibt es nicht mehr. Wählen Sie einen anderen."),
    "admin.last": _("Sie sind der einzige Administrator. Bestimmen Sie zuerst einen zweiten."),
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
    "actor.not_allowed": _("Dafür haben Sie keine Berechtigung."),
    "account.status": _("Das geht nicht: Das Konto hat den Status „%(status)s“."),
    "account.unknown": _("Dieses Konto gibt es nicht."),
    "customer.format": _("Die Kundennummer hat neun Ziffern, ohne das D."),
    "customer.taken": _("Diese Kundennummer hat schon ein anderes Unternehmen."),
    "membership.status": _("Das geht nicht: Der Zugang hat den Status „%(status)s“."),
    "membership.unknown": _("Diese Person gehört nicht zu diesem Unternehmen."),
    "organization.join_policy": _("Diese Art des Beitritts gibt es nicht."),
    "organization.name": _("Geben Sie den Namen des Unternehmens ein."),
    "organization.status": _("Das geht nicht: Das Unternehmen hat den Status „%(status)s“."),
    "organization.unknown": _("Dieses Unternehmen gibt es nicht."),
    "permission.not_held": _("Ihr Unternehmen hat diese Berechtigung selbst nicht."),
    "permission.unknown": _("Diese Berechtigung gibt es nicht."),
    "phone.format": _("Die Telefonnummer beginnt mit + und der Vorwahl des Landes, z. B. +49 341 5550100."),
    "profile.unknown": _("Diese Angabe kennen wir nicht."),
    "role.unknown": _("Diese Rolle gibt es nicht."),
    "username.format": _("Der Benutzername hat höchstens 128 Zeichen und kein @."),
    "username.taken": _("Diesen Benutzernamen gibt es schon. Wählen Sie einen anderen."),
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
    "service.busy": _(
        "Im Moment melden sich sehr viele Menschen an. Versuchen Sie es in wenigen Sekunden wieder."
    ),
}

#: classes of signs a password may still lack under the profile ``amt24``
PASSWORD_CLASSES: Mapping[str, LazyString] = {
    "special": _("ein Sonderzeichen"),
    "digit": _("eine Zahl"),
    "upper": _("ein Großbuchstabe"),
    "lower": _("ein Kleinbuchstabe"),
}

#: of memberships; accounts and organisations use some of them
MEMBERSHIP_STATES: Mapping[str, LazyString] = {
    "invited": _("Eingeladen"),
    "pending": _("Wartet auf Freischaltung"),
    "active": _("Aktiv"),
    "blocked": _("Gesperrt"),
    "ended": _("Beendet"),
    "deleted": _("Gelöscht"),
}

ROLES: Mapping[str, LazyString] = {
    "administrator": _("Administrator"),
    "member": _("Mitarbeiter"),
}

#: the values that OIDC Core §5.1 defines; others are shown as they are
GENDERS: Mapping[str, LazyString] = {"female": _("weiblich"), "male": _("männlich")}

#: scopes about people; what other scopes open, the services say that they belong to
SCOPES: Mapping[str, LazyString] = {
    "openid": _("Ihre Kennung"),
    "profile": _("Profil"),
    "email": _("E-Mail-Adresse"),
    "phone": _("Telefonnummer"),
    "address": _("Anschrift"),
    "organization": _("Unternehmen"),
    "permissions": _("Berechtigungen"),
    "offline_access": _("Zugriff, auch wenn Sie abgemeldet sind"),
}

#: claims of OIDC Core §5.1
CLAIMS: Mapping[str, LazyString] = {
    "name": _("Name"),
    "given_name": _("Vorname"),
    "family_name": _("Nachname"),
    "middle_name": _("Weiterer Vorname"),
    "nickname": _("Spitzname"),
    "preferred_username": _("Benutzername"),
    "profile": _("Profilseite"),
    "picture": _("Bild"),
    "website": _("Webseite"),
    "gender": _("Geschlecht"),
    "birthdate": _("Geburtsdatum"),
    "zoneinfo": _("Zeitzone"),
    "locale": _("Sprache"),
    "updated_at": _("Zuletzt geändert"),
    "email": _("E-Mail-Adresse"),
    "email_verified": _("E-Mail-Adresse bestätigt"),
    "phone_number": _("Telefonnummer"),
    "phone_number_verified": _("Telefonnummer bestätigt"),
    "address": _("Anschrift"),
}

MESSAGE_KINDS: Mapping[str, LazyString] = {
    "mail": _("E-Mail"),
    "sms": _("SMS"),
    "call": _("Anruf"),
}


def _language() -> str:
    locale = get_locale()
    return locale.language if locale is not None and locale.language in ("de", "en") else "de"


def _spoken(value: Any) -> Any:
    """Return a parameter as a person reads it; moments become a time of day."""
    return clock(value) if isinstance(value, datetime) else value


def state_word(status: str) -> str:
    """Return what a status of a membership, an account or an organisation is called."""
    return str(MEMBERSHIP_STATES.get(status, status))


def word(code: str, **params: Any) -> str:
    """Return the sentence for *code* in the request's language; KeyError for a code without words."""
    if code == "password.class":
        params["missing"] = ", ".join(str(PASSWORD_CLASSES[name]) for name in params["missing"])
    if "de" in params:  # what the operator calls an old portal, in each language
        params["directory"] = params.pop(_language())
    if code.endswith(".status"):
        params["status"] = state_word(params["status"])
    if code in {"login.blocked", "login.pending"} and not params.get("company"):
        params["company"] = (
            gettext("Ihrem Unternehmen") if code == "login.blocked" else gettext("Ihr Unternehmen")
        )
    spoken = {name: _spoken(value) for name, value in params.items()}
    sentence = str(REFUSALS[code]) % spoken if spoken else str(REFUSALS[code])
    if code == "code.wrong" and params.get("remaining"):
        tries = ngettext("Noch %(num)d Versuch.", "Noch %(num)d Versuche.", params["remaining"])
        return f"{sentence} {tries}"
    return sentence


def word_refusal(refusal: Refusal) -> str:
    """Return the sentence for a domain "no"; KeyError where its code has no words."""
    return word(refusal.code, **refusal.params)


@dataclass(frozen=True, slots=True)
class StatusWords:
    """What an error page says: its heading, what happened, and what a person can do."""

    title: LazyString
    happened: LazyString
    advice: LazyString


#: what stands on a page of its own instead of what a link would have opened
REFUSALS_OF_LINKS: Mapping[str, StatusWords] = {
    "token.expired": StatusWords(
        _("Dieser Link ist abgelaufen."),
        _("Er galt nur kurze Zeit, oder Sie haben einen neueren bekommen."),
        _("Beginnen Sie noch einmal von vorn. Dann senden wir Ihnen einen neuen."),
    ),
    "token.used": StatusWords(
        _("Dieser Link wurde schon benutzt."),
        _("Er gilt nur einmal."),
        _("Melden Sie sich an. Geht das nicht, beginnen Sie noch einmal von vorn."),
    ),
}

_GO_BACK = _("Gehen Sie zurück und versuchen Sie es noch einmal.")

STATUSES: Mapping[int, StatusWords] = {
    400: StatusWords(
        _("Die Anfrage passt nicht"),
        _("Ihr Browser hat etwas geschickt, das wir nicht verstehen."),
        _GO_BACK,
    ),
    403: StatusWords(
        _("Hier haben Sie keinen Zutritt"),
        _("Diese Seite oder Handlung ist für Sie nicht freigegeben."),
        _("Wenn Sie den Zutritt brauchen, fragen Sie Ihren Administrator."),
    ),
    404: StatusWords(
        _("Diese Seite gibt es nicht"),
        _("Unter dieser Adresse ist nichts zu finden."),
        _("Prüfen Sie die Adresse oder beginnen Sie im Portal neu."),
    ),
    405: StatusWords(
        _("So lässt sich diese Seite nicht öffnen"),
        _("Die Seite nimmt diese Art von Anfrage nicht an."),
        _("Öffnen Sie das Portal und beginnen Sie dort neu."),
    ),
    410: StatusWords(
        _("Diese Seite gibt es nicht mehr"),
        _("Der Link ist abgelaufen oder wurde schon benutzt."),
        _("Öffnen Sie das Portal und beginnen Sie dort neu."),
    ),
    413: StatusWords(
        _("Das war zu viel auf einmal"),
        _("Die gesendeten Daten sind größer, als diese Seite annimmt."),
        _("Kürzen Sie Ihre Eingaben und senden Sie sie noch einmal."),
    ),
    421: StatusWords(
        _("Diese Adresse gehört nicht zu uns"),
        _("Der Dienst ist unter dem Namen, den Ihr Browser nennt, nicht eingerichtet."),
        _("Öffnen Sie das Portal über seine gewohnte Adresse."),
    ),
    429: StatusWords(
        _("Zu viele Versuche"),
        _("Von Ihrem Anschluss kamen in kurzer Zeit sehr viele Anfragen."),
        _("Warten Sie einen Moment. Es geht nichts verloren."),
    ),
    500: StatusWords(
        _("Bei uns ist ein Fehler passiert"),
        _("Wir haben den Fehler aufgezeichnet. Ihre Daten sind sicher."),
        _GO_BACK,
    ),
    503: StatusWords(
        _("Der Dienst ist gerade nicht erreichbar"),
        _("Wir arbeiten daran oder haben im Moment sehr viele Anfragen."),
        _("Warten Sie einen Moment und versuchen Sie es noch einmal."),
    ),
}

#: a form came with an old token or none, on a page that does not show it again
STALE_FORM = StatusWords(
    _("Die Seite war zu lange offen"),
    _("Zu Ihrer Sicherheit nehmen wir sie nicht mehr an. Es wurde nichts geändert."),
    _("Gehen Sie zurück, laden Sie die Seite neu und senden Sie sie noch einmal."),
)

#: a sign-in came while too many others waited: it was not looked at
OVERLOAD = StatusWords(
    _("Im Moment melden sich sehr viele Menschen an"),
    _("Ihre Anmeldung konnten wir deshalb noch nicht prüfen. Es ist nichts verloren."),
    _(
        "Warten Sie ein paar Sekunden und laden Sie dann diese Seite neu. Fragt Ihr Browser, ob er Ihre "
        "Eingaben noch einmal senden soll, stimmen Sie zu."
    ),
)


def status_words(status: int) -> StatusWords:
    """Return the words of an HTTP *status*; of 400 or 500 where it has none of its own."""
    return STATUSES.get(status) or STATUSES[500 if status >= 500 else 400]
