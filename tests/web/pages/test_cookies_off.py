"""A browser that takes no cookies hears that on every page with a form, and where to go on (L-15.4)."""

import pytest

from tests.web.pages.house import PASSWORD, Browser, House
from tests.web.pages.recovering import linked

AGAIN = "Noch einmal versuchen"


def _is_told(browser: Browser) -> None:
    assert browser.page.status_code == 400
    assert browser.heading == "Ihr Browser nimmt keine Cookies an"
    assert browser.page.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize(
    "path", ["/login", "/register", "/password/forgot", "/password/recovery", "/link", "/account/profile"]
)
def test_the_page_opens_again(house: House, browser: Browser, path: str) -> None:
    """With its address as it was; where the form goes to another address there is nothing to open."""
    house.add("ben")
    browser.post(f"{path}?flow=some&again=1", {"username": "ben", "password": PASSWORD})
    _is_told(browser)
    assert linked(browser, AGAIN) == "?flow=some&again=1"
    assert house.sessions() == []


@pytest.mark.parametrize(
    "path",
    [
        "/password/reset",
        "/register/link",
        "/account/email/link",
        "/account/email/undo",
        "/account/delete/undo",
        "/link/undo",
    ],
)
def test_where_a_mail_leads(browser: Browser, path: str) -> None:
    """Its link opens the page again, and no other."""
    browser.post(path, {"token": "of-a-mail"})
    _is_told(browser)
    assert "Öffnen Sie den Link aus der E-Mail noch einmal." in browser.text
    assert AGAIN not in browser.text
    assert "of-a-mail" not in browser.text


def test_a_form_without_a_page_of_its_own(browser: Browser) -> None:
    """There is nothing to open again."""
    browser.post("/password/forgot/resend?flow=some", {})
    _is_told(browser)
    assert AGAIN not in browser.text


@pytest.mark.parametrize(("typed", "kept"), [("bcdf-ghjk", "?user_code=BCDFGHJK"), ("what", "")])
def test_the_code_of_a_device_is_kept(browser: Browser, typed: str, kept: str) -> None:
    """It need not be typed twice."""
    browser.post("/device", {"code": typed})
    _is_told(browser)
    assert linked(browser, AGAIN) == f"/device{kept}"
