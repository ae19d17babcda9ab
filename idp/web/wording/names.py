"""What states, roles, scopes and claims are called."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

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
