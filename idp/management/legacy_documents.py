"""What a file of ``idp apply`` may say of legacy directories.

``[[legacy_directory]]`` has ``slug``, ``name`` (a table with ``de`` and ``en``), ``kind`` (``imported`` or
``https``, which needs an ``endpoint``), optional ``product_families``, ``offer_at_sign_in`` and
``permissions``: a table of an old permission's name to a table of client to list of keys.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from idp.accounts.legacy.models import HTTPS, IMPORTED
from idp.management.legacy_directories import Wanted
from idp.oidc.client_values import is_key, is_slug
from idp.oidc.metadata_reader import MetadataReader, Problem

FIELDS: Final = (
    "slug",
    "name",
    "kind",
    "endpoint",
    "product_families",
    "offer_at_sign_in",
    "permissions",
)


def read_directory(table: Mapping[str, object], problems: list[Problem]) -> Wanted:
    """Read one directory and add what is wrong with it to *problems*."""
    place = f"legacy_directory.{table.get('slug', '?')}."
    reader = MetadataReader(table, place=place)
    reader.refuse_unknown(FIELDS)
    name = MetadataReader(reader.table("name"), place=f"{place}name.")
    name.refuse_unknown(("de", "en"))
    wanted = Wanted(
        slug=reader.text("slug", "", slug_problem),
        name_de=name.text("de", "", visible_problem),
        name_en=name.text("en", "", visible_problem),
        kind=reader.text("kind", IMPORTED, _kind),
        endpoint=reader.optional("endpoint", _endpoint),
        product_families=reader.texts("product_families", (), slug_problem),
        offer_at_sign_in=reader.flag("offer_at_sign_in", False),
        permission_map=_permission_map(reader, problems),
    )
    if (wanted.kind == HTTPS) != (wanted.endpoint is not None):
        reader.problem("endpoint", wanted.endpoint, "must be there for the kind https, and for no other")
    problems += reader.problems + name.problems
    return wanted


def _permission_map(reader: MetadataReader, problems: list[Problem]) -> dict[str, dict[str, list[str]]]:
    found = {}
    for name, clients in reader.table("permissions").items():
        if not isinstance(clients, Mapping):
            reader.problem(f"permissions.{name}", clients, "must be a table of client to list of keys")
            continue
        if not name.isprintable() or " " in name or len(name) > 64:
            reader.problem("permissions", name, "must be a name of up to 64 characters without blanks")
        inner = MetadataReader(clients, place=f"{reader.place}permissions.{name}.")
        found[name] = {client: inner.texts(client, (), key_problem) for client in clients}
        problems += inner.problems
    return found


def slug_problem(text: str) -> str | None:
    """Say what is wrong with a slug."""
    return None if is_slug(text) else "must have 1 to 64 small letters, digits and hyphens"


def visible_problem(text: str) -> str | None:
    """Say what is wrong with a name."""
    fine = text.strip() and len(text) <= 128 and text.isprintable()
    return None if fine else "must have 1 to 128 visible characters"


def key_problem(text: str) -> str | None:
    """Say what is wrong with the key of a permission."""
    return None if is_key(text) else "must have 1 to 64 small letters, digits and single _ between them"


def _kind(text: str) -> str | None:
    return None if text in (IMPORTED, HTTPS) else f"must be {IMPORTED} or {HTTPS}"


def _endpoint(text: str) -> str | None:
    try:
        parts = urlsplit(text)
    except ValueError:
        return "must be an address that can be read"
    plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= 2048
    # http is for a portal beside a demo: the egress guard lets it through to loopback only, and only there
    fine = plain and parts.scheme in ("https", "http") and parts.hostname and "@" not in parts.netloc
    return None if fine and not parts.fragment else "must be an address that begins with https://"
