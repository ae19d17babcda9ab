"""Redirects of the authorization endpoint that no page framework answers (OIDC Core §3.1.2; design §6)."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.test import Client

from idp.flows.models import Flow
from idp.web.cookies import SESSION, cookie_name
from tests import cast
from tests.builders import PASSWORD
from tests.installation import unit_of_work
from tests.plain_browser import Browser, basic
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


def test_a_redirect_cuts_no_window_off(desk: Desk) -> None:
    """Who is signed in comes back to a popup's opener; what is shown there is cut off from it (req 99)."""
    visitor = Browser(desk.gateway)
    desk.portal.authorize(visitor)
    assert visitor.page is not None
    assert visitor.page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    visitor.sign_in("paul")
    for prompt in (None, "none"):
        query = urlencode(desk.portal.parameters(prompt=prompt))
        answer = visitor.client.get(f"/authorize?{query}", base_url=visitor.issuer)
        assert answer.headers["Location"].startswith(f"{cast.REDIRECT}?code=")
        assert "Cross-Origin-Opener-Policy" not in answer.headers


def test_head_is_not_answered(desk: Desk) -> None:
    """It asks what GET would do (RFC 9110 §9.3.2), and GET may hand out a code, which nobody would read."""
    visitor = Browser(desk.gateway)
    desk.portal.authorize(visitor)
    visitor.sign_in("paul")
    query = urlencode(desk.portal.parameters())
    both = "GET, POST"
    for path, allowed in (
        (f"/authorize?{query}", both),
        ("/authorize?client_id=nobody", both),
        ("/authorize/flow", "GET"),
    ):
        answer = visitor.client.head(path, base_url=visitor.issuer)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
        assert "Location" not in answer.headers


def test_the_answer_to_a_password_is_the_portal(desk: Desk) -> None:
    """Where nothing is left to ask, the browser makes no way round."""
    browser, action, values = _login_form(desk)
    browser.url = _post(browser, desk, action, values).headers["Location"]
    assert browser.url.startswith(f"{cast.REDIRECT}?code=")
    assert desk.portal.tokens(browser)["id_token"]


@pytest.mark.parametrize("wanted", [{"response_mode": "form_post"}, {"organization": "K-404"}])
def test_a_page_is_shown_by_the_hub(desk: Desk, wanted: dict[str, str]) -> None:
    """A form of an answer or words for a state stand where they can be asked for again."""
    browser, action, values = _login_form(desk, **wanted)
    answer = _post(browser, desk, action, values)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/authorize/")


def test_what_may_be_asked_is_told_without_head(desk: Desk) -> None:
    """OPTIONS names the methods that are answered (RFC 9110 §9.3.7)."""
    for path, allowed in (("/authorize", "GET, POST, OPTIONS"), ("/authorize/flow", "GET, OPTIONS")):
        answer = machine(desk.gateway, "OPTIONS", path)
        assert (answer.status_code, answer.headers["Allow"]) == (204, allowed)
    assert machine(desk.gateway, "POST", "/authorize/flow").status_code == 405


@pytest.mark.parametrize("heard", [True, False])
def test_a_form_that_is_sent_twice_ends_at_the_portal(desk: Desk, heard: bool) -> None:
    """Of two clicks a browser follows only the second answer; it may have kept the cookies of the first."""
    browser, action, values = _login_form(desk)
    first = _post(browser, desk, action, values).headers["Location"]
    if not heard:
        name, host = cookie_name(desk.services.settings, SESSION), urlsplit(browser.issuer).hostname or ""
        assert browser.client.get_cookie(name, host) is not None
        browser.client.delete_cookie(name, domain=host)
    browser.url = _post(browser, desk, action, values).headers["Location"]
    assert browser.url.startswith(f"{cast.REDIRECT}?code=")
    assert browser.url != first
    assert desk.portal.tokens(browser)["id_token"]


def test_many_clicks_at_once_end_at_the_portal(desk: Desk) -> None:
    """Each by a code of its own, out of a flow of its own that gave one answer (req 22)."""
    browser, action, values = _login_form(desk)
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in browser.client._cookies.values())

    def click(_: int) -> str:
        tab = Client(desk.gateway, use_cookies=False)
        headers = {"Origin": browser.issuer, "Cookie": cookies}
        answer = tab.post(action, data=values, headers=headers, base_url=browser.issuer)
        return answer.headers.get("Location", "")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(click, range(4)))
    assert all(location.startswith(f"{cast.REDIRECT}?code=") for location in found)
    assert len(set(found)) == 4
    with desk.services.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Flow).where(Flow.finished_at.is_not(None))) == 4


def _expired(browser: Browser, desk: Desk, action: str, values: dict[str, str]) -> bool:
    answer = _post(browser, desk, action, values)
    return answer.status_code == 400 and "Diese Anmeldung ist abgelaufen" in answer.text


def test_a_form_that_is_sent_again_later_has_expired(desk: Desk) -> None:
    """What was answered a minute ago is no second click."""
    browser, action, values = _login_form(desk)
    _post(browser, desk, action, values)
    with desk.services.database.session() as db:
        db.execute(update(Flow).values(finished_at=datetime.now(UTC) - timedelta(seconds=61)))
        db.commit()
    assert _expired(browser, desk, action, values)


def test_a_form_that_another_person_sends_again_has_expired(desk: Desk) -> None:
    """Back at the page of somebody who has just signed in: the portal waits for that person alone."""
    browser, action, values = _login_form(desk)
    _post(browser, desk, action, values)
    with unit_of_work(desk.services, datetime.now(UTC)) as ctx:
        cast.person(ctx, "carla")
    assert _expired(browser, desk, action, {**values, "username": "carla"})


@pytest.mark.parametrize("signed_in", [True, False])
def test_a_form_after_the_person_has_given_up_has_expired(desk: Desk, signed_in: bool) -> None:
    """The portal has heard ``access_denied``, and hears nothing more."""
    browser, action, values = _login_form(desk, organization="K-404")
    if signed_in:  # and it was the wrong company
        _post(browser, desk, action, values)
    flow = urlsplit(action).query.removeprefix("flow=")
    declined = _post(browser, desk, f"/authorize/{flow}/decline", {"csrf_token": values["csrf_token"]})
    assert declined.headers["Location"].startswith(f"{cast.REDIRECT}?error=access_denied")
    assert _expired(browser, desk, action, values)


def test_words_for_a_state_can_be_loaded_again(desk: Desk) -> None:
    """Also where the question came by a request_uri, which works only once."""
    browser, client = Browser(desk.gateway), desk.registered
    desk.portal.authorize(browser)
    browser.sign_in("paul")
    pushed = machine(
        desk.gateway,
        "POST",
        "/par",
        data={**desk.portal.parameters(), "organization": "K-404"},
        headers={"Authorization": basic(client.client_id, client.secret or "")},
    )
    browser.get("/authorize", client_id=client.client_id, request_uri=pushed.get_json()["request_uri"])
    assert urlsplit(browser.url).path.startswith("/authorize/")
    for language, heading in (("de", "gehört nicht zu diesem Unternehmen"), ("en", "not belong to")):
        page = browser.get(urlsplit(browser.url).path, lang=language)
        assert page.status_code == 200
        assert heading in page.text


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
