"""prompt, max_age and hints through the pages (req 12, 41; C6)."""

import json
import re

import pytest

from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import forget_snapshot, time_passes, verified


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
        cast.person(ctx, "anna")
        cast.person(ctx, "ben")
    return Portal(gateway, registered)


def _claims(portal: Portal, browser: Browser) -> dict[str, object]:
    return verified(portal.gateway, portal.tokens(browser)["id_token"])[1]


def test_an_aborted_second_sign_in_changes_nothing(portal: Portal, services: Services) -> None:
    """Person and sid are those of before (Keycloak CVE-2023-6787); the portal hears access_denied."""
    browser = Browser(portal.gateway)
    first = verified(portal.gateway, portal.sign_in(browser)["id_token"])[1]
    portal.authorize(browser, prompt="login")
    page, question = browser.sign_in("ben", "wrong password"), browser.url
    for _ in range(2):  # of two clicks the browser follows the second
        browser.page, browser.url = page, question
        browser.submit(expect_action="/decline")
        assert portal.answer(browser)["error"] == "access_denied"
    time_passes(services, seconds=5)
    portal.authorize(browser, prompt="none")
    after = _claims(portal, browser)
    assert (after["sub"], after["sid"]) == (first["sub"], first["sid"])
    assert after["auth_time"] == first["auth_time"] - 5


def test_another_person_signs_in_in_the_same_browser(portal: Portal) -> None:
    """A new session: nothing of the first person's is in the second's tokens (C6)."""
    browser = Browser(portal.gateway)
    first = portal.sign_in(browser)
    portal.authorize(browser, prompt="login")
    browser.sign_in("ben")
    second = _claims(portal, browser)
    before = verified(portal.gateway, first["id_token"])[1]
    assert second["sub"] != before["sub"]
    assert second["sid"] != before["sid"]
    # the first person's session is over with all that was issued in it
    assert portal.refresh(first["refresh_token"]).status_code == 400


def test_select_account(portal: Portal) -> None:
    """The page shows who is signed in; going on as this person is enough, prompt=none cannot choose."""
    browser = Browser(portal.gateway)
    first = verified(portal.gateway, portal.sign_in(browser)["id_token"])[1]
    page = portal.authorize(browser, prompt="select_account")
    assert "/choose-account" in browser.url
    assert "Anna Muster" in page.text or "anna" in page.text
    chosen = re.search(r'name="choice" value="([0-9a-f]{32})"', page.text)
    assert chosen is not None
    browser.submit(expect_action="/choose-account", choice=chosen[1])
    assert _claims(portal, browser)["sub"] == first["sub"]


def test_a_demanded_person(portal: Portal) -> None:
    """id_token_hint or a sub in claims: another session is not good enough (OIDC Core §3.1.2.2)."""
    annas, bens = Browser(portal.gateway), Browser(portal.gateway)
    token = portal.sign_in(annas)["id_token"]
    portal.sign_in(bens, "ben")
    sub = verified(portal.gateway, token)[1]["sub"]
    demands = (
        {"id_token_hint": token},
        {"claims": json.dumps({"id_token": {"sub": {"value": sub}}})},
    )
    for demand in demands:
        portal.authorize(bens, prompt="none", **demand)
        assert portal.answer(bens)["error"] == "login_required"
        portal.authorize(annas, prompt="none", **demand)
        assert _claims(portal, annas)["sub"] == sub


@pytest.mark.parametrize("fields", [{}, {"subject_type": "pairwise"}])
def test_a_demanded_person_is_not_called_by_anothers_name(
    portal: Portal, services: Services, fields: dict[str, str]
) -> None:
    """The name is filled in for who is asked again, and left empty for somebody else (OIDC Core §3.1.2.2)."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, "other", **fields)
    forget_snapshot(portal.gateway)
    other = Portal(portal.gateway, registered)
    annas, bens = Browser(portal.gateway), Browser(portal.gateway)
    token = other.sign_in(annas)["id_token"]
    other.sign_in(bens, "ben")
    again = other.authorize(annas, id_token_hint=token, prompt="login").text
    assert 'value="anna"' in again
    page = other.authorize(bens, id_token_hint=token).text
    assert 'name="password"' in page
    assert 'value="ben"' not in page
    hinted = other.authorize(bens, id_token_hint=token, login_hint="anna").text
    assert 'value="anna"' in hinted


def test_two_tabs_of_one_sign_in(portal: Portal) -> None:
    """Both requests wait; the first sign-in answers both, each with its own state."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, state="one")
    first = browser.url
    portal.authorize(browser, state="two")
    browser.sign_in()
    assert portal.answer(browser)["state"] == "two"
    browser.get(first.removeprefix(browser.issuer))
    assert portal.answer(browser)["state"] == "one"


def test_an_answered_request_is_answered_once(portal: Portal) -> None:
    """The way back in the browser finds a flow that is over, and the way to the portal (req 22)."""
    browser = Browser(portal.gateway)
    portal.authorize(browser)
    flow = browser.url.partition("flow=")[2]
    browser.sign_in()
    assert portal.answer(browser)["code"]
    page = browser.get(f"/authorize/{flow}")
    assert page.status_code == 400
    # the portal begins again, and is told by whom (OIDC Core §4)
    assert 'href="https://portal.example/login?iss=http%3A%2F%2Flocalhost%3A8000"' in page.text


def test_what_was_answered_is_not_declined_afterwards(portal: Portal) -> None:
    """The portal has its code; a second tab that gives up says nothing against it."""
    browser = Browser(portal.gateway)
    page = portal.authorize(browser)
    question = browser.url
    browser.sign_in("anna")
    assert "code" in portal.answer(browser)
    browser.page, browser.url = page, question
    assert browser.submit(expect_action="/decline").status_code == 400
