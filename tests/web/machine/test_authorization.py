"""Redirects of the authorization endpoint that no page framework answers (OIDC Core §3.1.2; design §6)."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tests import cast
from tests.builders import PASSWORD
from tests.plain_browser import Browser
from tests.world import Desk, machine

GONE = OperationalError("COMMIT", {}, Exception("server closed the connection"))


def _no_pages(*_: Any) -> Iterable[bytes]:
    raise AssertionError("a page was asked for")


def _login_form(desk: Desk, **wanted: str | None) -> tuple[Browser, str, dict[str, str]]:
    """Return a browser at the sign-in page, and where its form goes with what."""
    browser = Browser(desk.gateway)
    desk.portal.authorize(browser, **wanted)
    action = f"/login?{urlsplit(browser.url).query}"
    form = browser.form_for(action)
    assert form is not None
    return browser, action, {**form["fields"], "username": "paul", "password": PASSWORD}


def _post(browser: Browser, desk: Desk, action: str, values: dict[str, str]) -> Any:
    origin = {"Origin": desk.gateway.server.provider.issuer}
    return browser.client.post(action, data=values, headers=origin, base_url=origin["Origin"])


def test_redirects_ask_no_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the sign-in page, to the portal with a code, and to the portal with an error."""
    visitor = Browser(desk.gateway)
    desk.portal.authorize(visitor)
    visitor.sign_in("paul")
    monkeypatch.setattr(desk.gateway, "_pages", _no_pages)
    query = urlencode(desk.portal.parameters())
    stranger = machine(desk.gateway, "GET", f"/authorize?{query}")
    assert stranger.status_code == 303
    assert stranger.headers["Location"].startswith("/login?flow=")
    desk.portal.authorize(visitor)
    assert desk.portal.answer(visitor)["code"]
    silent = Browser(desk.gateway)
    desk.portal.authorize(silent, prompt="none")
    assert desk.portal.answer(silent)["error"] == "login_required"


def test_redirects_carry_the_headers_of_pages(desk: Desk) -> None:
    """(req 10, 99)"""
    answer = machine(desk.gateway, "GET", f"/authorize?{urlencode(desk.portal.parameters())}")
    assert answer.status_code == 303
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]


def test_head_is_get_without_a_body(desk: Desk) -> None:
    """RFC 9110 §9.3.2."""
    query = urlencode(desk.portal.parameters())
    answer = machine(desk.gateway, "HEAD", f"/authorize?{query}")
    assert (answer.status_code, answer.data) == (303, b"")
    assert machine(desk.gateway, "HEAD", "/authorize?client_id=nobody").status_code == 400


def test_a_right_password_ends_at_the_portal(desk: Desk) -> None:
    """The answer to the form leads there at once, and its code opens tokens."""
    browser, action, values = _login_form(desk)
    answer = _post(browser, desk, action, values)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{cast.REDIRECT}?code=")
    browser.url = answer.headers["Location"]
    assert desk.portal.tokens(browser)["id_token"]


@pytest.mark.parametrize("wanted", [{"response_mode": "form_post"}, {"organization": "K-404"}])
def test_no_page_is_the_answer_to_a_password(desk: Desk, wanted: dict[str, str]) -> None:
    """A form for the portal, or words for a state, stand where they can be loaded again."""
    browser, action, values = _login_form(desk, **wanted)
    answer = _post(browser, desk, action, values)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/authorize/")


def test_what_is_not_kept_is_not_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that fails: 503, and neither address nor cookie of what is not there."""

    def lose(_: Session) -> None:
        raise GONE

    monkeypatch.setattr(Session, "commit", lose)
    answer = machine(desk.gateway, "GET", f"/authorize?{urlencode(desk.portal.parameters())}")
    assert answer.status_code == 503
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert "Retry-After" in answer.headers
