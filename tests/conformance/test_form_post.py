"""Form Post OP: modules of the basic plan whose answer travels, with response_mode=form_post (part 3)."""

from typing import Any

import pytest

from tests.conformance.conftest import STATE, Op, asks_for_password, checked_error
from tests.plain_browser import Browser
from tests.world import time_passes

FORM_POST = "form_post"


def log_in(op: Op, browser: Browser, **changes: str | None) -> dict[str, Any]:
    """Walk to tokens with an answer by form."""
    tokens = op.log_in(browser, response_mode=FORM_POST, state=STATE, **changes)
    by_form(op, browser)
    return tokens


def by_form(op: Op, browser: Browser) -> None:
    """Hold that the page shown posts to the portal: nothing in an address, kept by nobody."""
    form = browser.form_for(op.client.registered.redirect_uri)
    assert form is not None
    assert form["fields"]["state"] == STATE
    assert form["fields"]["iss"] == op.issuer
    assert set(form["fields"]) <= {"code", "error", "error_description", "state", "iss"}
    assert browser.page is not None
    assert browser.page.status_code == 200
    assert browser.page.headers["Cache-Control"] == "no-store"
    assert "Location" not in browser.page.headers


def test_oidcc_server(op: Op) -> None:
    """A whole login, then a second client's in the open session."""
    browser = op.browser()
    claims = op.id_token(log_in(op, browser))
    op.second.authorize(browser, response_mode=FORM_POST, state=STATE)
    assert op.second.answer(browser)["code"]
    op.client.authorize(browser, response_mode=FORM_POST, state=STATE)
    by_form(op, browser)
    assert op.id_token(op.client.tokens(browser))["sub"] == claims["sub"]


def test_oidcc_response_type_missing(op: Op) -> None:
    """No response_type: invalid_request, by form."""
    browser = op.browser()
    assert op.refused(browser, response_mode=FORM_POST, response_type=None)["error"] == "invalid_request"
    by_form(op, browser)


def test_oidcc_prompt_none_not_logged_in(op: Op) -> None:
    """login_required, by form."""
    browser = op.browser()
    assert op.refused(browser, response_mode=FORM_POST, prompt="none")["error"] == "login_required"
    by_form(op, browser)


def test_oidcc_prompt_none_logged_in(op: Op) -> None:
    """Silent: the same sub and auth_time."""
    browser = op.browser()
    first = op.id_token(log_in(op, browser))
    again = op.silent(browser, response_mode=FORM_POST, state=STATE, prompt="none")
    by_form(op, browser)
    second = op.id_token(again)
    assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"])


def test_oidcc_prompt_login(op: Op) -> None:
    """Asks again: the same person and session, by a sign-in that is not older."""
    browser = op.browser()
    first = op.id_token(log_in(op, browser))
    op.client.authorize(browser, response_mode=FORM_POST, state=STATE, prompt="login")
    assert asks_for_password(browser)
    browser.sign_in("paul")
    by_form(op, browser)
    again = op.id_token(op.client.tokens(browser))
    assert (again["sub"], again["sid"]) == (first["sub"], first["sid"])
    assert again["auth_time"] >= first["auth_time"]


def test_oidcc_max_age_1(op: Op) -> None:
    """Asks again after two seconds; auth_time moves."""
    browser = op.browser()
    before = op.id_token(log_in(op, browser))["auth_time"]
    time_passes(op.services, seconds=2)
    assert op.id_token(log_in(op, browser, max_age="1"))["auth_time"] >= before


def test_oidcc_ensure_post_request_succeeds(op: Op) -> None:
    """A request by form, answered by form."""
    browser = op.browser()
    headers = {"Origin": "https://portal.example", "Sec-Fetch-Site": "cross-site"}
    browser.post("/authorize", op.client.parameters(state=STATE, response_mode=FORM_POST), **headers)
    assert asks_for_password(browser)
    browser.sign_in("paul")
    by_form(op, browser)
    assert op.id_token(op.client.tokens(browser))["aud"] == op.client.registered.client_id


def test_oidcc_codereuse(op: Op) -> None:
    """The second use: invalid_grant."""
    browser = op.browser()
    log_in(op, browser)
    assert op.client.exchange(op.client.answer(browser)["code"]).get_json()["error"] == "invalid_grant"


def test_oidcc_claims_essential(op: Op) -> None:
    """The claims parameter goes with it."""
    wanted = '{"userinfo":{"name":{"essential":true}}}'
    tokens = log_in(op, op.browser(), scope="openid", claims=wanted)
    assert op.client.userinfo(tokens["access_token"]).get_json()["name"] == "Paul Muster"


@pytest.mark.parametrize("mode", ["fragment", FORM_POST])
def test_a_person_who_cancels(op: Op, mode: str) -> None:
    """access_denied travels as the portal asked, and the code of nobody else with it."""
    browser = op.browser()
    op.client.authorize(browser, response_mode=mode, state=STATE)
    browser.submit(expect_action="/decline")
    answer = checked_error(op, op.client.answer(browser))
    assert answer["error"] == "access_denied"


def test_fragment(op: Op) -> None:
    """Success and refusal in the fragment, nothing in the query (OAuth 2.0 Multiple Response Types §2.1)."""
    browser = op.browser()
    assert op.refused(browser, response_mode="fragment", prompt="none")["error"] == "login_required"
    assert browser.url.startswith(op.client.registered.redirect_uri + "#error=")
    tokens = op.log_in(browser, response_mode="fragment", state=STATE)
    assert browser.url.startswith(op.client.registered.redirect_uri + "#code=")
    assert op.client.answer(browser)["state"] == STATE
    op.id_token(tokens)


def test_a_mode_nobody_knows(op: Op) -> None:
    """invalid_request, in the query."""
    browser = op.browser()
    for mode in ("web_message", "query.jwt", "FORM_POST"):
        assert op.refused(browser, response_mode=mode)["error"] == "invalid_request"
        assert "?error=" in browser.url
