"""What the sections and fields of an export are called where people read it (K-13)."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from idp.web.wording.names import CLAIMS

_ = lazy_gettext

SECTIONS: Mapping[str, LazyString] = {
    "account": _("Konto und Profil"),
    "addresses": _("Adressen und Nummern"),
    "authenticators": _("Zweite Stufen der Anmeldung"),
    "recovery": _("Wiederherstellungspasswort"),
    "companies": _("Unternehmen"),
    "join_requests": _("Angefragte Kundennummern"),
    "consents": _("Zustimmungen"),
    "authorizations": _("Zugriffe von Portalen"),
    "sessions": _("Anmeldungen"),
    "devices": _("Geräte"),
    "old_accounts": _("Verknüpfte Konten"),
    "activity": _("Aktivität"),
}

FIELDS: Mapping[str, LazyString] = {
    **CLAIMS,
    "acr": _("Stufe der Anmeldung"),
    "amr": _("Arten der Anmeldung"),
    "asked_at": _("Angefragt am"),
    "at": _("Zeit"),
    "by": _("Durch"),
    "changed_at": _("Zuletzt geändert"),
    "claims": _("Einzelne Angaben"),
    "companies": _("Unternehmen"),
    "created_at": _("Angelegt am"),
    "customer_number": _("Kundennummer"),
    "declined_claims": _("Abgelehnte einzelne Angaben"),
    "declined_scope": _("Abgelehnter Umfang"),
    "directory": _("Altes Portal"),
    "end_reason": _("Grund des Endes"),
    "ended_at": _("Beendet am"),
    "event": _("Ereignis"),
    "expires_at": _("Läuft ab am"),
    "kind": _("Art"),
    "known_since": _("Bekannt seit"),
    "label": _("Bezeichnung"),
    "last_seen_at": _("Zuletzt benutzt"),
    "last_sign_in_at": _("Letzte Anmeldung"),
    "last_used_at": _("Zuletzt benutzt"),
    "method": _("Art"),
    "network": _("Netz"),
    "new": _("Neuer Wert"),
    "offline": _("Zugriff, auch wenn Sie abgemeldet sind"),
    "old": _("Alter Wert"),
    "organization": _("Unternehmen"),
    "password_changed_at": _("Passwort geändert am"),
    "permissions": _("Berechtigungen"),
    "portal": _("Portal"),
    "portals": _("Portale"),
    "product_family": _("Zugehörigkeit"),
    "proofs": _("Nachweise"),
    "purpose": _("Zweck"),
    "reason": _("Grund"),
    "restore_until": _("Wiederherstellbar bis"),
    "revoke_reason": _("Grund des Endes"),
    "revoked_at": _("Beendet am"),
    "role": _("Rolle"),
    "scope": _("Umfang"),
    "status": _("Status"),
    "sub": _("Ihre Kennung"),
    "trusted_until": _("Gemerkt bis"),
    "undo_until": _("Lösbar bis"),
    "undone_at": _("Gelöst am"),
    "user_agent": _("Browser"),
    "username": _("Benutzername"),
    "value": _("Adresse oder Nummer"),
    "verified_at": _("Bestätigt am"),
}
