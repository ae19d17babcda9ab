"""What a file of ``idp apply`` may say, checked as a whole before anything is changed.

``[[client]]`` holds a registration (``idp.oidc.client_metadata``).  ``[[catalogue]]`` names a ``client``, its
``[[catalogue.group]]`` (``key``, ``name``, optional ``description``) and its ``[[catalogue.permission]]``
(``key``, ``name``, ``description``, optional ``group`` and ``delegable``) in their order; names and
descriptions are tables with ``de`` and ``en``.  ``[[organization]]`` has ``customer_number``, ``name``,
optional ``join_policy`` (else the installation's), ``require_second_factor``, ``address`` (lines under the
name on a letter) and ``permissions``, a table of client to list of keys, ``*`` for all.
``[[legacy_directory]]``: see ``idp.management.legacy_documents``; ``[[product_family]]``: see
``idp.management.family_documents``.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import select

from idp.context import Context
from idp.errors import Refusal
from idp.management import clients, organizations
from idp.management.affiliation import Family
from idp.management.family_documents import FIELDS as FAMILY_FIELDS
from idp.management.family_documents import read_family
from idp.management.legacy_directories import Wanted as LegacyDirectory
from idp.management.legacy_documents import FIELDS as DIRECTORY_FIELDS
from idp.management.legacy_documents import key_problem, read_directory
from idp.management.permissions import ALL, Entry
from idp.oidc.client_fields import ClientMetadata
from idp.oidc.client_metadata import validate
from idp.oidc.client_values import is_slug
from idp.oidc.metadata_reader import Check, InvalidMetadata, MetadataReader, Problem, shown
from idp.oidc.models import Client
from idp.organizations.memberships import normalized_customer_number
from idp.organizations.models import Permission

FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "client": tuple(ClientMetadata.__dataclass_fields__),
        "catalogue": ("client", "group", "permission"),
        "catalogue.group": ("key", "name", "description"),
        "catalogue.permission": ("key", "name", "description", "group", "delegable"),
        "organization": (
            "customer_number",
            "name",
            "join_policy",
            "require_second_factor",
            "address",
            "permissions",
        ),
        "legacy_directory": DIRECTORY_FIELDS,
        "product_family": FAMILY_FIELDS,
    }
)
"""The tables of a file and what each may have."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The permissions of one client."""

    client_id: str
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation and what it holds."""

    customer_number: str
    name: str
    join_policy: str | None
    require_second_factor: bool
    address: list[str]
    permissions: Mapping[str, list[str]]

    def settings(self, join: str) -> dict[str, Any]:
        """Return what a later file may change; *join* is the installation's policy."""
        return {
            "name": self.name,
            "join_policy": self.join_policy or join,
            "require_second_factor": self.require_second_factor,
            "address": self.address,
        }


@dataclass(frozen=True, slots=True)
class Document:
    """A checked file."""

    clients: list[ClientMetadata]
    catalogues: list[Catalogue]
    organizations: list[Organization]
    legacy_directories: list[LegacyDirectory]
    families: list[Family]


def read(ctx: Context, document: Mapping[str, Any]) -> Document:
    """Check a document against the rules and against what the installation has.

    :raises InvalidMetadata: with every problem of the whole document.
    """
    reader = MetadataReader(document)
    reader.refuse_unknown([table for table in FIELDS if "." not in table])
    problems = reader.problems
    checked = Document(
        [made for table in reader.tables("client") if (made := _client(table, problems))],
        [_catalogue(table, problems) for table in reader.tables("catalogue")],
        [_organization(table, problems) for table in reader.tables("organization")],
        [read_directory(table, problems) for table in reader.tables("legacy_directory")],
        [read_family(table, problems) for table in reader.tables("product_family")],
    )
    problems += _repeated(checked)
    problems += _unknown_names(ctx, document, checked)
    if problems:
        raise InvalidMetadata(problems)
    return checked


def _client(table: Mapping[str, object], problems: list[Problem]) -> ClientMetadata | None:
    try:
        return validate(table)
    except InvalidMetadata as invalid:
        problems += _placed(f"client.{table.get('client_id', '?')}.", invalid)
        return None


def _placed(place: str, invalid: InvalidMetadata) -> list[Problem]:
    return [Problem(place + found.field, found.received, found.expected) for found in invalid.problems]


def _catalogue(table: Mapping[str, object], problems: list[Problem]) -> Catalogue:
    place = f"catalogue.{table.get('client', '?')}."
    reader = MetadataReader(table, place=place)
    reader.refuse_unknown(FIELDS["catalogue"])
    client_id = reader.text("client", "", _slug)
    groups = {}
    for group in reader.tables("group"):
        inner = MetadataReader(group, place=f"{place}group.{group.get('key', '?')}.")
        inner.refuse_unknown(FIELDS["catalogue.group"])
        groups[inner.text("key", "", key_problem)] = _group(group, inner, problems)
        problems += inner.problems
    entries = [_entry(entry, place, groups, problems) for entry in reader.tables("permission")]
    problems += reader.problems
    return Catalogue(client_id, entries)


def _group(
    table: Mapping[str, object], reader: MetadataReader, problems: list[Problem]
) -> dict[str, str | None]:
    """Return what each permission of a group says of it."""
    name_de, name_en = _texts(reader, "name", problems)
    described = "description" in table
    texts = _texts(reader, "description", problems, longest=512) if described else (None, None)
    return {
        "group_name_de": name_de,
        "group_name_en": name_en,
        "group_description_de": texts[0],
        "group_description_en": texts[1],
    }


def _entry(
    table: Mapping[str, object],
    place: str,
    groups: Mapping[str, Mapping[str, str | None]],
    problems: list[Problem],
) -> Entry:
    reader = MetadataReader(table, place=f"{place}permission.{table.get('key', '?')}.")
    reader.refuse_unknown(FIELDS["catalogue.permission"])
    key = reader.text("key", "", key_problem)
    name_de, name_en = _texts(reader, "name", problems)
    description_de, description_en = _texts(reader, "description", problems, longest=512)
    group = reader.optional("group", _one_of(groups, "a group of this catalogue"))
    delegable = reader.flag("delegable", True)
    problems += reader.problems
    return Entry(
        key=key,
        name_de=name_de,
        name_en=name_en,
        description_de=description_de,
        description_en=description_en,
        group=group or None,
        delegable=delegable,
        **groups.get(group or "", {}),
    )


def _texts(
    reader: MetadataReader, field: str, problems: list[Problem], *, longest: int = 128
) -> tuple[str, str]:
    """Return a text in German and English."""
    inner = MetadataReader(reader.table(field), place=f"{reader.place}{field}.")
    inner.refuse_unknown(("de", "en"))

    def check(text: str) -> str | None:
        fine = text.strip() and len(text) <= longest and text.isprintable()
        return None if fine else f"must have 1 to {longest} visible characters"

    texts = inner.text("de", "", check), inner.text("en", "", check)
    problems += inner.problems
    return texts


def _organization(table: Mapping[str, object], problems: list[Problem]) -> Organization:
    place = f"organization.{table.get('customer_number', '?')}."
    reader = MetadataReader(table, place=place)
    reader.refuse_unknown(FIELDS["organization"])
    number = reader.text("customer_number", "", _accepted_by(organizations.checked_customer_number))
    granted = MetadataReader(reader.table("permissions"), place=f"{place}permissions.")
    organization = Organization(
        customer_number=normalized_customer_number(number),
        name=reader.text("name", "", _accepted_by(organizations.checked_name)),
        join_policy=reader.optional("join_policy", _one_of(organizations.JOIN_POLICIES)),
        require_second_factor=reader.flag("require_second_factor", False),
        address=_address(reader),
        permissions={
            client: granted.texts(client, (), lambda key: None if key == ALL else key_problem(key))
            for client in reader.table("permissions")
        },
    )
    problems += reader.problems + granted.problems
    return organization


def _address(reader: MetadataReader) -> list[str]:
    lines = reader.texts("address", (), lambda _: None)
    try:
        return organizations.checked_address(lines)
    except Refusal as refusal:
        most = "must have at most {lines} lines of 1 to {signs} visible characters"
        reader.problem("address", lines, most.format(**refusal.params))
        return []


def _repeated(document: Document) -> list[Problem]:
    """Return the names that stand in the document more than once."""
    return [
        *_twice("client", (client.client_id for client in document.clients)),
        *_twice("client.resource_uri", (client.resource_uri or "" for client in document.clients)),
        *_twice("catalogue", (catalogue.client_id for catalogue in document.catalogues)),
        *_twice("organization", (found.customer_number for found in document.organizations)),
        *_twice("legacy_directory", (found.slug for found in document.legacy_directories)),
        *_twice("product_family", (found.slug for found in document.families)),
        *_twice(
            "legacy_directory.product_families",
            (slug for found in document.legacy_directories for slug in found.product_families),
        ),
        *(
            problem
            for catalogue in document.catalogues
            for problem in _twice(
                f"catalogue.{catalogue.client_id}.permission", (entry.key for entry in catalogue.entries)
            )
        ),
    ]


def _twice(place: str, names: Iterable[str]) -> list[Problem]:
    return [
        Problem(place, shown(name), "must name each once")
        for name, count in Counter(names).items()
        if count > 1 and name
    ]


def _unknown_names(ctx: Context, document: Mapping[str, Any], checked: Document) -> list[Problem]:
    """Return the clients and permissions that neither the document nor the installation has."""
    planned = _planned(document)
    known = planned | set(ctx.db.scalars(select(Client.client_id)))
    problems = []
    for client in checked.clients:
        try:
            clients.check_references(ctx, client, planned=planned)
        except InvalidMetadata as invalid:
            problems += _placed(f"client.{client.client_id}.", invalid)
    for catalogue in checked.catalogues:
        if catalogue.client_id and catalogue.client_id not in known:
            problems.append(_no_client(f"catalogue.{catalogue.client_id}", catalogue.client_id))
    problems += [
        _no_client(f"product_family.{family.slug}.home", family.home_client)
        for family in checked.families
        if family.home_client and family.home_client not in known
    ]
    return problems + _unknown_permissions(ctx, checked, known)


def _unknown_permissions(ctx: Context, checked: Document, known: Collection[str]) -> list[Problem]:
    problems = []
    for place, named in _named_permissions(checked):
        for client_id, keys in named.items():
            if client_id not in known:
                problems.append(_no_client(place, client_id))
                continue
            missing = sorted(set(keys) - {ALL} - _catalogue_keys(ctx, checked, client_id))
            if missing:
                expected = "must be keys of the client's catalogue, or *"
                problems.append(Problem(f"{place}.{client_id}", shown(missing), expected))
    return problems


def _named_permissions(checked: Document) -> Iterable[tuple[str, Mapping[str, list[str]]]]:
    """Yield each place that names clients and keys of their catalogues."""
    for organization in checked.organizations:
        yield f"organization.{organization.customer_number}.permissions", organization.permissions
    for directory in checked.legacy_directories:
        for name, clients_keys in directory.permission_map.items():
            yield f"legacy_directory.{directory.slug}.permissions.{name}", clients_keys


def _planned(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the client ids of the document, of those in error too: they are to exist."""
    tables = document.get("client")
    rows = tables if isinstance(tables, list) else []
    ids = [row.get("client_id") for row in rows if isinstance(row, Mapping)]
    return frozenset(client_id for client_id in ids if isinstance(client_id, str))


def _catalogue_keys(ctx: Context, checked: Document, client_id: str) -> set[str]:
    stored = select(Permission.key).join(Client, Client.id == Permission.client_id)
    keys = set(ctx.db.scalars(stored.where(Client.client_id == client_id)))
    for catalogue in checked.catalogues:
        if catalogue.client_id == client_id:
            keys |= {entry.key for entry in catalogue.entries}
    return keys


def _no_client(place: str, client_id: str) -> Problem:
    return Problem(place, shown(client_id), "must be the client id of a registered client")


def _slug(text: str) -> str | None:
    return None if is_slug(text) else "must be a client id"


def _one_of(words: Collection[str], what: str = "") -> Check:
    def check(text: str) -> str | None:
        return None if text in words else f"must be {what or 'one of'} ({', '.join(words)})"

    return check


def _accepted_by(rule: Callable[[str], str]) -> Check:
    def check(text: str) -> str | None:
        try:
            rule(text)
        except Refusal as refusal:
            return _REFUSED[refusal.code]
        return None

    return check


_REFUSED: Final = {
    "customer.format": "must have 1 to 31 letters, digits, and -, . or / between them",
    "organization.name": "must have 1 to 255 visible characters and no space at its ends",
}
