"""The demo's old portal "Servicewelt": three accounts with three old forms of hash, as its file has them."""

import io
import json
from dataclasses import dataclass
from typing import Any

from idp.accounts.legacy.import_file import read
from idp.cli.demo.people import BEISPIEL, MUSTER
from idp.cli.demo.registrations import PORTAL
from idp.context import Context
from idp.management.legacy_import import Import

SLUG = "servicewelt"


@dataclass(frozen=True, slots=True)
class OldAccount:
    """Somebody the old portal knows; passwords and hashes exist only here."""

    username: str
    password: str
    hash: str
    customer_number: str
    email: str
    given_name: str
    family_name: str
    permissions: tuple[str, ...]


OLD_ACCOUNTS = (
    OldAccount(
        "smueller",
        "Servicewelt 2011",
        "$2y$10$SzR1VletPQpZQCyQoSs26uuXe4jX8M62stCL6NY8Z82SFtKQVOSpO",  # bcrypt, as PHP makes it
        MUSTER,
        "smueller@muster.example",
        "Sabine",
        "Müller",
        ("Supportanfragen", "Belege"),
    ),
    OldAccount(
        "kweber",
        "Rechnung1998",
        "{SSHA}XcyIVb6sJRP2CRATIDhs6EAw5v1Ob3Jkd2luZA==",  # salted SHA-1, as LDAP servers keep it
        BEISPIEL,
        "kweber@beispiel.example",
        "Klaus",
        "Weber",
        ("Lizenzen", "Vertraege"),
    ),
    OldAccount(
        "tkranz",
        "kranich77",
        "$P$BXAp5h36elOq2fx3G20h1RyXfcOmX60",  # phpass, as old PHP portals keep it
        MUSTER,
        "tkranz@muster.example",
        "Thomas",
        "Kranz",
        ("Belege",),
    ),
)


def document() -> dict[str, Any]:
    """Return old portal and product families as ``idp apply`` reads them."""
    return {"legacy_directory": [directory()], "product_family": product_families()}


def directory() -> dict[str, Any]:
    """Return the directory as ``idp apply`` reads it."""
    names = {
        "Supportanfragen": "support_requests",
        "Belege": "documents",
        "Lizenzen": "licences",
        "Vertraege": "contracts",
    }
    return {
        "slug": SLUG,
        "name": {"de": "Servicewelt", "en": "Servicewelt"},
        "kind": "imported",
        "product_families": ["sage-100", "sage-b7", "sage-dpw"],
        "offer_at_sign_in": True,
        "permissions": {old: {PORTAL: [key]} for old, key in names.items()},
    }


def product_families() -> list[dict[str, Any]]:
    """Return what people of three countries use, as ``idp apply`` reads it."""
    names = (
        ("sage-100", "DE", "Sage 50 Connected, Sage 50 Handwerk, Sage 100, Sage HR Suite", PORTAL),
        ("sage-b7", "DE", "Sage b7, Sage Wincarat, Sage X3", PORTAL),
        ("sage-dpw", "AT", "Sage DPW", PORTAL),
        ("sage-50-ch", "CH", "Sage 50 Extra, Sage 200 Extra", PORTAL),
    )
    return [
        {"slug": slug, "country": country, "name": {"de": name, "en": name}, "home": home}
        for slug, country, name, home in names
    ]


def import_accounts(ctx: Context) -> None:
    """Import the accounts, where they are not there yet."""
    run = Import(ctx, SLUG)
    lines = read(io.BytesIO(_file().encode()), json_lines=True)
    for batch in run.batches(ctx, lines):
        run.take(ctx, run.plan(ctx, batch))


def summary() -> list[dict[str, str]]:
    """Return what ``demo.json`` says of them."""
    return [
        {"username": old.username, "password": old.password, "customer_number": old.customer_number}
        for old in OLD_ACCOUNTS
    ]


def _file() -> str:
    rows = [
        {
            "username": old.username,
            "hash": old.hash,
            "customer_number": old.customer_number,
            "email": old.email,
            "given_name": old.given_name,
            "family_name": old.family_name,
            "permissions": list(old.permissions),
        }
        for old in OLD_ACCOUNTS
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)
