"""The link of a registration's mail: in one's own browser, in another one, opened by programs (req 68)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.web.pages.house import Browser, House, forms
from tests.web.pages.registering import (
    CHOSEN,
    accounts_of,
    code_of,
    link_of,
    register,
)


def test_opening_it_uses_nothing_up(house: House, browser: Browser) -> None:
    """Programs that look through mail open links, and some of them twice."""
    register(browser)
    for _ in range(3):
        scanner = house.browser()
        scanner.get(link_of(house))
        assert scanner.heading == "E-Mail-Adresse bestätigen"
        assert "Referrer-Policy" in scanner.page.headers
    assert accounts_of(house) == []
    browser.get(link_of(house))
    browser.send()
    assert browser.arrived["code"]


def test_in_another_browser_it_needs_the_password(house: House, browser: Browser) -> None:
    """And ends at the portal's own start, since the request waits in the first browser."""
    register(browser)
    other = house.browser()
    other.get(link_of(house))
    other.send(password="Möwen über dem Deich 7")
    assert "nicht das Passwort" in other.text
    assert accounts_of(house) == []
    assert "form-action 'self' http://localhost:8001" in other.page.headers["Content-Security-Policy"]
    other.send(password=CHOSEN, follow=False)
    assert other.page.headers["Location"] == "http://localhost:8001/"
    other.get("/")
    assert other.heading == "Willkommen, Jörg O'Neill-Çelik"


def test_whoever_registers_somebody_elses_address_gains_nothing(house: House, browser: Browser) -> None:
    """Its owner does not know the password, and no number of tries makes an account of it (C5)."""
    register(browser)
    owner = house.browser()
    owner.get(link_of(house))
    page = forms(owner.text)[0][1]
    for number in range(8):
        owner.post("/register/link", page | {"password": f"geraten {number}"})
    assert "Dieser Link ist abgelaufen" in owner.text
    owner.post("/register/link", page | {"password": CHOSEN})
    assert accounts_of(house) == []


def test_it_works_once(house: House, browser: Browser) -> None:
    register(browser)
    link = link_of(house)
    browser.get(link)
    fields = forms(browser.text)[0][1]
    browser.send()
    browser.post("/register/link", fields)
    assert "schon benutzt" in browser.text
    assert house.browser().get(link).status_code == 410
    assert len(accounts_of(house)) == 1


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\0", "a" * 5000])
def test_what_is_no_link(house: House, browser: Browser, token: str) -> None:
    """(req 29)"""
    browser.get(f"/register/link?token={token}")
    assert browser.page.status_code == 410
    assert "Dieser Link ist abgelaufen" in browser.text


def test_code_and_link_make_one_account(house: House, browser: Browser) -> None:
    """At the same moment (C16)."""
    register(browser)
    link, code = link_of(house), code_of(house)
    by_code, by_link = forms(browser.text)[0], None
    browser.get(link)
    by_link = forms(browser.text)[0]
    barrier = Barrier(2)

    def send(form: tuple[str, dict[str, str]]) -> int:
        visitor = house.browser()
        visitor.client = browser.client.__class__(house.app)
        for cookie in browser.client._cookies.values():
            visitor.client.set_cookie(cookie.key, cookie.value, domain="localhost")
        barrier.wait()
        return visitor.post(form[0], form[1] | {"code": code}, follow=False).status_code

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send, (by_code, by_link)))
    assert len(accounts_of(house)) == 1
