"""Effective permissions: what the organisation holds and the person has, of the asking client alone."""

import pytest

from idp.context import Services
from idp.management import memberships, organizations, permissions
from idp.organizations.permissions import catalogue, keys_for
from tests.builders import (
    OPERATOR,
    make_account,
    make_catalogue,
    make_client,
    make_membership,
    make_organization,
)
from tests.installation import unit_of_work


@pytest.fixture
def company(services: Services) -> dict[str, str]:
    """Ben at Muster GmbH, which holds three permissions of the portal and one of the shop."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ids = {"portal": make_client(ctx, "portal"), "shop": make_client(ctx, "shop")}
        make_catalogue(ctx, "portal", ["orders", "contracts", "documents", "admin"])
        make_catalogue(ctx, "shop", ["orders", "stock"])
        ids["organization"] = make_organization(ctx)
        ids["ben"] = make_account(ctx)
        ids["membership"] = make_membership(ctx, ids["organization"], ids["ben"])
        permissions.grant_to_organization(
            ctx, ids["organization"], "portal", ["documents", "orders", "contracts"]
        )
        permissions.grant_to_organization(ctx, ids["organization"], "shop", ["orders"])
    return ids


def keys(services: Services, company: dict[str, str], client: str = "portal") -> list[str]:
    with unit_of_work(services) as ctx:
        return keys_for(ctx.db, company["membership"], company[client])


def test_nothing_is_given_by_the_organisation_alone(services: Services, company: dict[str, str]) -> None:
    """What an organisation holds is nobody's until somebody gives it (req 92)."""
    assert keys(services, company) == []


def test_both_must_have_it_and_only_the_asking_client_hears(
    services: Services, company: dict[str, str]
) -> None:
    """In the catalogue's order; equal keys of two clients are two permissions."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        permissions.grant_to_member(
            ctx, company["organization"], company["membership"], "portal", ["contracts", "orders"]
        )
    assert keys(services, company) == ["orders", "contracts"]
    assert keys(services, company, "shop") == []


def test_what_the_organisation_loses_its_people_lose(services: Services, company: dict[str, str]) -> None:
    """At once, and it comes back with the organisation's."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        permissions.grant_to_member(ctx, company["organization"], company["membership"], "portal", ["*"])
        permissions.withdraw_from_organization(ctx, company["organization"], "portal", ["orders"])
    assert keys(services, company) == ["contracts", "documents"]
    with unit_of_work(services, actor=OPERATOR) as ctx:
        permissions.grant_to_organization(ctx, company["organization"], "portal", ["orders"])
    assert keys(services, company) == ["orders", "contracts", "documents"]


@pytest.mark.parametrize("by", ["membership", "organization"])
def test_who_is_blocked_has_none(services: Services, company: dict[str, str], by: str) -> None:
    """Blocked people and people of suspended organisations have no permission (req 23)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        permissions.grant_to_member(ctx, company["organization"], company["membership"], "portal", ["orders"])
        if by == "membership":
            memberships.block(ctx, company["organization"], company["membership"])
        else:
            organizations.suspend(ctx, company["organization"])
    assert keys(services, company) == []


def test_a_catalogue_is_read_in_its_order(services: Services, company: dict[str, str]) -> None:
    """As pages list it, with both languages."""
    with unit_of_work(services) as ctx:
        entries = catalogue(ctx.db, company["portal"])
    assert [entry.key for entry in entries] == ["orders", "contracts", "documents", "admin"]
    assert (entries[0].name_de, entries[0].description_en) == ("orders de", "Does something")
    assert entries[0].delegable
    assert entries[0].group is None
