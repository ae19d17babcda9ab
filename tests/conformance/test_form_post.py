"""Ways an answer travels beside the basic plan, whose modules run by form too (reference §3)."""

import pytest

from tests.conformance.conftest import STATE, Op, checked_error

pytestmark = pytest.mark.alone_on("postgresql")

FORM_POST = "form_post"


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
    assert op.id_token(tokens)["aud"] == op.client.registered.client_id


def test_a_mode_nobody_knows(op: Op) -> None:
    """invalid_request, in the query."""
    browser = op.browser()
    for mode in ("web_message", "query.jwt", "FORM_POST"):
        assert op.refused(browser, response_mode=mode)["error"] == "invalid_request"
        assert "?error=" in browser.url
