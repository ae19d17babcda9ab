"""K-13: everything we hold about a person is in the export, and no secret is (req 96, 108)."""

import json

import pytest
from sqlalchemy import LargeBinary, Table, select

import idp.migrations.models  # noqa: F401  (declares every table)
from idp.accounts.legacy.models import LegacyAccount, LegacyDirectory, LegacyLink
from idp.audit.events import Event
from idp.audit.log import record
from idp.audit.models import AuditEvent
from idp.context import Actor, Origin, Services
from idp.db import Base
from idp.delivery.models import OutboxMessage
from idp.errors import Refusal
from idp.management import accounts, activity, joining, own_data, permissions
from idp.management.own_data_fields import TABLES, UNTOLD
from idp.oidc import consent
from idp.oidc.clients import load_clients
from idp.oidc.consent import Extent
from idp.web.wording.own_data import FIELDS, SECTIONS
from tests import cast
from tests.builders import (
    OPERATOR,
    make_account,
    make_catalogue,
    make_client,
    make_membership,
    make_organization,
    sign_in,
)
from tests.installation import unit_of_work


def about_people() -> dict[str, Table]:
    """Return the tables that hang on an account, directly or by another such table."""
    found = {"account": Base.metadata.tables["account"]}
    growing = True
    while growing:
        growing = False
        for name, table in Base.metadata.tables.items():
            if name not in found and any(key.column.table.name in found for key in table.foreign_keys):
                found[name], growing = table, True
    return found


def test_no_table_about_people_is_forgotten() -> None:
    """Each is in the export, or named as one that is not, and nothing is named that does not exist."""
    assert set(about_people()) == TABLES.keys() | UNTOLD


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_decided_about(name: str) -> None:
    """Told or withheld, never both; what is sealed or hashed is never told (req 96)."""
    columns = {column.name: column for column in Base.metadata.tables[name].columns}
    told, withheld = TABLES[name]
    assert sorted(told + withheld) == sorted(columns)
    assert not [column for column in told if isinstance(columns[column].type, LargeBinary)]
    assert not [column for column in told if "hash" in column or column.endswith("id")]


@pytest.fixture
def anna(services: Services) -> str:
    """Somebody with something in every section but an old account."""
    with unit_of_work(services, origin=Origin("192.0.2.7", "Firefox/140.0 Windows")) as ctx:
        make_client(ctx, client_name="Wetter")
        account = cast.person(ctx, "anna", app=True, nickname="Anni")
        organization = make_organization(ctx)
        member = make_membership(ctx, organization, account)
        make_catalogue(ctx)
        acting = ctx.acting(OPERATOR)
        permissions.grant_to_organization(acting, organization, "portal", ["orders"])
        permissions.grant_to_member(acting, organization, member, "portal", ["orders"])
        wanted = Extent(frozenset({"openid", "email"}), frozenset())
        consent.decide(ctx, account, load_clients(ctx.db)["portal"], wanted, wanted)
        sign_in(ctx, account, membership_id=member)
        joining.ask(acting, account, "100200999")
        return account


@pytest.mark.parametrize("number", ["100200300", "100200301"])
def test_what_was_asked_tells_nothing_of_a_company(services: Services, number: str) -> None:
    """A number that a company has and one that none has look alike in export and log (req 59)."""
    with unit_of_work(services) as ctx:
        make_organization(ctx)
        ben = make_account(ctx, "ben")
    me = Actor("account", ben)
    with unit_of_work(services, actor=me) as ctx:
        joining.ask(ctx, ben, number)
    with unit_of_work(services, actor=me) as ctx:
        found = own_data.export(ctx, ben, "json")
        deeds = activity.page(ctx, ben).deeds
    assert [request["customer_number"] for request in found["join_requests"]] == [number]
    assert found["companies"] == []
    assert "Muster" not in json.dumps(found, default=str)
    assert {deed.organization for deed in deeds} == {None}


def test_the_export_tells_all_sections(services: Services, anna: str) -> None:
    """With the person's values and the names of portals; nothing of other people or of the machinery."""
    with unit_of_work(services, actor=Actor("account", anna)) as ctx:
        cast.person(ctx, "ben")
        found = own_data.export(ctx, anna, "json")
    text = json.dumps(found, default=str)
    for told in ("anna@muster.example", "Anni", "Muster GmbH", "Wetter", "Wetter: orders", "totp", "pwd"):
        assert told in text
    assert "ben@" not in text
    assert cast.TOTP_SECRET not in text
    assert "argon2" not in text
    filled = {name for name, entries in found.items() if entries}
    assert filled >= found.keys() - {"recovery", "devices", "old_accounts"}


def test_every_section_and_field_has_a_name(services: Services, anna: str) -> None:
    with unit_of_work(services, actor=Actor("account", anna)) as ctx:
        found = own_data.export(ctx, anna, "html")
    assert found.keys() == SECTIONS.keys()
    fields = {field for entries in found.values() for entry in entries for field in entry}
    fields |= {column for told in TABLES.values() for column in told.columns}
    fields |= {"directory", "customer_number", "email"}
    assert fields - FIELDS.keys() == set()


def test_taking_it_is_told_and_logged(services: Services, anna: str) -> None:
    """A mail to the proven address, and an event with the form alone (M14)."""
    with unit_of_work(services, actor=Actor("account", anna)) as ctx:
        own_data.export(ctx, anna, "json")
        [event] = ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "account.exported"))
        assert (event.actor_id, event.target_id, event.new) == (anna, anna, '{"format":"json"}')
        [message] = ctx.db.scalars(select(OutboxMessage).where(OutboxMessage.kind == "mail"))
        payload = ctx.vault.open_json(message.payload, table="outbox", row=message.id)
        assert payload["mail"] == "data_exported"


def test_an_operators_sentence_is_not_in_it(services: Services, anna: str) -> None:
    """It may be about other people; the words that we write ourselves are (req 110)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.block(ctx, anna, reason="Hinweis von Frau Krause")
        accounts.unblock(ctx, anna, reason="Frau Krause hat sich geirrt")
        record(
            ctx.acting(Actor("anonymous")), Event.SIGN_IN_FAILED, target=("account", anna), reason="a word"
        )
    with unit_of_work(services, actor=Actor("account", anna)) as ctx:
        told = own_data.export(ctx, anna, "json")["activity"]
    assert {entry["reason"] for entry in told} == {None, "a word"}
    assert "account.blocked" in {entry["event"] for entry in told}


def test_others_are_refused(services: Services, anna: str) -> None:
    with unit_of_work(services) as ctx:
        other = make_account(ctx, "clara")
    for actor in (Actor("account", other), Actor("anonymous"), Actor("client", anna)):
        with unit_of_work(services, actor=actor) as ctx, pytest.raises(Refusal, match=r"actor\.not_allowed"):
            own_data.export(ctx, anna, "json")


def test_old_accounts(services: Services, anna: str) -> None:
    """With what they say while they are the person's own; nothing of it once one was given back."""
    with unit_of_work(services, actor=Actor("account", anna)) as ctx:
        moments = {"created_at": ctx.now, "updated_at": ctx.now}
        ctx.db.add(
            LegacyDirectory(id="d", slug="d", name_de="Servicewelt", name_en="", kind="imported", **moments)
        )
        ctx.db.flush()
        personal = ctx.vault.seal_json({"username": "smueller"}, table="legacy_account", row="l")
        old = LegacyAccount(
            id="l",
            directory_id="d",
            lookup=b"l",
            personal=personal,
            owner_id=anna,
            permissions=["x"],
            **moments,
        )
        ctx.db.add(old)
        ctx.db.flush()
        ctx.db.add(
            LegacyLink(
                id="k",
                account_id=anna,
                legacy_account_id="l",
                created_at=ctx.now,
                undo_until=ctx.now,
                changes={},
            )
        )
        ctx.db.flush()
        [told] = own_data.export(ctx, anna, "json")["old_accounts"]
        assert (told["directory"], told["username"], told["permissions"]) == (
            "Servicewelt",
            "smueller",
            ["x"],
        )
        old.owner_id = None
        ctx.db.flush()
        [told] = own_data.export(ctx, anna, "json")["old_accounts"]
        assert "username" not in told
