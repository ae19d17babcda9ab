"""The portals in a real browser: accessibility, the open tab that notices, and the way without JavaScript."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.clients.foreign_issuer import ForeignIssuer
from tests.clients.running import config_for, running_clients

pytestmark = [pytest.mark.enable_socket, pytest.mark.browser]
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = ["cloud_orders", "documents", "licences", "shop", "support_requests", "contracts"]
LOOKS = [
    ("de-DE", "light", 1280),
    ("de-DE", "dark", 320),
    ("en-GB", "light", 320),
    ("en-GB", "dark", 1280),
]


@pytest.fixture
def config(issuer: ForeignIssuer, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The portals and the API, running; the person at the browser has several permissions."""
    issuer.person = {"permissions": EVERYTHING, "acr": "urn:lotse:acr:aal2", "given_name": "Ben"}
    made = config_for(issuer.url)
    with running_clients(made, tmp_path):
        yield made


def problems(page: Page) -> list[str]:
    """What axe finds on a page, and whether it scrolls sideways."""
    results = Axe().run(page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}})
    found = [
        f"{page.url}: {item['id']} {item['nodes'][0]['target']}" for item in results.response["violations"]
    ]
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        found.append(f"{page.url}: scrolls sideways")
    return found


@pytest.mark.parametrize(("locale", "scheme", "width"), LOOKS)
def test_every_page_is_accessible(
    browser: Browser, config: dict[str, Any], locale: str, scheme: Any, width: int
) -> None:
    """No violation on any page, in both languages, both themes and at 320 px (req 116)."""
    customer, support = (config[name]["base_url"] for name in ("customer_portal", "support_portal"))
    page = browser.new_page(
        locale=locale, color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)
    found = []
    for address in (
        customer,
        support,
        customer + "/signed-out",
        customer + "/login?iss=https://other.example",
    ):
        page.goto(address)
        found += problems(page)
    page.goto(customer + "/login")
    page.locator("#claims summary").click()
    page.locator(".menu summary").click()
    found += problems(page)
    for path in ("/area/shop", "/area/cancellations", "/orders", "/orders?with=id_token", "/none"):
        page.goto(customer + path)
        found += problems(page)
    page.goto(support + "/login")
    found += problems(page)
    page.goto(support + "/tickets/restricted")
    found += problems(page)
    assert page.locator("html").get_attribute("lang") == locale[:2]
    page.close()
    assert found == []
    assert refused == []


def test_open_tab_notices_that_the_session_ended(
    browser: Browser, config: dict[str, Any], issuer: ForeignIssuer
) -> None:
    """Without a click the page gives way to the one that says why."""
    page = browser.new_page(locale="de-DE")
    page.goto(config["customer_portal"]["base_url"] + "/login")
    expect(page.get_by_role("heading", level=1)).to_have_text("Willkommen, Ben")
    token = issuer.logout_token()
    answer = page.request.post(
        config["customer_portal"]["base_url"] + "/backchannel-logout", form={"logout_token": token}
    )
    assert answer.status == 200
    expect(page.get_by_role("heading", level=1)).to_have_text("Sie wurden abgemeldet", timeout=20_000)
    expect(page.get_by_role("link", name="Noch einmal anmelden")).to_be_visible()
    page.close()


def test_signing_in_and_out_needs_no_javascript(browser: Browser, config: dict[str, Any]) -> None:
    """Menu, sign-out and the page of an ended session work without scripts."""
    context = browser.new_context(java_script_enabled=False, locale="de-DE")
    page = context.new_page()
    page.goto(config["customer_portal"]["base_url"])
    page.get_by_role("link", name="Jetzt anmelden").click()
    page.get_by_role("link", name="Meine Supportanfragen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Meine Supportanfragen")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Abmelden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sie sind abgemeldet")
    context.close()


def test_whole_way_by_keyboard(browser: Browser, config: dict[str, Any]) -> None:
    """Sign-in, menu and sign-out are reached and used with the keyboard alone."""
    page = browser.new_page(locale="de-DE")
    page.goto(config["support_portal"]["base_url"])
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Zum Inhalt")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Guten Tag, Ben")
    page.wait_for_load_state()  # the menu listens once its script has run
    page.locator(".menu summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Abmelden")).to_be_hidden()
    expect(page.locator(".menu summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sie sind abgemeldet")
    page.close()
