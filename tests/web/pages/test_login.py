"""Signing in with user name or address and password."""

from tests.web.pages.house import Browser, House


def test_a_person_signs_in_and_comes_back_to_the_portal_with_a_code(house: House, browser: Browser) -> None:
    """The whole way: portal, sign-in page, portal."""
    person = house.add("ben")
    browser.ask()
    assert browser.heading == "Anmelden"
    assert "Kundenportal" in browser.text
    browser.sign_in(person)
    assert browser.arrived["code"]
    assert browser.arrived["state"] == "s"
