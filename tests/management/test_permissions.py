"""Catalogues, what organisations hold, what people get (req 92)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from idp.audit.log import tail
from idp.context import Actor, Services
from idp.errors import Refusal
from idp.installation import Installation
from idp.management import permissions
from idp.organizations.models import Membership, Organization
from idp.organizations.permissions import catalogue
from tests.builders import (
    OPERATOR,
    make_account,
    make_catalogue,
    make_client,
    make_entry,
    make_membership,
    make_organization,
)
from tests.installation import unit_of_work


@pytest.fixture
def company(services: Services) -> dict[str, str]:
    """Ben at Muster GmbH, a portal with three permissions, of which the company holds two."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        client = make_client(ctx)
        make_catalogue(ctx, "portal", ["orders", "contracts", "documents"])
        organization = make_organization(ctx)
        membership = make_membership(ctx, organization, make_account(ctx))
        permissions.grant_to_organization(ctx, organization, "portal", ["orders", "contracts"])
    return {"client": client, "organization": organization, "membership": membership}


def test_a_catalogue_is_written_again_without_change(services: Services, company: dict[str, str]) -> None:
    """The second time nothing happens, not even a new version of the snapshot."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        version = select(Installation.snapshot_version)
        before = ctx.db.scalars(version).one()
        entries = [make_entry(key) for key in ("orders", "contracts", "documents")]
        assert set(permissions.define(ctx, "portal", entries).values()) == {"unchanged"}
        assert ctx.db.scalars(version).one() == before


def test_a_catalogue_changes_by_key(services: Services, company: dict[str, str]) -> None:
    """New names, new order, new entries; what is not named stays behind them, and nobody loses anything."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        version = ctx.db.scalars(select(Installation.snapshot_version)).one()
        renamed = replace(make_entry("contracts"), name_de="Verträge", group="my_data", group_name_de="Daten")
        result = permissions.define(ctx, "portal", [renamed, make_entry("licences")])
        assert result == {"contracts": "updated", "licences": "created"}
        entries = catalogue(ctx.db, company["client"])
        assert [entry.key for entry in entries] == ["contracts", "licences", "orders", "documents"]
        assert (entries[0].name_de, entries[0].group) == ("Verträge", "my_data")
        assert ctx.db.scalars(select(Installation.snapshot_version)).one() > version
        assert permissions.withdraw_from_organization(
            ctx, company["organization"], "portal", ["orders", "contracts"]
        ) == ["contracts", "orders"]


def test_what_an_organisation_holds(services: Services, company: dict[str, str]) -> None:
    """Answers say what changed; its version is raised when something did."""
    organization = company["organization"]
    with unit_of_work(services, actor=OPERATOR) as ctx:
        version = ctx.db.get_one(Organization, organization).version
        assert permissions.grant_to_organization(ctx, organization, "portal", ["orders"]) == []
        assert ctx.db.get_one(Organization, organization).version == version
        assert permissions.grant_to_organization(ctx, organization, "portal", ["*"]) == ["documents"]
        assert ctx.db.get_one(Organization, organization).version == version + 1
        assert permissions.withdraw_from_organization(ctx, organization, "portal", ["documents"]) == [
            "documents"
        ]
        assert permissions.withdraw_from_organization(ctx, organization, "portal", ["documents"]) == []
        events = [entry.event for entry in tail(ctx, organization=organization)]
        assert events.count("organization_permission.granted") == 2
        assert events.count("organization_permission.withdrawn") == 1


def test_a_person_gets_only_what_the_organisation_holds(services: Services, company: dict[str, str]) -> None:
    """Anything else is refused as a whole (req 92)."""
    where = company["organization"], company["membership"], "portal"
    with unit_of_work(services, actor=OPERATOR) as ctx:
        with pytest.raises(Refusal) as refused:
            permissions.grant_to_member(ctx, *where, ["orders", "documents"])
        assert refused.value == Refusal("permission.not_held", keys=["documents"])
        assert ctx.db.get_one(Membership, company["membership"]).version == 1
        assert permissions.grant_to_member(ctx, *where, ["*"]) == ["orders", "contracts"]
        assert permissions.grant_to_member(ctx, *where, ["orders"]) == []
        assert ctx.db.get_one(Membership, company["membership"]).version == 2
        assert permissions.withdraw_from_member(ctx, *where, ["*"]) == ["orders", "contracts"]
        assert permissions.withdraw_from_member(ctx, *where, ["orders"]) == []
        assert ctx.db.get_one(Membership, company["membership"]).version == 3
        granted = next(entry for entry in tail(ctx) if entry.event == "permission.granted")
        assert (granted.new, granted.client) == (["orders", "contracts"], "portal")


def test_what_the_organisation_lost_can_be_taken_from_the_person(
    services: Services, company: dict[str, str]
) -> None:
    """So that it does not come back with the organisation's."""
    where = company["organization"], company["membership"], "portal"
    with unit_of_work(services, actor=OPERATOR) as ctx:
        permissions.grant_to_member(ctx, *where, ["orders"])
        permissions.withdraw_from_organization(ctx, company["organization"], "portal", ["orders"])
        assert permissions.withdraw_from_member(ctx, *where, ["orders"]) == ["orders"]


def test_unknown_names(services: Services, company: dict[str, str]) -> None:
    """Clients, keys, organisations, members of another company (req 91)."""
    organization, membership = company["organization"], company["membership"]
    with unit_of_work(services, actor=OPERATOR) as ctx:
        other = make_organization(ctx, "100200400", "Beispiel AG")
        attempts: list[tuple[Callable[[], Any], str]] = [
            (lambda: permissions.define(ctx, "nobody", []), "client.unknown"),
            (
                lambda: permissions.grant_to_organization(ctx, organization, "nobody", ["*"]),
                "client.unknown",
            ),
            (
                lambda: permissions.grant_to_organization(ctx, organization, "portal", ["x", "orders"]),
                "permission.unknown",
            ),
            (
                lambda: permissions.grant_to_organization(ctx, "nowhere", "portal", ["*"]),
                "organization.unknown",
            ),
            (
                lambda: permissions.grant_to_member(ctx, other, membership, "portal", ["*"]),
                "membership.unknown",
            ),
            (
                lambda: permissions.withdraw_from_member(ctx, organization, "nobody", "portal", ["*"]),
                "membership.unknown",
            ),
        ]
        for attempt, code in attempts:
            with pytest.raises(Refusal) as refused:
                attempt()
            assert refused.value.code == code


@pytest.mark.parametrize("kind", ["account", "client", "anonymous", ""])
def test_only_operators_give_permissions(services: Services, company: dict[str, str], kind: str) -> None:
    """Nobody raises himself (req 92)."""
    organization, membership = company["organization"], company["membership"]
    with unit_of_work(services, actor=Actor(kind=kind)) as ctx:
        for attempt in (
            lambda: permissions.define(ctx, "portal", []),
            lambda: permissions.grant_to_organization(ctx, organization, "portal", ["*"]),
            lambda: permissions.withdraw_from_organization(ctx, organization, "portal", ["*"]),
            lambda: permissions.grant_to_member(ctx, organization, membership, "portal", ["*"]),
            lambda: permissions.withdraw_from_member(ctx, organization, membership, "portal", ["*"]),
        ):
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                attempt()
