"""Levels: a portal asks for more, and the session remembers what was done (design §2, acr; req 13, 43)."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select, update

from idp.audit.models import AuditEvent
from idp.authentication.models import Authenticator, Session
from idp.context import Services
from idp.management import memberships, organizations
from idp.organizations.models import Membership
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import OPERATOR, make_membership
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import now, time_passes, verified

AAL1, AAL2 = "urn:lotse:acr:aal1", "urn:lotse:acr:aal2"
ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "values": [AAL2]}}})


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
        cast.person(ctx, "clara", app=True)
        cast.person(ctx, "ben")
    return Portal(gateway, registered)


def _code(services: Services) -> str:
    with unit_of_work(services, now()) as ctx:
        return cast.app_code(ctx)


def _sign_in(portal: Portal, services: Services, browser: Browser, **changes: str) -> dict[str, Any]:
    portal.authorize(browser, **changes)
    browser.sign_in("clara")
    assert "/login/totp" in browser.url
    browser.submit(expect_action="/login/totp", code=_code(services))
    return verified(portal.gateway, portal.tokens(browser)["id_token"])[1]


def test_who_has_a_factor_is_asked_for_it(portal: Portal, services: Services) -> None:
    """Also where no portal asks for it; acr and amr say so."""
    claims = _sign_in(portal, services, Browser(portal.gateway))
    assert claims["acr"] == AAL2
    assert set(claims["amr"]) == {"pwd", "otp", "mfa"}


def test_an_essential_level_is_reached_silently_while_it_counts(portal: Portal, services: Services) -> None:
    """Same session, no page, same auth_time."""
    browser = Browser(portal.gateway)
    first = _sign_in(portal, services, browser)
    time_passes(services, seconds=5)
    portal.authorize(browser, claims=ESSENTIAL)
    second = verified(portal.gateway, portal.tokens(browser)["id_token"])[1]
    assert (second["acr"], second["auth_time"]) == (AAL2, first["auth_time"] - 5)


def test_a_lapsed_level_is_proven_again(portal: Portal, services: Services) -> None:
    """After an hour of pause the session is aal1; a demand asks for the app alone, and sub and sid stay."""
    browser = Browser(portal.gateway)
    first = _sign_in(portal, services, browser)
    time_passes(services, hours=2)
    portal.authorize(browser)
    lapsed = verified(portal.gateway, portal.tokens(browser)["id_token"])[1]
    assert (lapsed["acr"], lapsed["amr"]) == (AAL1, ["pwd"])
    portal.authorize(browser, prompt="none", claims=ESSENTIAL)
    assert portal.answer(browser)["error"] == "interaction_required"
    portal.authorize(browser, claims=ESSENTIAL)
    assert "/login/totp" in browser.url
    with services.database.session() as db, db.begin():  # the app's steps went on meanwhile, too
        db.execute(update(Authenticator).values(last_step=Authenticator.last_step - 240))
    browser.submit(expect_action="/login/totp", code=_code(services))
    again = verified(portal.gateway, portal.tokens(browser)["id_token"])[1]
    assert again["acr"] == AAL2
    assert (again["sub"], again["sid"]) == (first["sub"], first["sid"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"acr_values": AAL2}, AAL1),
        ({"claims": ESSENTIAL}, "unmet_authentication_requirements"),
        ({"acr_values": "urn:made:up"}, AAL1),
    ],
    ids=["wish", "demand", "unknown wish"],
)
def test_a_person_without_a_factor(portal: Portal, changes: dict[str, str], expected: str) -> None:
    """A wish is answered with the level reached, a demand fails; nobody is forced to set something up."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, **changes)
    browser.sign_in("ben")
    answer = portal.answer(browser)
    if "error" in answer:
        assert answer["error"] == expected
    else:
        assert verified(portal.gateway, portal.tokens(browser)["id_token"])[1]["acr"] == expected


@pytest.mark.parametrize("kind", ["membership", "organization"])
def test_a_block_between_password_and_code_is_seen(portal: Portal, services: Services, kind: str) -> None:
    """No session begins on what was proven before; the password says why (design §2, Block; req 44)."""
    with unit_of_work(services) as ctx:
        row = ctx.db.get_one(Membership, cast.member(ctx, "dora", app=True))
        membership_id, organization_id = row.id, row.organization_id
    browser = Browser(portal.gateway)
    portal.authorize(browser)
    browser.sign_in("dora")
    assert "/login/totp" in browser.url
    with unit_of_work(services, actor=OPERATOR) as ctx:
        if kind == "membership":
            memberships.block(ctx, organization_id, membership_id)
        else:
            organizations.suspend(ctx, organization_id)
    browser.submit(expect_action="/login/totp", code=_code(services))
    assert "/login?" in browser.url
    with unit_of_work(services) as ctx:
        assert ctx.db.scalar(select(func.count()).select_from(Session)) == 0
        refused = select(AuditEvent.reason).where(AuditEvent.event == "sign_in.refused")
        assert ctx.db.scalars(refused).all() == ["login.blocked"]
    assert "gesperrt" in browser.sign_in("dora").text


def test_a_companys_duty_counts_for_what_was_issued_before(portal: Portal, services: Services) -> None:
    """Who used one factor gets nothing more for the company once it demands two; who used both does (req 23).

    Also where the portal asked for no more than one, and the answers name no more.
    """
    with unit_of_work(services) as ctx:
        row = ctx.db.get_one(Membership, cast.member(ctx, "dora"))
        muster = row.organization_id
        make_membership(ctx, muster, cast.person(ctx, "emil", app=True))
    one = portal.sign_in(Browser(portal.gateway), "dora", scope="openid organization")
    browser = Browser(portal.gateway)
    portal.authorize(browser, scope="openid organization", claims=ESSENTIAL.replace("aal2", "aal1"))
    browser.sign_in("emil")
    browser.submit(expect_action="/login/totp", code=_code(services))
    both = portal.tokens(browser)
    assert verified(portal.gateway, both["id_token"])[1]["acr"] == AAL1

    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.change(ctx, muster, require_second_factor=True)

    assert portal.userinfo(one["access_token"]).status_code == 401
    assert portal.call("/introspect", {"token": one["access_token"]}).get_json() == {"active": False}
    refused = portal.refresh(one["refresh_token"])
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    assert portal.userinfo(both["access_token"]).status_code == 200
    assert portal.refresh(both["refresh_token"]).status_code == 200

    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.change(ctx, muster, require_second_factor=False)

    assert portal.userinfo(one["access_token"]).status_code == 200
