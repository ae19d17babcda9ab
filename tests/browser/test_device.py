"""Letting a device in: with and without JavaScript, by keyboard alone (L-14; WCAG 2.1.1, 3.3.8; req 30)."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.house import House, Visits

POLL = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "device-cli"}


def _poll(house: House, codes: dict[str, str]) -> dict[str, Any]:
    form = POLL | {"device_code": codes["device_code"]}
    answer: dict[str, Any] = httpx.post(f"{house.issuer}/token", data=form, trust_env=False).json()
    return answer


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_device_is_let_in(visits: Visits, scripts: bool) -> None:
    """A slip, the code, the password, the question, the click."""
    house, codes = visits.house, visits.house.device()
    visitor = visits.new(java_script_enabled=scripts)
    page = visitor.page
    visitor.connect_a_device("BCDF")
    expect(page.get_by_role("alert")).to_be_focused()
    visitor.connect_a_device(codes["user_code"].lower())
    visitor.fill(house.regular())
    expect(page.get_by_role("heading", level=1)).to_have_text("Gerät verbinden")
    expect(page.locator("dl")).to_contain_text(codes["user_code"])
    assert _poll(house, codes)["error"] == "authorization_pending"
    page.get_by_role("button", name="Verbinden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Gerät verbunden")
    assert "id_token" in _poll(house, codes)


def test_by_keyboard_with_an_open_session(visits: Visits) -> None:
    """The whole address, Enter, and a click all the same: the keyboard reaches every button."""
    house, codes = visits.house, visits.house.device()
    visitor = visits.new()
    page, keys = visitor.page, visitor.page.keyboard
    visitor.sign_in(house.customer, house.regular())
    page.goto(codes["verification_uri_complete"])
    expect(page.get_by_label("Code")).to_be_focused()
    expect(page.get_by_label("Code")).to_have_value(codes["user_code"])
    keys.press("Enter")
    expect(page.get_by_text("Betrug")).to_be_visible()
    names = []
    for _ in range(12):
        keys.press("Tab")
        names.append(page.evaluate("document.activeElement.innerText").strip())
    assert [name for name in names if name in ("Verbinden", "Das war ich nicht", "Anderes Konto")] == [
        *("Verbinden", "Das war ich nicht", "Anderes Konto")
    ]
    page.get_by_role("button", name="Das war ich nicht").focus()
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Gerät nicht verbunden")
    assert _poll(house, codes)["error"] == "access_denied"


def test_pasted_into_one_field(visits: Visits) -> None:
    """Paste works: nobody has to type letter by letter (WCAG 3.3.8)."""
    house, codes = visits.house, visits.house.device()
    visitor = visits.new()
    visitor.page.goto(f"{house.issuer}/device")
    expect(visitor.page.get_by_label("Code")).to_be_focused()  # a page may have come before it has its focus
    visitor.page.keyboard.insert_text(f" {codes['user_code'].replace('-', ' ')}\n".strip("\n"))
    visitor.press()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Anmelden")
