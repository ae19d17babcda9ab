"""Nothing that happens to a sign-in is a dead end: two tabs, an hour's pause, another browser, no cookies."""

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.house import House, Visitor, Visits
from tests.infrastructure import CHROMIUM_ARGUMENTS


def test_two_tabs_both_finish_each_at_its_own_portal(visits: Visits, visitor: Visitor) -> None:
    """Keycloak's wrong target with two tabs does not happen here (screens L-15, req 41)."""
    house = visits.house
    other = visitor.another_tab()
    visitor.come_from(house.customer)
    other.come_from(house.support)
    ben = house.of_the_cast("ben")
    visitor.fill(ben)
    expect(visitor.h1).to_have_text("Willkommen, Ben")
    other.fill(ben)
    expect(other.h1).to_have_text("Guten Tag, Ben")


def test_a_tab_left_behind_goes_on_without_a_password(visits: Visits, visitor: Visitor) -> None:
    """Loading the sign-in page of a second tab again, after the first has signed in, ends at its portal."""
    house = visits.house
    other = visitor.another_tab()
    visitor.come_from(house.customer)
    other.come_from(house.customer)
    visitor.fill(house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Willkommen, Ben")
    other.page.reload()
    expect(other.h1).to_have_text("Willkommen, Ben")


def test_the_back_button_after_signing_in(visits: Visits, visitor: Visitor) -> None:
    """The old page answers with the way to the portal, not with an error of nobody's making."""
    house = visits.house
    visitor.come_from(house.customer)
    visitor.fill(house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Willkommen, Ben")
    visitor.page.go_back()
    expect(visitor.h1).to_have_text("Diese Anmeldung ist abgelaufen")
    visitor.page.get_by_role("link", name="Neu beginnen bei Kundenportal").click()
    expect(visitor.h1).to_have_text("Willkommen, Ben")


def test_an_expired_sign_in_begins_again_at_its_portal(visits: Visits, visitor: Visitor) -> None:
    """After the hour the page says so, and one click later the person signs in (req 102)."""
    house = visits.house
    visitor.come_from(house.support)
    house.expire(visitor.flow_id)
    visitor.fill(house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Diese Anmeldung ist abgelaufen")
    visitor.page.get_by_role("link", name="Neu beginnen bei Supportportal").click()
    expect(visitor.h1).to_have_text("Anmelden")
    visitor.fill(house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Guten Tag, Ben")


def test_anothers_link_signs_nobody_in(visits: Visits, visitor: Visitor) -> None:
    """A sign-in begun elsewhere is refused here, with the way back to its portal (req 41)."""
    house = visits.house
    visitor.come_from(house.customer)
    victim = visits.new()
    victim.page.goto(visitor.page.url)
    expect(victim.h1).to_have_text("Diese Anmeldung ist abgelaufen")
    victim.page.get_by_role("link", name="Neu beginnen bei Kundenportal").click()
    expect(victim.h1).to_have_text("Anmelden")
    assert victim.flow_id != visitor.flow_id
    visitor.fill(house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Willkommen, Ben")


def test_vanished_cookies_are_no_dead_end(visits: Visits, visitor: Visitor) -> None:
    """Who clears cookies while the page is open hears it and begins again."""
    house = visits.house
    visitor.come_from(house.customer)
    visitor.context.clear_cookies()
    visitor.page.reload()
    expect(visitor.h1).to_have_text("Diese Anmeldung ist abgelaufen")
    visitor.page.get_by_role("link", name="Neu beginnen bei Kundenportal").click()
    visitor.fill(house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Willkommen, Ben")


def test_cookies_switched_off(house: House, visits: Visits, windowed: str, tmp_path: Path) -> None:
    """Whose browser takes no cookies hears that, how to change it, and can try again (screens L-15)."""
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
    chromium = visits.browser.browser_type
    context = chromium.launch_persistent_context(
        tmp_path, executable_path=windowed, args=CHROMIUM_ARGUMENTS, locale="de-DE"
    )
    try:
        visitor = Visitor(house, context)
        visitor.page.goto(f"{house.issuer}/login")
        visitor.fill(house.of_the_cast("ben"))
        expect(visitor.h1).to_have_text("Ihr Browser nimmt keine Cookies an")
        visitor.page.get_by_role("link", name="Noch einmal versuchen").click()
        expect(visitor.h1).to_have_text("Anmelden")
    finally:
        context.close()


def test_changing_the_language_keeps_the_sign_in(visits: Visits, visitor: Visitor) -> None:
    """The link changes the words and nothing else; both the page and the next one speak the new language."""
    house = visits.house
    visitor.come_from(house.customer)
    flow = visitor.flow_id
    page = visitor.page
    page.get_by_role("link", name="English").click()
    expect(visitor.h1).to_have_text("Sign in")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert visitor.flow_id == flow
    visitor.fill(house.of_the_cast("ben"), password="not his password at all")
    expect(page).to_have_title(re.compile("^Error: Sign in"))
    visitor.fill(house.of_the_cast("ben"))
    expect(page.locator("h1")).to_contain_text("Ben")
    assert page.url.startswith(house.customer)


def test_changing_the_look_keeps_the_sign_in(visits: Visits, visitor: Visitor) -> None:
    """The choice of the theme is the server's, so no page flashes; it stays on the next pages."""
    visitor.come_from(visits.house.customer)
    flow = visitor.flow_id
    visitor.page.get_by_role("link", name="Dunkel").click()
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert visitor.flow_id == flow
    visitor.press()
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_portals_mistake_is_told_with_the_way_back(visits: Visits, visitor: Visitor) -> None:
    """Sent and registered address stand for the developer, folded away (screens L-15, req 2)."""
    elsewhere = "https://elsewhere.example/callback"
    visitor.page.goto(visits.house.authorize("customer-portal", redirect_uri=elsewhere))
    expect(visitor.h1).to_have_text("Die Anmeldung kann nicht beginnen")
    facts = visitor.page.locator("main details")
    expect(facts).not_to_have_attribute("open", "")
    facts.locator("summary").click()
    expect(facts).to_contain_text(elsewhere)
    expect(facts).to_contain_text(f"{visits.house.customer}/callback")
    expect(visitor.page.locator("a[href^='https://elsewhere']")).to_have_count(0)
    visitor.page.get_by_role("link", name="Zurück zu Kundenportal").click()
    assert visitor.page.url.startswith(visits.house.customer)


def test_the_error_number_can_be_copied(visits: Visits, visitor: Visitor) -> None:
    """The button puts the number onto the clipboard and says so (screens L-15)."""
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.page.goto(f"{visits.house.issuer}/nowhere")
    shown = visitor.page.locator("#error-id").inner_text()
    visitor.page.get_by_role("button", name="Kopieren").click()
    expect(visitor.page.get_by_role("status")).to_have_text("Kopiert.")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == shown
