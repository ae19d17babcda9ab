"""Applying a file: idempotent, all problems at once, nothing half done."""

import copy
import tomllib
from importlib.resources import files
from typing import Any

import pytest
from sqlalchemy import select

from idp.context import Actor, Services
from idp.errors import Refusal
from idp.installation import Installation
from idp.management import organizations, permissions
from idp.management.apply import apply
from idp.oidc.clients import load_clients
from idp.oidc.metadata_reader import InvalidMetadata
from idp.organizations.permissions import catalogue
from tests.builders import OPERATOR, make_client
from tests.installation import NOW, unit_of_work
from tests.management.applying import TEXT, counts, problems


@pytest.fixture
def document() -> dict[str, Any]:
    return tomllib.loads(TEXT)


def test_everything_a_file_names_is_made(services: Services, document: dict[str, Any]) -> None:
    """Clients with their secrets, catalogues with their groups, organisations with what they hold."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        changes = apply(ctx, document)
    assert [(change.kind, change.name, change.action) for change in changes] == [
        ("client", "portal", "created"),
        ("client", "orders-api", "created"),
        ("permission", "portal/orders", "created"),
        ("permission", "portal/licences", "created"),
        ("organization", "100200300", "created"),
    ]
    assert changes[4].detail == ("portal/orders", "portal/licences")
    assert (changes[0].secret or "") not in repr(changes)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        portal = load_clients(ctx.db)["portal"]
        assert portal.check_secret(changes[0].secret or "", NOW)
        assert portal.audiences == ("orders-api",)
        orders, licences = catalogue(ctx.db, portal.row_id)
        assert (orders.name_de, orders.name_en, orders.delegable) == ("Bestellen", "Order", False)
        assert (licences.group, licences.group_name_de) == ("my_data", "Meine Daten")
        muster = organizations.find(ctx, "100200300")
        assert (muster.name, muster.require_second_factor) == ("Muster GmbH", True)
        held = permissions.withdraw_from_organization(ctx, muster.id, "portal", ["*"])
        assert sorted(held) == ["licences", "orders"]


def test_the_second_time_changes_nothing(services: Services, document: dict[str, Any]) -> None:
    """Not a row, not an event, not a version."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        apply(ctx, document)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        before = counts(ctx), ctx.db.scalars(select(Installation.snapshot_version)).one()
        changes = apply(ctx, document)
        assert {change.action for change in changes} == {"unchanged"}
        assert all(change.secret is None for change in changes)
        ctx.db.flush()
        assert (counts(ctx), ctx.db.scalars(select(Installation.snapshot_version)).one()) == before


def test_differences_are_named(services: Services, document: dict[str, Any]) -> None:
    """What the file does not name is left alone."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        apply(ctx, document)
        make_client(ctx, "other")
        muster = organizations.find(ctx, "100200300").id
        permissions.withdraw_from_organization(ctx, muster, "portal", ["orders"])
        document["client"][0]["first_party"] = True
        document["catalogue"][0]["permission"][0]["name"]["en"] = "Orders"
        document["organization"][0]["name"] = "Muster SE"
        del document["client"][1]
        changes = {change.name: change for change in apply(ctx, document)}
        assert changes["portal"].detail == ("first_party",)
        assert changes["portal/orders"].action == "updated"
        assert changes["portal/licences"].action == "unchanged"
        assert changes["100200300"].action == "updated"
        assert changes["100200300"].detail == ("name", "portal/orders")
        assert set(load_clients(ctx.db)) == {"portal", "orders-api", "other"}


def test_a_dry_run_changes_nothing(services: Services, document: dict[str, Any]) -> None:
    """And answers the same, without secrets."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        before = counts(ctx)
        planned = apply(ctx, document, dry_run=True)
        ctx.db.flush()
        assert counts(ctx) == before
        made = apply(ctx, document)
    assert [(c.kind, c.name, c.action, c.detail) for c in planned] == [
        (c.kind, c.name, c.action, c.detail) for c in made
    ]
    assert all(change.secret is None for change in planned)


def test_all_problems_of_a_file_come_at_once(services: Services) -> None:
    """Each with its place, what it said and what it would have to be."""
    document: dict[str, Any] = {
        "clients": [],
        "client": [
            {"client_id": "portal", "redirect_uri": "https://portal.example/cb"},
            {"client_id": "spa", "kind": "spa", "redirect_uris": ["http://spa.example/"], "audiences": ["x"]},
        ],
        "catalogue": [
            {"client": "nobody", "permission": [{"key": "Orders", "group": "mine", "extra": 1}]},
        ],
        "organization": [
            {"customer_number": "?", "name": "", "join_policy": "open", "permissions": {"nobody": ["x"]}},
            {"customer_number": "1", "name": "Eins", "permissions": {"portal": ["orders", "*"]}},
        ],
    }
    with unit_of_work(services, actor=OPERATOR) as ctx:
        found = problems(ctx, document)
    assert found["clients"] == "is not a known field; is client meant?"
    assert found["client.portal.redirect_uri"] == "is not a known field; is redirect_uris meant?"
    assert found["client.spa.redirect_uris"].startswith("must be https")
    assert found["catalogue.nobody.permission.Orders.key"].startswith("must have 1 to 64")
    assert found["catalogue.nobody.permission.Orders.group"].startswith("must be a group of this catalogue")
    assert found["catalogue.nobody.permission.Orders.extra"] == "is not a known field"
    assert found["catalogue.nobody.permission.Orders.name.de"].startswith("must have 1 to 128")
    assert found["catalogue.nobody.permission.Orders.description.en"].startswith("must have 1 to 512")
    assert found["catalogue.nobody"].startswith("must be the client id")
    assert found["organization.?.customer_number"].startswith("must have 1 to 31")
    assert found["organization.?.name"].startswith("must have 1 to 255")
    assert found["organization.?.join_policy"].startswith("must be one of (admin_approval")
    assert found["organization.1.permissions.portal"] == "must be keys of the client's catalogue, or *"


WRONG: list[tuple[str, Any, str]] = [
    ("client", {}, "must be a list of tables"),
    ("client", ["portal"], "must be a list of tables"),
    ("catalogue", None, "must be a list of tables"),
    ("organization", "Muster", "must be a list of tables"),
]


@pytest.mark.parametrize(("field", "value", "expected"), WRONG)
def test_wrong_shapes_are_refused(
    services: Services, document: dict[str, Any], field: str, value: object, expected: str
) -> None:
    """A file of another shape is a problem, never an exception; its values, one a secret, are not told."""
    document[field] = value
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert problems(ctx, document)[field] == expected
        with pytest.raises(InvalidMetadata) as caught:
            apply(ctx, document)
    told = {problem.received for problem in caught.value.problems if problem.field == field}
    assert told == {f'"{type(value).__name__}"'}


def test_wrong_shapes_inside_are_refused(services: Services, document: dict[str, Any]) -> None:
    """At any depth."""
    document["catalogue"][0]["permission"][0]["name"] = "Bestellen"
    document["catalogue"][0]["group"] = [{"key": "my_data", "name": {"de": "Meine Daten", "fr": "x"}}]
    document["organization"][0]["permissions"] = ["portal"]
    with unit_of_work(services, actor=OPERATOR) as ctx:
        found = problems(ctx, document)
    assert found["catalogue.portal.permission.orders.name"] == "must be a table"
    assert found["catalogue.portal.group.my_data.name.fr"] == "is not a known field"
    assert found["organization.D 100 200 300.permissions"] == "must be a table"


def test_names_stand_once(services: Services, document: dict[str, Any]) -> None:
    """Two rows of one name could both win."""
    for kind in ("client", "catalogue", "organization"):
        document[kind].append(copy.deepcopy(document[kind][0]))
    document["catalogue"][0]["permission"].append(copy.deepcopy(document["catalogue"][0]["permission"][0]))
    document["organization"][1]["customer_number"] = "100200300"
    with unit_of_work(services, actor=OPERATOR) as ctx:
        found = problems(ctx, document)
    assert set(found) == {"client", "catalogue", "organization", "catalogue.portal.permission"}


def test_unknown_audiences_and_clients_are_refused(services: Services, document: dict[str, Any]) -> None:
    """A client of the same file counts, one of the installation too, others do not."""
    document["client"].pop()
    document["organization"][0]["permissions"]["shop"] = ["*"]
    with unit_of_work(services, actor=OPERATOR) as ctx:
        found = problems(ctx, document)
        assert found["client.portal.audiences"] == "must be client ids of registered clients"
        assert found["organization.100200300.permissions"].startswith("must be the client id")
        make_client(ctx, "shop")
        make_client(ctx, "orders-api")
        assert apply(ctx, document)


def test_a_resource_uri_has_one_owner_in_the_end(services: Services, document: dict[str, Any]) -> None:
    """Two of a file cannot have one; one may take it over from another that lets go in the same file."""
    portal, api = document["client"]
    uri = "https://orders.example/"
    api["resource_uri"] = uri
    with unit_of_work(services, actor=OPERATOR) as ctx:
        apply(ctx, document)
        portal["resource_uri"] = uri
        assert set(problems(ctx, document)) == {"client.resource_uri"}
        assert set(problems(ctx, {"client": [portal]})) == {"client.portal.resource_uri"}
        del api["resource_uri"]
        apply(ctx, document)
        owners = {name for name, client in load_clients(ctx.db).items() if client.resource_uri == uri}
        assert owners == {"portal"}


@pytest.mark.parametrize("kind", ["account", "client", "anonymous", ""])
def test_only_operators_apply_files(services: Services, document: dict[str, Any], kind: str) -> None:
    """The same rule as for each operation (req 92)."""
    with (
        unit_of_work(services, actor=Actor(kind=kind)) as ctx,
        pytest.raises(Refusal, match=r"actor\.not_allowed"),
    ):
        apply(ctx, document)


SHIPPED = {
    "cloud_orders": ("Bestell-Service Cloud", "Bestellungen für Cloud-Produkte aufgeben"),
    "cancellations": ("Kündigen", "Produkte und Verträge kündigen"),
    "payroll_tickets": (
        "Mein HR Lohnabrechnung Service",
        "Einsicht und Bearbeitung von BPO-Tickets (Payroll Service)",
    ),
    "documents": ("Meine Belege", "Rechnungen und Mahnungen einsehen"),
    "licences": ("Meine Lizenzen", "Einsicht in meine Lizenzen"),
    "master_data": ("Namens- und Adressänderung", "Stammdatenänderung (Name, Adresse, Lizenzen)"),
    "shop": ("Sage Shop", "Administration meines Sage Shops"),
    "payment_methods": ("Zahlungsmethoden", "Änderung der hinterlegten Zahlungsmethoden"),
    "support_requests": ("Meine Supportanfragen", "Einsicht und Bearbeitung von Support-Tickets"),
    "contracts": ("Produkte und Verträge", "Anzeige meiner Produkte und Verträge"),
}
"""The list of the Sage Portal's handbook, word for word and in its order."""
GROUPED = ["licences", "master_data", "shop", "payment_methods"]


def test_the_catalogue_that_ships(services: Services) -> None:
    """The handbook's eleven rows word for word: ten permissions and the group "Meine Daten" of four."""
    text = files("idp.management").joinpath("data/customer-portal.toml").read_text("utf-8")
    with unit_of_work(services, actor=OPERATOR) as ctx:
        portal = make_client(ctx, "customer-portal")
        apply(ctx, tomllib.loads(text))
        entries = catalogue(ctx.db, portal)
    assert [(entry.key, (entry.name_de, entry.description_de)) for entry in entries] == [*SHIPPED.items()]
    grouped = [entry for entry in entries if entry.group is not None]
    assert [entry.key for entry in grouped] == GROUPED
    assert {(entry.group_name_de, entry.group_description_de) for entry in grouped} == {
        ("Meine Daten", 'Alle Rechte im Bereich "Meine Daten" vergeben')
    }
    english = [(entry.name_en, entry.description_en) for entry in entries]
    english += [(entry.group_name_en or "", entry.group_description_en or "") for entry in grouped]
    assert all(name and description for name, description in english)


def test_a_group_needs_no_description(services: Services, document: dict[str, Any]) -> None:
    """And one that is there is read like every other text."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert "description" not in document["catalogue"][0]["group"][0]
        apply(ctx, document)
        licences = catalogue(ctx.db, load_clients(ctx.db)["portal"].row_id)[1]
        assert (licences.group_description_de, licences.group_description_en) == (None, None)
        document["catalogue"][0]["group"][0]["description"] = {"de": "Alles"}
        assert problems(ctx, document) == {
            "catalogue.portal.group.my_data.description.en": "must have 1 to 512 visible characters"
        }
