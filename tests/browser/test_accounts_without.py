"""Registration, an old account, a forgotten password: without JavaScript, and without a mouse (screens §2.1)."""

import secrets

from playwright.sync_api import Page, expect

from tests.browser.house import PASSWORD, Visitor, Visits
from tests.browser.scenes.linking import bring, choose, has_old_access
from tests.legacy import OLD_PASSWORD

CHOSEN = "Möwen über dem Hafen 7"
_FOCUSED = """() => {
  const element = document.activeElement;
  return element.name || element.innerText.trim();
}"""


def _address() -> str:
    return f"nora-{secrets.token_hex(4)}@muster.example"


def _code(visits: Visits, address: str) -> str:
    code = visits.house.newest_mail(address).code
    assert code is not None
    return code


def test_from_nothing_to_a_linked_account_without_javascript(visits: Visits) -> None:
    """Mistakes, code, choice and old password; then another name and a new password (req 115, 117)."""
    visitor, address = visits.new(java_script_enabled=False), _address()
    page, username = visitor.page, has_old_access(visits.house)
    visitor.come_from(visits.house.customer)
    page.get_by_role("link", name="Konto erstellen").click()
    visitor.press()
    expect(page.get_by_role("alert")).to_be_focused()
    typed = {"email": address, "given_name": "Nora", "family_name": "Neumann"}
    for name, value in (typed | {"password": PASSWORD, "confirm_password": PASSWORD}).items():
        page.locator(f"input[name={name}]").fill(value)
    visitor.press()
    visitor.fill_code("000000")
    expect(page.get_by_role("alert")).to_be_focused()
    visitor.fill_code(_code(visits, address))
    choose(visitor)
    bring(visitor, username)
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    page.goto(f"{visits.house.issuer}/account/profile")
    page.get_by_label("Nachname").fill("Neuhaus")
    visitor.press()
    expect(page.get_by_label("Nachname")).to_have_value("Neuhaus")
    _forgotten(visits, address)


def _forgotten(visits: Visits, address: str) -> None:
    visitor = visits.new(java_script_enabled=False)
    visitor.come_from(visits.house.customer)
    visitor.page.get_by_role("link", name="Passwort vergessen?").click()
    visitor.page.get_by_label("E-Mail").fill(address)
    visitor.press()
    link = visits.house.newest_mail(address).link
    assert link is not None
    visitor.page.goto(link)
    for name in ("new_password", "confirm_password"):
        visitor.page.locator(f"input[name={name}]").fill(CHOSEN)
    visitor.press()
    expect(visitor.h1).to_have_text("Passwort geändert!")
    visitor.page.get_by_role("link", name="Weiter").click()
    expect(visitor.h1).to_have_text("Willkommen, Nora")


def _reach(page: Page, name: str) -> None:
    """Press Tab until what has this name is focused."""
    for _ in range(40):
        if page.evaluate(_FOCUSED) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} cannot be reached with Tab")


def _type(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        _reach(page, name)
        page.keyboard.type(value)


def _send(visitor: Visitor) -> None:
    with visitor.page.expect_navigation():
        visitor.page.keyboard.press("Enter")


def test_from_nothing_to_a_linked_account_by_keyboard(visits: Visits) -> None:
    """Registration, recovery password, choice and old password with Tab, Space and Enter (WCAG 2.1.1)."""
    visitor, address = visits.new(), _address()
    page, username = visitor.page, has_old_access(visits.house)
    visitor.come_from(visits.house.customer)
    _reach(page, "Konto erstellen")
    _send(visitor)
    _type(page, email=address, given_name="Nora", family_name="Neumann")
    _type(page, password=PASSWORD, confirm_password=PASSWORD)
    _send(visitor)
    _type(page, code=_code(visits, address))
    _reach(page, "recovery_offer")
    page.keyboard.press("Space")
    _send(visitor)
    expect(visitor.h1).to_have_text("Wiederherstellungspasswort setzen")
    _reach(page, "saved")
    page.keyboard.press("Space")
    _send(visitor)
    expect(visitor.h1).to_have_text("Bitte wählen Sie Ihre Zugehörigkeit aus")
    _reach(page, "family")
    page.keyboard.press("Space")
    _send(visitor)
    _type(page, legacy_username=username, legacy_password=OLD_PASSWORD)
    _send(visitor)
    expect(visitor.h1).to_have_text("Willkommen, Nora")


def test_a_forgotten_password_by_keyboard(visits: Visits) -> None:
    """From the sign-in page back into the portal (WCAG 2.1.1)."""
    visitor, nora = visits.new(), visits.house.newcomer()
    page = visitor.page
    visitor.come_from(visits.house.customer)
    _reach(page, "Passwort vergessen?")
    _send(visitor)
    _type(page, email=nora.email)
    _send(visitor)
    link = visits.house.newest_mail(nora.email).link
    assert link is not None
    page.goto(link)
    _type(page, new_password=CHOSEN, confirm_password=CHOSEN)
    _send(visitor)
    _reach(page, "Weiter")
    _send(visitor)
    expect(visitor.h1).to_have_text("Willkommen, Nora")
