"""Portals whose callback sends on to another site; native apps on IPv6 (CSP3 §6.4.1; RFC 8252 §7.3)."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.house import AT_CLIENT, Visitor, Visits


class _Handler(BaseHTTPRequestHandler):
    server: "Site"

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        onward = self.server.onward
        body = b"" if onward else f"<!doctype html><title>x</title><h1>{AT_CLIENT}</h1>".encode()
        self.send_response(303 if onward else 200)
        if onward:
            self.send_header("Location", f"{onward}/?{self.command}={self.path}")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  (the base class's name)


class Site(ThreadingHTTPServer):
    """A site that shows one page, or sends everybody on to another site and says how they came."""

    def __init__(self, host: str = "127.0.0.1", *, onward: str = "") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.onward = onward
        super().__init__((host, 0), _Handler)
        self.origin = f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"


@contextmanager
def _open(site: Site) -> Iterator[str]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site.origin
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


@pytest.fixture(scope="module")
def landing() -> Iterator[str]:
    """Where people end."""
    with _open(Site()) as origin:
        yield origin


@pytest.fixture(scope="module")
def broker(landing: str) -> Iterator[str]:
    """The site that portals have registered."""
    with _open(Site(onward=landing)) as origin:
        yield origin


def _portal(origin: str, *, first_party: bool = True) -> dict[str, Any]:
    return {
        "client_id": f"brokered-{'first' if first_party else 'third'}-party",
        "client_name": "Portal hinter einem Vermittler",
        "kind": "spa",
        "first_party": first_party,
        "redirect_uris": [f"{origin}/callback"],
        "post_logout_redirect_uris": [f"{origin}/signed-out"],
        "home_uri": f"{origin}/",
    }


def _come(visitor: Visitor, portal: dict[str, Any], **changes: str) -> None:
    visitor.house.has_client(portal)
    wishes = {"redirect_uri": portal["redirect_uris"][0], "prompt": "login", **changes}
    wanted = visitor.house.authorize(portal["client_id"], **wishes)
    visitor.page.goto(wanted)
    while visitor.page.locator("main summary").count():  # the portal is not known yet
        visitor.page.goto(wanted)


def _sign_in(visitor: Visitor) -> None:
    person = visitor.house.regular()
    visitor.page.locator("input[name=username]").fill(person.username)
    visitor.page.locator("input[name=password]").fill(person.password)
    visitor.page.locator("main button.primary").click(no_wait_after=True)


def _at(landing: str, came: str) -> re.Pattern[str]:
    """Return the address of the site behind the portal, with what the portal was sent."""
    return re.compile(re.escape(f"{landing}/?") + came)


def test_who_signs_in_or_cancels_arrives(visitor: Visitor, broker: str, landing: str) -> None:
    """The code and the error get through; "Back" leads past the page that led on."""
    _come(visitor, _portal(broker))
    _sign_in(visitor)
    expect(visitor.page).to_have_url(_at(landing, r"GET=/callback\?code="))
    expect(visitor.h1).to_have_text(AT_CLIENT)
    visitor.page.go_back()
    expect(visitor.h1).to_have_text("Diese Anmeldung ist abgelaufen")
    _come(visitor, _portal(broker))
    visitor.page.locator("button[form=cancel]").click(no_wait_after=True)
    expect(visitor.page).to_have_url(_at(landing, r"GET=/callback\?error=access_denied"))
    expect(visitor.h1).to_have_text(AT_CLIENT)


@pytest.mark.parametrize(("choice", "came"), [("allow", "code="), ("decline", "error=access_denied")])
def test_who_answers_the_consent_page_arrives(
    visitor: Visitor, broker: str, landing: str, choice: str, came: str
) -> None:
    """Its form is answered by the hub, which is a redirect further on."""
    _come(visitor, _portal(broker, first_party=False), prompt="login consent")
    _sign_in(visitor)
    visitor.page.locator(f"main button[value={choice}]").click(no_wait_after=True)
    expect(visitor.page).to_have_url(_at(landing, rf"GET=/callback\?{came}"))
    expect(visitor.h1).to_have_text(AT_CLIENT)


def test_who_signs_out_or_stays_arrives(visitor: Visitor, broker: str, landing: str) -> None:
    """At the post-logout URI, and at the portal's home (RP-Initiated Logout §3)."""
    portal = _portal(broker)
    _come(visitor, portal)
    _sign_in(visitor)
    expect(visitor.page).not_to_have_url(re.compile("/login"))
    back = portal["post_logout_redirect_uris"][0]
    leave = f"{visitor.house.issuer}/logout?client_id={portal['client_id']}&post_logout_redirect_uri={back}"
    for choice, came in (("stay", "GET=/$"), ("logout", "GET=/signed-out$")):
        visitor.page.goto(leave)
        visitor.page.locator(f"main button[value={choice}]").click(no_wait_after=True)
        expect(visitor.page).to_have_url(_at(landing, came))
        expect(visitor.h1).to_have_text(AT_CLIENT)


@pytest.mark.parametrize("script", [True, False], ids=["with our module", "without JavaScript"])
def test_an_answer_by_form_arrives(visits: Visits, broker: str, landing: str, script: bool) -> None:
    """The page that posts it binds nothing behind the portal's callback (Form Post Response Mode §2)."""
    visitor = visits.new(java_script_enabled=script)
    _come(visitor, _portal(broker), response_mode="form_post")
    _sign_in(visitor)
    if not script:
        visitor.page.get_by_role("button", name="Weiter").click(no_wait_after=True)
    expect(visitor.page).to_have_url(_at(landing, "POST=/callback$"))
    expect(visitor.h1).to_have_text(AT_CLIENT)


@pytest.fixture(scope="module")
def app_on_ipv6() -> Iterator[str]:
    """An app's server on the person's machine."""
    try:
        site = Site("::1")
    except OSError:
        pytest.skip("needs IPv6 on the loopback")
    with _open(site) as origin:
        yield origin


def test_an_app_on_ipv6_gets_its_answer(visitor: Visitor, app_on_ipv6: str) -> None:
    """A policy cannot name its address, so none is named; without a word in the console (RFC 8252 §7.3)."""
    said: list[str] = []
    visitor.page.on("console", lambda message: said.append(message.text))
    app = {"client_id": "app-on-ipv6", "client_name": "App", "kind": "native", "first_party": True}
    _come(visitor, {**app, "redirect_uris": [f"{app_on_ipv6}/callback"]})
    _sign_in(visitor)
    expect(visitor.h1).to_have_text(AT_CLIENT)
    assert not [text for text in said if "Content Security Policy" in text]


def test_a_popup_of_somebody_who_is_signed_in_comes_back(visitor: Visitor, landing: str) -> None:
    """A portal that asks in a popup hears the answer where no page of ours has to be shown."""
    portal = {**_portal(landing), "client_id": "portal-with-popup"}
    _come(visitor, portal)
    _sign_in(visitor)
    expect(visitor.h1).to_have_text(AT_CLIENT)
    wanted = visitor.house.authorize(portal["client_id"], redirect_uri=portal["redirect_uris"][0])
    with visitor.context.expect_page() as opened:
        visitor.page.evaluate("address => { window.popup = window.open(address, 'x', 'width=500') }", wanted)
    expect(opened.value.locator("h1")).to_have_text(AT_CLIENT)
    assert opened.value.evaluate("window.opener !== null")
    assert not visitor.page.evaluate("window.popup.closed")
