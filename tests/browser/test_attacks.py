"""Attacks that only a real browser can judge: markup that people bring, pages in frames (C12, C24)."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page

from idp.management import accounts, clients, memberships, organizations
from tests.browser.house import CALLBACK, PASSWORD, House, Visitor, Visits

#: runs wherever one of its ways out of a text works, and asks for something where the policy stops it
MARK = "\"'><script>marked=1</script><img src=/x onerror=marked=1><svg onload=marked=1><lotse-mark>"
MARKED = "marked-portal"
NUMBER = "100200666"


@dataclass
class Watch:
    """What a page did that a text does not do."""

    refused: list[str] = field(default_factory=list)

    def over(self, visitor: Visitor) -> None:
        """Watch a browser: each report of the content security policy, each window that opens."""
        visitor.context.on("console", lambda said: self._said(said.text))
        visitor.context.on("dialog", lambda dialog: self.refused.append(f"a dialog: {dialog.message}"))

    def _said(self, text: str) -> None:
        if "Content Security" in text:
            self.refused.append(text)

    def sees(self, page: Page, where: str) -> None:
        """Hold that the mark is on the page, as text."""
        assert "lotse-mark" in page.locator("body").inner_text(), f"{where}: the mark is not shown"
        assert page.evaluate("window.marked") is None, f"{where}: it ran"
        assert page.locator("lotse-mark, [onerror], [onload], script:not([src])").count() == 0, where
        assert self.refused == [], where


@pytest.fixture(scope="module")
def marked(house: House) -> str:
    """A person, two companies and a portal whose names are the mark; returns the user name."""
    with house.operator() as ctx:
        account_id = accounts.create(
            ctx,
            username="marked",
            password=PASSWORD,
            emails=["marked@muster.example"],
            profile={"name": MARK, "given_name": MARK, "family_name": "x"},
        )
        for number in (NUMBER, "100200667"):
            made = organizations.create(ctx, name=MARK, customer_number=number)
            memberships.add(ctx, organization_id=made, account_id=account_id)
        clients.create(
            ctx,
            {
                "client_id": MARKED,
                "client_name": MARK,
                "kind": "spa",
                "redirect_uris": [CALLBACK],
                "scope": "openid profile email organization",
            },
        )
    return "marked"


def _come(visitor: Visitor, **changes: str) -> None:
    """Come from the marked portal; the running demo knows it a little later."""
    wishes = {"client_id": MARKED, "scope": "openid profile email organization", **changes}
    visitor.come_from_client(**wishes)
    while visitor.page.locator("main summary").count():
        visitor.come_from_client(**wishes)


def test_names_stay_text(visits: Visits, visitor: Visitor, marked: str) -> None:
    """Person, company, portal and what is typed, on the pages of a sign-in: nothing runs or is reported."""
    watch = Watch()
    watch.over(visitor)
    page = visitor.page
    _come(visitor, login_hint=MARK)
    assert page.locator("input[name=username]").input_value() == MARK
    watch.sees(page, "sign-in")
    page.locator("input[name=username]").fill(MARK)
    page.locator("input[name=password]").fill(MARK)
    visitor.press()
    watch.sees(page, "wrong password")
    page.locator("input[name=username]").fill(marked)
    page.locator("input[name=password]").fill(PASSWORD)
    visitor.press()
    watch.sees(page, "choice of a company")
    with page.expect_navigation():
        page.locator("main form button[name=choice]").first.click()
    watch.sees(page, "consent")
    page.goto(visits.house.issuer)
    watch.sees(page, "start page")
    page.goto(f"{visits.house.issuer}/logout?client_id={MARKED}")
    watch.sees(page, "sign-out")


def test_a_mark_that_is_no_text_is_seen(visitor: Visitor) -> None:
    """The watch sees what it looks for."""
    visitor.page.set_content(f"<body><p>lotse-mark</p>{MARK}")
    visitor.page.wait_for_function("window.marked")
    with pytest.raises(AssertionError, match="it ran"):
        Watch().sees(visitor.page, "here")


@pytest.fixture
def framing() -> Iterator[str]:
    """Another site of this machine: one page frames what its query names, another shows a word itself.

    A page that a test makes up counts as one of the internet, which Chromium keeps away from loopback anyway.
    """

    class Framing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            framed = parse_qs(urlsplit(self.path).query).get("frame", [])
            frames = "".join(f'<iframe src="{escape(address)}"></iframe>' for address in framed)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>Framing</title>{frames or 'Anmelden'}".encode())

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Framing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _framed(page: Page, site: str, addresses: list[str]) -> set[str]:
    """Open a page of another site that frames these, and return which of our words stand in the frames."""
    page.goto(f"{site}/?{urlencode({'frame': addresses}, doseq=True)}", wait_until="networkidle")
    assert len(page.frames) == 1 + len(addresses)
    shown = [frame.locator("body").inner_text() for frame in page.frames[1:]]
    words = ("Lotse", "Anmelden", "Abmelden", "Willkommen", "Gerät")
    return {word for text in shown for word in words if word in text}


def test_no_page_shows_in_a_frame(visits: Visits, visitor: Visitor, framing: str) -> None:
    """Of another site, signed in or not: the browser shows nothing of them (C24, req 99)."""
    house = visits.house
    paths = ("/", "/login", "/device", "/logout", "/nowhere", "/dev/ui", "/dev/outbox")
    addresses = [house.issuer + path for path in paths] + [house.authorize(prompt="login")]
    assert _framed(visitor.page, framing, addresses) == set()
    visitor.page.goto(f"{house.issuer}/login")
    visitor.fill(house.regular())
    assert _framed(visitor.page, framing, addresses) == set()
    # what is looked for is seen where a page may be framed
    assert _framed(visitor.page, framing, [f"{framing}/own"]) == {"Anmelden"}
