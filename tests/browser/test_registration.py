"""Registration and forgotten passwords as stories in German: Sage S7, Amt24 A7 and A11 (features §1.7)."""

import secrets

from playwright.sync_api import expect

from tests.browser.house import Visitor, Visits

CHOSEN = "Möwen über dem Hafen 7"


def _forgot(visits: Visits, visitor: Visitor, address: str) -> str:
    """Ask for a new password from the portal; returns what the page says."""
    visitor.come_from(visits.house.customer)
    visitor.page.get_by_role("link", name="Passwort vergessen?").click()
    expect(visitor.h1).to_have_text("Haben Sie Ihr Passwort vergessen?")
    visitor.page.get_by_label("E-Mail").fill(address)
    visitor.press()
    expect(visitor.h1).to_have_text("E-Mail gesendet")
    return visitor.page.locator("main").inner_text().replace(address, "ADRESSE")


def test_a_forgotten_password(visits: Visits, visitor: Visitor) -> None:
    """S7: the same words for an address nobody has; link, new password, portal; a mail confirms it."""
    nora = visits.house.newcomer()
    nobody = f"niemand-{secrets.token_hex(3)}@muster.example"
    assert _forgot(visits, visits.new(), nobody) == _forgot(visits, visitor, nora.email)
    visitor.page.goto(visits.house.newest_mail(nora.email).link)
    expect(visitor.h1).to_have_text("Ein neues Passwort erstellen")
    visitor.page.get_by_label("Neues Passwort", exact=True).fill(CHOSEN)
    visitor.page.get_by_label("Neues Passwort bestätigen", exact=True).fill(CHOSEN)
    visitor.press()
    expect(visitor.h1).to_have_text("Passwort geändert!")
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("link", name="Weiter").click()
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    assert visits.house.newest_mail(nora.email).subject == "Ihr Passwort wurde geändert"
    later = visits.new()
    later.come_from(visits.house.customer)
    later.fill(nora, password=CHOSEN)
    expect(later.h1).to_have_text("Willkommen, Nora")


def test_the_rules_are_ticked_while_typing(visits: Visits, visitor: Visitor) -> None:
    """A7: said in words too, and taken back when a sign is deleted."""
    visitor.come_from(visits.house.customer)
    visitor.page.get_by_role("link", name="Konto erstellen").click()
    rule = visitor.page.locator("li", has_text="Muss mindestens 15 Zeichen enthalten")
    field = visitor.page.get_by_label("Passwort", exact=True)
    field.press_sequentially("vierzehn Signe")
    expect(rule).not_to_have_class("met")
    field.press_sequentially("n")
    expect(rule).to_have_class("met")
    expect(rule).to_contain_text("(erfüllt)")
    field.press("Backspace")
    expect(rule).not_to_have_class("met")


def test_the_language_is_changed_on_the_way(visits: Visits, visitor: Visitor) -> None:
    """A11: the pages to come, the mail and the account speak it; the portal's request stays."""
    address = f"nora-{secrets.token_hex(3)}@portal.example"
    visitor.come_from(visits.house.customer)
    visitor.page.get_by_role("link", name="Konto erstellen").click()
    visitor.page.get_by_role("link", name="English").click()
    expect(visitor.h1).to_have_text("Create your account")
    entries = {"email": address, "given_name": "Nora", "family_name": "Neumann"}
    for name, value in (entries | dict.fromkeys(("password", "confirm_password"), CHOSEN)).items():
        visitor.page.locator(f"input[name={name}]").fill(value)
    visitor.press()
    expect(visitor.h1).to_have_text("Enter code")
    mail = visits.house.newest_mail(address)
    assert mail.subject == "Verify your email address"
    visitor.page.get_by_label("Create a recovery password next").check()
    visitor.fill_code(mail.code)
    expect(visitor.h1).to_have_text("Set recovery password")
