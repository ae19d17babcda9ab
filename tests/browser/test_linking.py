"""Sage seed 2.1 in the browser: register, choose, link the old access, arrive (features §1.7)."""

import secrets

from playwright.sync_api import expect

from idp.delivery.preview import list_shown
from tests.browser.house import MUSTER, PASSWORD, Visitor, Visits
from tests.browser.scenes.linking import ask, bring, choose, has_old_access
from tests.legacy import OLD_PASSWORD


def _register(visits: Visits, visitor: Visitor) -> str:
    """Come from the portal as a stranger, make an account by the code of the mail; returns the address."""
    address, page = f"nora-{secrets.token_hex(4)}@muster.example", visitor.page
    visitor.come_from(visits.house.customer)
    page.get_by_role("link", name="Konto erstellen").click()
    expect(visitor.h1).to_have_text("Erstellen Sie Ihr Konto")
    page.get_by_label("E-Mail", exact=True).fill(address)
    page.get_by_label("Vorname").fill("Nora")
    page.get_by_label("Nachname").fill("Neumann")
    page.get_by_label("Passwort", exact=True).fill(PASSWORD)
    page.get_by_label("Passwort bestätigen", exact=True).fill(PASSWORD)
    visitor.press()
    with visits.house.operator() as ctx:
        code = next(mail.code for mail in list_shown(ctx) if mail.to == address)
    visitor.fill_code(code)
    return address


def test_from_nothing_to_a_linked_account(visits: Visits, visitor: Visitor) -> None:
    """S1 to S4, A4: what the old portal allowed is on the first page, and the old password is dead."""
    username = has_old_access(visits.house)
    address = _register(visits, visitor)
    expect(visitor.h1).to_have_text("Bitte wählen Sie Ihre Zugehörigkeit aus")
    for country in ("Deutschland", "Österreich", "Schweiz"):
        expect(visitor.page.get_by_role("group", name=country)).to_be_visible()
    choose(visitor)
    expect(visitor.h1).to_have_text("Willkommen im Kundenportal")
    visitor.page.reload()
    visitor.page.go_back()
    expect(visitor.h1).to_have_text("Bitte wählen Sie Ihre Zugehörigkeit aus")
    visitor.page.go_forward()
    bring(visitor, username)
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    assert visitor.page.locator(".tile h3").all_inner_texts() == ["Meine Belege"]
    with visits.house.operator() as ctx:
        told = {mail.to for mail in list_shown(ctx) if "ist jetzt verknüpft" in mail.subject}
    assert {address, f"{username}@alt.example"} <= told
    stranger = visits.new()
    stranger.come_from(visits.house.customer)
    stranger.page.locator("input[name=username]").fill(username)
    stranger.page.locator("input[name=password]").fill(OLD_PASSWORD)
    stranger.press()
    expect(stranger.h1).to_have_text("Anmelden")


def test_who_is_new_asks_by_customer_number(visits: Visits, visitor: Visitor) -> None:
    """S5: with the printed D; the same words for a number that nobody has."""
    _register(visits, visitor)
    choose(visitor)
    ask(visitor, f"D{MUSTER}")
    expect(visitor.h1).to_have_text("Ihr Antrag ist eingegangen")
    known = visitor.page.locator("main").inner_text()
    visitor.page.get_by_role("link", name="Kundennummer noch einmal eingeben").click()
    ask(visitor, "999888776")
    expect(visitor.h1).to_have_text("Ihr Antrag ist eingegangen")
    assert visitor.page.locator("main").inner_text() == known


def test_the_link_is_undone_in_the_account_centre(visits: Visits, visitor: Visitor) -> None:
    """K-11: exactly as before, so that it can be linked again."""
    username = has_old_access(visits.house)
    _register(visits, visitor)
    choose(visitor)
    bring(visitor, username)
    visitor.page.goto(f"{visits.house.issuer}/account/linked")
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("button", name="Verknüpfung lösen").click()
    expect(visitor.h1).to_have_text("Verknüpfung zurückgenommen")
