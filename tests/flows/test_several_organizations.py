"""One active organisation a token, chosen by the person or named by the portal (req 23)."""

import pytest

from idp.context import Services
from idp.management import memberships
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import OPERATOR, make_membership, make_organization
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import now, time_passes, verified

MUSTER, BEISPIEL = "100200300", "100200400"


@pytest.fixture
def house(services: Services, gateway: Gateway) -> dict[str, str]:
    """Ids: two organisations and one person's memberships in them."""
    with unit_of_work(services) as ctx:
        cast.register(ctx, "members-only", require_membership=True)
        anna = cast.person(ctx, "anna")
        cast.person(ctx, "carl")
        emil = cast.person(ctx, "emil")
        names = {MUSTER: "Muster GmbH", BEISPIEL: "Beispiel AG"}
        ids = {number: make_organization(ctx, number, name) for number, name in names.items()}
        ids |= {f"anna@{number}": make_membership(ctx, ids[number], anna) for number in (MUSTER, BEISPIEL)}
        ids["emil"] = make_membership(ctx, ids[MUSTER], emil, status="pending")
    return ids


@pytest.fixture
def portal(services: Services, gateway: Gateway, house: dict[str, str]) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
    gateway.server.provider.snapshots.expire()
    return Portal(gateway, registered)


def _number(portal: Portal, browser: Browser) -> str:
    token = portal.tokens(browser)["id_token"]
    number: str = verified(portal.gateway, token)[1]["organization"]["customer_number"]
    return number


def test_a_sign_in_grows_too_old_while_a_later_page_waits(
    portal: Portal, services: Services, house: dict[str, str]
) -> None:
    """``max_age`` (OIDC Core §3.1.2.1): the password is asked again, once, and the choice is kept."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, max_age="60")
    browser.sign_in()
    time_passes(services, minutes=6)
    browser.submit(expect_action="/choose-organization", choice=house[f"anna@{BEISPIEL}"])
    assert "/login" in browser.url
    browser.sign_in()
    assert _number(portal, browser) == BEISPIEL


def test_who_goes_back_to_the_password_just_given_is_led_on(portal: Portal) -> None:
    """Also where the portal limits its age: it is as young as can be."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, max_age="600")
    asked = browser.url
    browser.sign_in()
    assert "/choose-organization" in browser.url
    browser.get(asked.removeprefix(browser.issuer))
    assert "/choose-organization" in browser.url


def test_the_person_chooses_and_stays_with_it(portal: Portal, house: dict[str, str]) -> None:
    """The choice holds for the session; prompt=none cannot choose."""
    browser = Browser(portal.gateway)
    page = portal.authorize(browser)
    page = browser.sign_in()
    assert "/choose-organization" in browser.url
    assert "Muster GmbH" in page.text
    assert "Beispiel AG" in page.text
    portal.authorize(browser, prompt="none")
    assert portal.answer(browser)["error"] == "account_selection_required"
    portal.authorize(browser)
    browser.submit(expect_action="/choose-organization", choice=house[f"anna@{BEISPIEL}"])
    assert _number(portal, browser) == BEISPIEL
    portal.authorize(browser, prompt="none")
    assert _number(portal, browser) == BEISPIEL


def test_the_portal_names_it(portal: Portal) -> None:
    """By customer number, without a page; a foreign one is refused and tells nothing."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, organization=MUSTER)
    browser.sign_in()
    assert _number(portal, browser) == MUSTER
    portal.authorize(browser, prompt="none", organization=BEISPIEL)
    assert _number(portal, browser) == BEISPIEL
    portal.authorize(browser, prompt="none", organization="999")
    assert portal.answer(browser)["error"] == "access_denied"


def test_a_membership_of_somebody_else_cannot_be_chosen(portal: Portal, house: dict[str, str]) -> None:
    """The form's value is compared with the person's own memberships (IDOR)."""
    browser = Browser(portal.gateway)
    portal.authorize(browser)
    browser.sign_in()
    browser.submit(expect_action="/choose-organization", choice=house["emil"])
    assert not browser.url.startswith(cast.REDIRECT)


def test_a_blocked_membership_ends_what_was_issued_for_it(
    portal: Portal, services: Services, house: dict[str, str]
) -> None:
    """At once, and the other membership still works."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, organization=MUSTER)
    browser.sign_in()
    tokens = portal.tokens(browser)
    with unit_of_work(services, now()) as ctx:
        memberships.block(ctx.acting(OPERATOR), house[MUSTER], house[f"anna@{MUSTER}"])
    assert portal.userinfo(tokens["access_token"]).status_code == 401
    assert portal.refresh(tokens["refresh_token"]).status_code == 400
    other = Browser(portal.gateway)
    portal.authorize(other)
    other.sign_in()
    assert _number(portal, other) == BEISPIEL


@pytest.mark.parametrize("username", ["emil", "carl"])
def test_pages_of_who_may_not_act_yet(portal: Portal, services: Services, username: str) -> None:
    """Waiting and without a membership: a page that says so, with the way back to the portal."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, "strict", require_membership=True)
    portal.gateway.server.provider.snapshots.expire()
    strict, browser = Portal(portal.gateway, registered), Browser(portal.gateway)
    strict.authorize(browser)
    page = browser.sign_in(username)
    assert page.status_code == 200
    assert ("/authorize/" if username == "emil" else "/link") in browser.url
    assert ("Muster GmbH" in page.text) == (username == "emil")
    browser.submit(expect_action="/decline")
    assert strict.answer(browser)["error"] == "access_denied"
