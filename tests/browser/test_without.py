"""Signing in without JavaScript, without a mouse, on a small screen, magnified (screens §2.1; WCAG 2.2)."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.house import BEISPIEL, MUSTER, Visits

_OUTLINED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const name = element.getAttribute('aria-label') || element.innerText || element.name;
  return {
    name: element.tagName + ' ' + name.trim(),
    outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    inside: box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth,
  };
}"""
_WIDE = """() => [...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  if (!box.width || element.closest('.ribbon, .visually-hidden')) return false;
  return box.right > innerWidth + 1 || box.left < -1;
}).map(element => element.outerHTML.slice(0, 80))"""
_CUT = """() => [...document.querySelectorAll('button, label, h1')].filter(
  element => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline'
).map(element => element.outerHTML.slice(0, 80))"""
_SPACING = """
* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }
p { margin-block-end: 2em !important }
"""


def test_the_whole_way_without_javascript(visits: Visits) -> None:
    """Password, company, code, portal, language and sign-out: nothing waits for a script (req 115, 117)."""
    house = visits.house
    visitor = visits.new(java_script_enabled=False)
    page = visitor.page
    page.goto(house.customer)
    page.get_by_role("link", name="Jetzt anmelden").click()
    expect(page.get_by_role("button", name=re.compile("anzeigen"))).to_have_count(0)
    nora = house.newcomer(apps=("Handy",), companies=(MUSTER, BEISPIEL))
    visitor.fill(nora, password="Leise rieselt der Schnee 8")
    expect(page.get_by_role("alert")).to_be_focused()
    visitor.fill(nora)
    page.get_by_role("link", name="English").click()
    expect(page.locator("h1")).to_have_text("Two-step sign-in")
    visitor.fill_code(nora.code())
    page.get_by_role("button", name="Beispiel AG").click()
    expect(page.locator("h1")).to_have_text("Willkommen, Nora")
    page.goto(f"{house.issuer}/logout?lang=de")
    page.get_by_role("button", name="Abmelden").click()
    expect(page.locator("h1")).to_have_text("Sie sind abgemeldet")


def _walk(page: Page, stops: int) -> list[str]:
    """Press Tab some times; each stop must be outlined and in view."""
    names = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        found = page.evaluate(_OUTLINED)
        assert found["outline"], f"no outline: {found['name']}"
        assert found["inside"], f"out of view: {found['name']}"
        names.append(found["name"])
    return names


def test_the_whole_way_by_keyboard(visits: Visits) -> None:
    """From the portal's start page to its sign-out with the keyboard alone (WCAG 2.1.1, 2.4.7)."""
    house = visits.house
    visitor = visits.new()
    page, keys = visitor.page, visitor.page.keyboard
    nora = house.newcomer(apps=("Handy",))
    page.goto(house.customer)
    while page.evaluate("document.activeElement.innerText").strip() != "Jetzt anmelden":
        keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_label("E-Mail-Adresse/Benutzername")).to_be_focused()
    keys.type(nora.username)
    keys.press("Tab")
    keys.type(nora.password)
    keys.press("Enter")
    expect(page.get_by_label("Einmal-Passwort")).to_be_focused()
    keys.type(nora.code())
    keys.press("Tab")
    keys.press("Space")
    expect(page.get_by_role("checkbox")).to_be_checked()
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Willkommen, Nora")
    page.locator(".menu summary").focus()
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Sie sind abgemeldet")


def test_every_stop_is_seen_and_in_order(visits: Visits) -> None:
    """The order is the page's; each stop is outlined and in view (WCAG 2.4.3, 2.4.11)."""
    visitor = visits.new(viewport={"width": 320, "height": 512})
    visitor.come_from(visits.house.customer)
    visitor.press()
    page = visitor.page
    expect(page.get_by_role("alert")).to_be_focused()
    assert _walk(page, 9) == [
        "A Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen ein.",
        "A Geben Sie Ihr Passwort ein.",
        "INPUT username",
        "INPUT password",
        "BUTTON Passwort anzeigen",
        "A Passwort vergessen?",
        "BUTTON Anmelden",
        "BUTTON Abbrechen",
        "A Konto erstellen",
    ]
    assert _walk(page, 3) == ["A Hell", "A Dunkel", "A Wie das Gerät"]
    page.goto(page.url)
    page.get_by_role("link", name="Zum Inhalt").focus()
    expect(page.get_by_role("link", name="Zum Inhalt")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere", "/dev/ui"])
def test_magnified_four_times(visits: Visits, path: str) -> None:
    """1280 x 1024 at 400 % is 320 x 256: nothing is cut off or needs sideways scrolling (WCAG 1.4.10)."""
    visitor = visits.new(viewport={"width": 320, "height": 256}, device_scale_factor=4)
    visitor.page.goto(visits.house.issuer + path)
    assert visitor.page.evaluate(_WIDE) == []


@pytest.mark.parametrize("language", ["de-DE", "en-GB"])
def test_wider_text_fits(visits: Visits, language: str) -> None:
    """People's own spacing of lines, words and letters breaks nothing (WCAG 1.4.12)."""
    visitor = visits.new(viewport={"width": 320, "height": 700}, bypass_csp=True, locale=language)
    visitor.come_from(visits.house.customer)
    visitor.press()
    visitor.page.add_style_tag(content=_SPACING)
    assert visitor.page.evaluate(_WIDE) == []
    assert visitor.page.evaluate(_CUT) == []


def test_forced_colours_keep_the_borders(visits: Visits) -> None:
    """Where the system chooses the colours, buttons and the card still have edges (screens §2.1)."""
    visitor = visits.new(forced_colors="active")
    visitor.come_from(visits.house.customer)
    for name in (".card", "button.primary", "input[name=username]"):
        width = visitor.page.locator(name).evaluate("element => getComputedStyle(element).borderTopWidth")
        assert float(width.removesuffix("px")) >= 1, name
