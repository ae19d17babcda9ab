"""The portal's protected areas and the entries of its menu: what the permissions are called."""

from dataclasses import dataclass

from clients.shared.wording import Text


@dataclass(frozen=True)
class Area:
    """One protected area; ``key`` is the permission it needs, ``group`` the heading it stands under."""

    key: str
    name: Text
    description: Text
    icon: str
    group: str = ""


@dataclass(frozen=True)
class MenuEntry:
    """One entry of the menu at the top right; ``path`` is a path of the issuer."""

    key: str
    name: Text
    path: str


GROUPS: dict[str, Text] = {
    "my_data": ("Meine Daten", "My data"),
}

AREAS = (
    Area(
        "cloud_orders",
        ("Bestell-Service Cloud", "Cloud ordering service"),
        ("Bestellungen für Cloud-Produkte aufgeben", "Place orders for cloud products"),
        "cloud",
    ),
    Area(
        "cancellations",
        ("Kündigen", "Cancel"),
        ("Produkte und Verträge kündigen", "Cancel products and contracts"),
        "stop",
    ),
    Area(
        "payroll_tickets",
        ("Mein HR Lohnabrechnung Service", "My HR payroll service"),
        (
            "Einsicht und Bearbeitung von BPO-Tickets (Payroll Service)",
            "View and edit BPO tickets (payroll service)",
        ),
        "people",
    ),
    Area(
        "documents",
        ("Meine Belege", "My documents"),
        ("Rechnungen und Mahnungen einsehen", "View invoices and reminders"),
        "page",
    ),
    Area(
        "licences",
        ("Meine Lizenzen", "My licences"),
        ("Einsicht in meine Lizenzen", "View my licences"),
        "key",
        "my_data",
    ),
    Area(
        "master_data",
        ("Namens- und Adressänderung", "Change of name and address"),
        (
            "Stammdatenänderung (Name, Adresse, Lizenzen)",
            "Change of master data (name, address, licences)",
        ),
        "pen",
        "my_data",
    ),
    Area(
        "shop",
        ("Sage Shop", "Sage Shop"),
        ("Administration meines Sage Shops", "Administration of my Sage Shop"),
        "bag",
        "my_data",
    ),
    Area(
        "payment_methods",
        ("Zahlungsmethoden", "Payment methods"),
        ("Änderung der hinterlegten Zahlungsmethoden", "Change of the stored payment methods"),
        "card",
        "my_data",
    ),
    Area(
        "support_requests",
        ("Meine Supportanfragen", "My support requests"),
        ("Einsicht und Bearbeitung von Support-Tickets", "View and edit support tickets"),
        "talk",
    ),
    Area(
        "contracts",
        ("Produkte und Verträge", "Products and contracts"),
        ("Anzeige meiner Produkte und Verträge", "Display of my products and contracts"),
        "stack",
    ),
)
BY_KEY = {area.key: area for area in AREAS}

MENU = (
    MenuEntry("users", ("Benutzerverwaltung", "User management"), "/organization/users"),
    MenuEntry("apply", ("Admin-Rechte beantragen", "Apply for admin rights"), "/organization/apply"),
    MenuEntry("contact", ("Administrator kontaktieren", "Contact administrator"), "/organization/contact"),
    MenuEntry("account", ("Konto verwalten", "Manage account"), "/account"),
)
AVAILABLE: frozenset[str] = frozenset()
"""The entries whose pages the issuer offers; an entry appears when its key is named here."""


def menu() -> list[MenuEntry]:
    """The entries to show, in their order, above "Abmelden"."""
    return [entry for entry in MENU if entry.key in AVAILABLE]


CLAIM_MEANINGS: dict[str, Text] = {
    "iss": ("Wer das Token ausgestellt hat", "Who issued the token"),
    "sub": ("Ihre Kennung, unveränderlich", "Your identifier, never changes"),
    "aud": ("Für wen es bestimmt ist", "Whom it is meant for"),
    "azp": ("Wer es angefordert hat", "Who asked for it"),
    "exp": ("Gültig bis", "Valid until"),
    "iat": ("Ausgestellt", "Issued"),
    "auth_time": ("Wann Sie sich angemeldet haben", "When you signed in"),
    "nonce": ("Bindet das Token an diesen Browser", "Ties the token to this browser"),
    "at_hash": ("Bindet das Zugriffstoken daran", "Ties the access token to it"),
    "acr": ("Stufe der Anmeldung", "Level of the sign-in"),
    "amr": ("Womit Sie sich ausgewiesen haben", "What you proved yourself with"),
    "sid": ("Ihre Sitzung beim Anmeldedienst", "Your session at the sign-in service"),
    "jti": ("Nummer des Tokens", "Number of the token"),
    "name": ("Name", "Name"),
    "given_name": ("Vorname", "Given name"),
    "family_name": ("Nachname", "Family name"),
    "preferred_username": ("Benutzername", "Username"),
    "email": ("E-Mail-Adresse", "Email address"),
    "email_verified": ("E-Mail-Adresse bestätigt", "Email address confirmed"),
    "locale": ("Sprache", "Language"),
    "organization": ("Ihre Firma und Ihre Rolle", "Your company and your role"),
    "permissions": ("Was Sie in diesem Portal dürfen", "What you may do in this portal"),
    "updated_at": ("Profil zuletzt geändert", "Profile last changed"),
}
