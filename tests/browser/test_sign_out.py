"""Signing out at one portal ends the other (RP-Initiated and Back-Channel Logout; screens L-12)."""

import re

from playwright.sync_api import expect

from tests.browser.house import Visitor, Visits


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
