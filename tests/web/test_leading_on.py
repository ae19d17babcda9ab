"""The page between a form of ours and the portal, and who goes on by a redirect (CSP3 §6.4.1; req 10, 99)."""

import html
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests import cast
from tests.builders import PASSWORD
from tests.plain_browser import FROM_OUR_PAGE, Browser, Portal
from tests.world import Desk, forget_snapshot

GONE = OperationalError("COMMIT", {}, Exception("server closed the connection"))


def _portal(desk: Desk, **fields: Any) -> Portal:
    with desk.work() as ctx:
        made = cast.register_public(ctx, "another", **fields)
    forget_snapshot(desk.gateway)
    return Portal(desk.gateway, made)


def _led_to(answer: TestResponse | None) -> str:
    """Return where an answer leads: it is a page of ours that does so by itself, or by its one link."""
    assert answer is not None
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)
    address = answer.headers["Refresh"].removeprefix("0;url=")
    assert f'href="{html.escape(address)}"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "form-action 'self'; frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    return address


def test_every_way_out_behind_a_form_is_a_page(desk: Desk) -> None:
    """Cancelled, signed in, stayed, signed out: form-action ends at a page of ours (req 10, 99)."""
    browser, state = Browser(desk.gateway), "\"'><b>;url=/&x"
    desk.portal.authorize(browser, state=state)
    assert _led_to(browser.submit(expect_action="/decline")).startswith(
        f"{cast.REDIRECT}?error=access_denied"
    )
    desk.portal.authorize(browser, state=state)
    assert _led_to(browser.sign_in("paul")).startswith(f"{cast.REDIRECT}?code=")
    assert desk.portal.answer(browser)["state"] == state
    leaving = {"client_id": "portal", "post_logout_redirect_uri": cast.SIGNED_OUT, "state": state}
    for choice, target in (
        ("stay", "https://portal.example/"),
        ("logout", f"{cast.SIGNED_OUT}?state=%22%27"),
    ):
        browser.get("/logout", **leaving)
        assert _led_to(browser.submit(expect_action="/logout", choice=choice)).startswith(target)
    assert browser.page is not None
    assert browser.page.headers["Clear-Site-Data"] == '"storage"'


@pytest.mark.parametrize(("choice", "said"), [("allow", "code"), ("decline", "error")])
def test_the_hub_leads_on_behind_a_form(desk: Desk, choice: str, said: str) -> None:
    """The form of the consent page is answered by a redirect to the hub, which form-action holds for too."""
    portal, browser = _portal(desk, first_party=False), Browser(desk.gateway)
    portal.authorize(browser, ui_locales="en")
    browser.sign_in("paul")
    answer = browser.submit(expect_action="/consent", choice=choice)
    assert _led_to(answer).startswith(f"{cast.REDIRECT}?{said}=")
    assert '<html lang="en">' in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        FROM_OUR_PAGE | {"Sec-Fetch-Dest": "iframe"},
        FROM_OUR_PAGE | {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"},
    ],
    ids=["a program", "a program past our check", "a frame", "a script"],
)
def test_what_is_no_window_is_redirected(desk: Desk, headers: dict[str, str]) -> None:
    """Programs that fill in forms follow redirects and know no Refresh; a page would not show in a frame."""
    browser = Browser(desk.gateway)
    desk.portal.authorize(browser)
    form = browser.form_for(browser.url.removeprefix(desk.issuer))
    assert form is not None
    sent = form["fields"] | {"username": "paul", "password": PASSWORD}
    answer = browser.client.post(
        form["action"], data=sent, headers={"Origin": desk.issuer, **headers}, base_url=desk.issuer
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{cast.REDIRECT}?code=")
    assert "Refresh" not in answer.headers


def test_portals_requests_are_redirected(desk: Desk) -> None:
    """No form of ours stands before them: an open session costs no page (design §6)."""
    browser = Browser(desk.gateway)
    desk.portal.sign_in(browser, "paul")
    came = FROM_OUR_PAGE | {"Sec-Fetch-Site": "cross-site"}
    for method, wanted in (("query_string", "GET"), ("data", "POST")):
        query = {method: desk.portal.parameters(prompt="none")}
        answer = browser.client.open(
            "/authorize", method=wanted, headers=came, base_url=desk.issuer, follow_redirects=False, **query
        )
        if wanted == "POST":  # its cookies come with the next request
            answer = browser.client.get(answer.headers["Location"], headers=came, base_url=desk.issuer)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith(f"{cast.REDIRECT}?code=")


def test_an_app_is_opened_by_the_redirect(desk: Desk) -> None:
    """Nothing comes behind a private-use scheme (RFC 8252 §7.1)."""
    callback = "com.example.app:/callback"
    portal = _portal(desk, kind="native", redirect_uris=[callback], post_logout_redirect_uris=None)
    browser = Browser(desk.gateway)
    portal.authorize(browser)
    answer = browser.sign_in("paul")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{callback}?code=")


def test_a_loopback_app_is_led_on_to(desk: Desk) -> None:
    """Its server on the person's machine may send on to a page elsewhere (RFC 8252 §7.3)."""
    portal = _portal(
        desk, kind="native", redirect_uris=["http://127.0.0.1/cb"], post_logout_redirect_uris=None
    )
    browser = Browser(desk.gateway)
    portal.authorize(browser, redirect_uri="http://127.0.0.1:51004/cb")
    assert _led_to(browser.sign_in("paul")).startswith("http://127.0.0.1:51004/cb?code=")


def test_what_is_not_kept_leads_nowhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that fails after a right password: 503, and no way to the portal with a code nobody has."""
    browser = Browser(desk.gateway)
    desk.portal.authorize(browser)
    commits = iter([False, True])  # the try is counted in a transaction of its own
    commit = Session.commit

    def lose(session: Session) -> None:
        if next(commits, True):
            raise GONE
        commit(session)

    monkeypatch.setattr(Session, "commit", lose)
    answer = browser.sign_in("paul")
    assert answer.status_code == 503
    assert "Refresh" not in answer.headers
