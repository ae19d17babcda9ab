"""Signing out at one portal ends the other (RP-Initiated and Back-Channel Logout; screens L-12)."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.house import FRAMED, Visitor, Visits


def test_signing_out_at_one_portal_ends_the_others_open_tab(visits: Visits, visitor: Visitor) -> None:
    """The customer portal's window, untouched, gives way to a page that says why (req 46)."""
    house = visits.house
    visitor.sign_in(house.customer, house.of_the_cast("ben"))
    expect(visitor.page.locator("h1")).to_have_text("Willkommen, Ben")
    other = visitor.another_tab()
    other.come_from(house.support)
    other.sign_out(house.support)
    expect(other.page.locator("h1")).to_have_text("Sie sind abgemeldet")
    visitor.page.bring_to_front()
    expect(visitor.page.locator("h1")).to_have_text("Sie wurden abgemeldet", timeout=30_000)
    visitor.page.get_by_role("link", name="Noch einmal anmelden").click()
    expect(visitor.page.locator("h1")).to_have_text("Anmelden")


def test_signing_out_without_a_hint_is_asked(visits: Visits, visitor: Visitor) -> None:
    """A link from anywhere signs nobody out; who agrees sees how the portals took it (screens L-12, L-13)."""
    house = visits.house
    visitor.sign_in(house.customer, house.of_the_cast("ben"))
    visitor.come_from(house.support)
    page = visitor.page
    page.goto(f"{house.issuer}/logout?client_id=customer-portal")
    expect(page.locator("main")).to_contain_text("Von Kundenportal und 1 weiteren Portal abmelden?")
    page.get_by_role("button", name="Angemeldet bleiben").click()
    expect(page.locator("h1")).to_have_text("Willkommen, Ben")
    page.goto(f"{house.issuer}/logout")
    page.get_by_role("button", name="Abmelden").click()
    expect(page.locator("h1")).to_have_text("Sie sind abgemeldet")
    again = page.get_by_role("link", name="Stand aktualisieren")
    while again.count():  # the portals are told by the worker, seconds at most
        with page.expect_navigation():
            again.click()
    for portal in ("Kundenportal", "Supportportal"):
        expect(page.locator(".choices li", has_text=portal)).to_have_text(re.compile(r"\sabgemeldet\s*$"))
    page.goto(house.issuer)
    expect(page.locator("h1")).to_have_text("Willkommen")


def test_a_cancelled_sign_out_page_in_a_strange_browser_is_harmless(visits: Visits, visitor: Visitor) -> None:
    """Who is not signed in is told so at once."""
    visitor.page.goto(f"{visits.house.issuer}/logout")
    expect(visitor.page.locator("h1")).to_have_text("Sie sind abgemeldet")


@pytest.mark.parametrize("answers", [True, False], ids=["loads", "does not answer"])
@pytest.mark.parametrize("script", [True, False], ids=["with our module", "without JavaScript"])
def test_portals_in_frames_are_told_on_the_way_back(visits: Visits, script: bool, answers: bool) -> None:
    """Each is loaded with iss and sid before the person is back, or had its seconds (req 48)."""
    house = visits.house
    house.has_framed_client()
    visitor = visits.new(java_script_enabled=script)
    told: list[str] = []
    waiting: list[Route] = []

    def portal(route: Route) -> None:
        url = route.request.url
        if "/frontchannel-logout" in url:
            told.append(url)
            if not answers:
                waiting.append(route)
                return
        route.fulfill(body=f"<title>x</title><h1>{url.partition('?')[0]}</h1>", content_type="text/html")

    visitor.context.route(f"{FRAMED}/**", portal)
    visitor.sign_in(house.customer, house.regular())
    visitor.visit_framed()
    page = visitor.page
    back = f"{FRAMED}/signed-out"
    page.goto(f"{house.issuer}/logout?client_id=framed&post_logout_redirect_uri={back}")
    page.locator("main button.primary").click(no_wait_after=True)
    if not script:
        expect(page.locator("h1")).to_have_text("Sie sind abgemeldet")
        page.get_by_role("link", name="Zurück zu Rechnungsportal").click()
    expect(page.locator("h1")).to_have_text(back)
    [url] = told
    assert re.fullmatch(rf"{FRAMED}/frontchannel-logout\?iss=[^&]+&sid=[0-9a-f]{{32}}", url)
