"""Signing out through the pages (L-12, L-13; RP-Initiated Logout §2-4; req 46, C13)."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from idp.context import Services
from idp.flows.models import Flow
from idp.installation import snapshot_changed
from idp.oidc.models import Client
from idp.web.gateway import Gateway
from tests import cast
from tests.cast import SIGNED_OUT
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import forget_snapshot, move_back


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
        cast.person(ctx, "anna")
        cast.person(ctx, "ben")
    return Portal(gateway, registered)


def _signed_in(portal: Portal, browser: Browser) -> bool:
    portal.authorize(browser, prompt="none")
    return "code" in portal.answer(browser)


def test_everything_of_the_session_ends(portal: Portal) -> None:
    """Refresh tokens, access tokens and waiting codes, of this session alone."""
    browser, elsewhere = Browser(portal.gateway), Browser(portal.gateway)
    tokens, others = portal.sign_in(browser), portal.sign_in(elsewhere)
    portal.authorize(browser)
    waiting = portal.answer(browser)["code"]
    browser.get("/logout", id_token_hint=tokens["id_token"])
    assert portal.refresh(tokens["refresh_token"]).status_code == 400
    assert portal.userinfo(tokens["access_token"]).status_code == 401
    assert portal.exchange(waiting).get_json()["error"] == "invalid_grant"
    assert not _signed_in(portal, browser)
    assert portal.refresh(others["refresh_token"]).status_code == 200
    assert _signed_in(portal, elsewhere)


def test_staying(portal: Portal) -> None:
    """The question is answered with no: still signed in, back at the portal or at the start page."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    browser.get("/logout", client_id="portal")
    browser.submit(expect_action="/logout/", choice="stay")
    assert browser.url == "https://portal.example/"
    browser.get("/logout")
    browser.submit(expect_action="/logout/", choice="stay")
    assert browser.url == f"{browser.issuer}/"
    assert _signed_in(portal, browser)


def test_a_hint_of_somebody_else_asks(portal: Portal) -> None:
    """A stolen ID token signs nobody else out without a click (C13)."""
    annas, bens = Browser(portal.gateway), Browser(portal.gateway)
    hint = portal.sign_in(annas)["id_token"]
    portal.sign_in(bens, "ben")
    page = bens.get("/logout", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT)
    assert page.status_code == 200
    assert _signed_in(portal, bens)


def test_nobody_is_signed_in(portal: Portal) -> None:
    """With a hint back to the portal at once; without one the address is only offered as a link."""
    browser, stranger = Browser(portal.gateway), Browser(portal.gateway)
    hint = portal.sign_in(browser)["id_token"]
    stranger.get("/logout", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state="x y")
    assert stranger.url == f"{SIGNED_OUT}?state=x+y"
    wish = {"client_id": "portal", "post_logout_redirect_uri": SIGNED_OUT}
    for page in (
        stranger.get("/logout", **wish),
        stranger.post_from("https://portal.example", "/logout", wish),
    ):
        assert page.status_code == 200
        assert f'href="{SIGNED_OUT}"' in page.text
        assert "data-onward" not in page.text


def test_another_browser_cannot_answer_the_question(portal: Portal) -> None:
    """The flow belongs to the browser that began it (req 41)."""
    browser, thief = Browser(portal.gateway), Browser(portal.gateway)
    portal.sign_in(browser)
    browser.get("/logout")
    path = browser.url.removeprefix(browser.issuer)
    assert thief.get(path).status_code == 400
    assert _signed_in(portal, browser)


def test_a_posted_request_with_a_query_is_refused(portal: Portal) -> None:
    """Parameters belong into the body, at both endpoints that other sites post to."""
    browser = Browser(portal.gateway)
    for path in ("/logout?state=x", "/authorize?client_id=portal"):
        assert browser.client.post(path, base_url=browser.issuer, data={}).status_code == 400
    for path in ("/logout", "/authorize"):
        answer = browser.client.post(path, base_url=browser.issuer, json={})
        assert answer.status_code == 400


def test_the_receipt_of_a_sign_out_without_receivers(portal: Portal) -> None:
    """A page all the same; seen again it says the same, another browser does not see it."""
    browser, other = Browser(portal.gateway), Browser(portal.gateway)
    hint = portal.sign_in(browser)["id_token"]
    page = browser.get("/logout", id_token_hint=hint)
    path = browser.url.removeprefix(browser.issuer)
    assert path.startswith("/logged-out/")
    assert browser.get(path).text.count("<h1") == page.text.count("<h1") == 1
    assert other.get(path).status_code == 400


def test_only_an_answer_signs_out(portal: Portal) -> None:
    """A form without a button, or with one that there is not, is asked again (req 75)."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    browser.get("/logout")
    for choice in ({}, {"choice": ""}, {"choice": "x"}):
        page = browser.submit(expect_action="/logout/", **choice)
        assert "Möchten Sie sich" in page.text or "abmelden?" in page.text
    assert _signed_in(portal, browser)


@pytest.mark.parametrize("then", ["logout", "stay"])
@pytest.mark.parametrize(
    ("choice", "address"), [("logout", f"{SIGNED_OUT}?state=x"), ("stay", "https://portal.example/")]
)
def test_the_second_of_two_clicks_is_answered_like_the_first(
    portal: Portal, choice: str, then: str, address: str
) -> None:
    """It is the only one whose answer the browser shows; a question is answered once, whatever comes then."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    page = browser.get("/logout", client_id="portal", post_logout_redirect_uri=SIGNED_OUT, state="x")
    question = browser.url
    for button in (choice, then):
        browser.url, browser.page = question, page
        browser.submit(expect_action="/logout/", choice=button)
        assert browser.url == address
    assert _signed_in(portal, browser) == (choice == "stay")


def test_an_address_that_was_taken_back_is_led_to_by_no_old_question(
    portal: Portal, services: Services
) -> None:
    """(req 46): neither by the first answer nor by a second click."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    browser.get("/logout", client_id="portal", post_logout_redirect_uri=SIGNED_OUT)
    page, question = browser.page, browser.url
    with unit_of_work(services) as ctx:
        client = ctx.db.scalars(select(Client).where(Client.client_id == "portal")).one()
        client.post_logout_redirect_uris = []
        snapshot_changed(ctx.db)
    forget_snapshot(portal.gateway)
    for _ in range(2):
        browser.page, browser.url = page, question
        answer = browser.submit(expect_action="/logout/", choice="logout")
        assert browser.url.startswith(f"{browser.issuer}/logged-out/")
        assert SIGNED_OUT not in answer.text


def test_back_to_the_question_after_a_sign_out(portal: Portal) -> None:
    """It says that the person is signed out; who is signed in by then is asked (RP-Initiated Logout §2)."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    browser.get("/logout", client_id="portal", post_logout_redirect_uri=SIGNED_OUT, state="x")
    question = browser.url.removeprefix(browser.issuer)
    browser.submit(expect_action="/logout/", choice="logout")
    page = browser.get(question)
    assert page.status_code == 200
    assert "Sie sind abgemeldet" in page.text
    assert f'href="{SIGNED_OUT}?state=x"' in page.text
    assert Browser(portal.gateway).get(question).status_code == 400
    portal.sign_in(browser)
    browser.get(question)
    assert _asks(browser)
    browser.submit(expect_action="/logout/", choice="stay")
    browser.get(question)
    assert _asks(browser)
    assert _signed_in(portal, browser)


@pytest.mark.parametrize("words", ["Trotzdem abmelden", "Sign out anyway"])
def test_a_refused_request_leaves_a_way_out(portal: Portal, words: str) -> None:
    """Whatever the portal sent wrong, the person can sign out here, and is asked (RP-Initiated Logout §4)."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    language = {"ui_locales": "en"} if words.startswith("Sign") else {}
    for wrong in (
        {"client_id": "nobody"},
        {"id_token_hint": "x"},
        {"post_logout_redirect_uri": "https://x/"},
    ):
        page = browser.get("/logout", **{"client_id": "portal"} | language | wrong)
        assert page.status_code == 400
        assert f'class="button primary" href="/logout">{words}</a>' in page.text
        assert page.text.count("primary") == 1
    browser.get("/logout")
    browser.submit(expect_action="/logout/", choice="logout")
    assert not _signed_in(portal, browser)


def test_a_question_that_stood_too_long_is_asked_again(portal: Portal, services: Services) -> None:
    """By its flow or by its form's token; whoever answers then is signed out (WCAG 2.2.1)."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    browser.get("/logout", client_id="portal", post_logout_redirect_uri=SIGNED_OUT, state="x")
    move_back(services, (Flow.expires_at,), timedelta(hours=2))
    browser.submit(expect_action="/logout/", choice="logout")
    assert _asks(browser)
    browser.submit(expect_action="/logout/", choice="logout", csrf_token="old")
    assert _asks(browser)
    assert _signed_in(portal, browser)
    browser.get("/logout", client_id="portal", post_logout_redirect_uri=SIGNED_OUT, state="x")
    browser.submit(expect_action="/logout/", choice="logout")
    assert browser.url == f"{SIGNED_OUT}?state=x"
    assert not _signed_in(portal, browser)


def _asks(browser: Browser) -> bool:
    return browser.page is not None and 'value="logout"' in browser.page.text


def test_a_head_request_signs_nobody_out(portal: Portal) -> None:
    """It asks what GET would answer; a GET here ends the session (RFC 9110 §9.2.1)."""
    browser = Browser(portal.gateway)
    hint = portal.sign_in(browser)["id_token"]
    browser.get("/logout")
    for address, query in (("/logout", {"id_token_hint": hint}), (urlsplit(browser.url).path, {})):
        answer = browser.client.head(address, query_string=query, base_url=browser.issuer)
        assert answer.status_code == 405
    assert _signed_in(portal, browser)


def test_the_language_that_the_portal_asks_for(portal: Portal) -> None:
    """On question, last page and refusal, by query and by form (RP-Initiated Logout §2)."""
    browser = Browser(portal.gateway)
    hint = portal.sign_in(browser)["id_token"]
    english = '<html lang="en"'
    assert english in browser.get("/logout", ui_locales="fr en").text
    assert english in browser.post_from("https://portal.example", "/logout", {"ui_locales": "en"}).text
    for address, title in (("/logout", "start signing you out"), ("/authorize", "start signing you in")):
        wrong = {"ui_locales": "en", "client_id": "nobody"}
        page = browser.post_from("https://portal.example", address, wrong).text
        assert english in page
        assert title in page
    assert english in browser.get("/logout", ui_locales="en", id_token_hint=hint).text
