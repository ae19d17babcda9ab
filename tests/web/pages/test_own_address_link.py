"""The link of the mail about another address: it works in any browser, with the password (K-12; req 68)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idp.accounts import identifiers
from tests.web.pages.addresses import (
    NEW,
    OLD,
    ask,
    changed,
    code_of,
    link_of,
    owned,
    undo_link,
)
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, Person


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


def test_signed_in_one_click_is_enough(house: House, browser: Browser, ben: Person) -> None:
    ask(browser)
    link = link_of(house)
    for _ in range(2):
        assert house.browser().get(link).status_code == 200
    assert owned(house, ben) == [OLD]
    browser.get(link)
    assert 'name="password"' not in browser.text
    browser.send()
    assert browser.heading == "E-Mail-Adresse geändert"
    assert owned(house, ben) == [NEW]
    assert browser.get(link).status_code == 410
    assert "unter „Profil“" in browser.text


def test_elsewhere_the_password_is_asked(house: House, browser: Browser, ben: Person) -> None:
    """(C5): nobody proves an address for an account that is not theirs; tries are counted (req 55)."""
    ask(browser)
    stranger = house.browser()
    eve = house.add("eve")
    stranger.get("/login")
    stranger.sign_in(eve)
    stranger.get(link_of(house))
    for _ in range(5):
        stranger.send(password=WRONG)
        assert "Das Passwort stimmt nicht." in stranger.text
        assert WRONG not in stranger.text
    stranger.send(password=PASSWORD)
    assert stranger.page.status_code == 429
    assert owned(house, ben) == [OLD]
    house.clock.advance(minutes=1)
    stranger.send(password=PASSWORD)
    assert stranger.heading == "E-Mail-Adresse geändert"
    assert owned(house, ben) == [NEW]
    assert owned(house, eve) == ["eve@muster.example"]


def test_it_works_late(house: House, browser: Browser, ben: Person) -> None:
    """After the code, within the day, also when the browser that began is gone."""
    ask(browser)
    link = link_of(house)
    house.clock.advance(hours=23)
    stranger = house.browser()
    stranger.get(link)
    stranger.send(password=PASSWORD)
    assert owned(house, ben) == [NEW]


def test_it_dies_after_a_day(house: House, browser: Browser, ben: Person) -> None:
    ask(browser)
    link = link_of(house)
    house.clock.advance(hours=24)
    assert house.browser().get(link).status_code == 410


def test_it_dies_with_the_code(house: House, browser: Browser, ben: Person) -> None:
    ask(browser)
    link = link_of(house)
    browser.send(code=code_of(house))
    assert house.browser().get(link).status_code == 410


def test_an_old_token_does_nothing(house: House, browser: Browser, ben: Person) -> None:
    """(req 98)"""
    ask(browser)
    browser.get(link_of(house))
    browser.send(csrf_token="old")
    assert owned(house, ben) == [OLD]


def test_taken_meanwhile(house: House, browser: Browser, ben: Person) -> None:
    ask(browser)
    browser.get(link_of(house))
    other = house.add("eve")
    with house.work() as ctx:
        identifiers.add_email(ctx, other.id, NEW, verified=True)
    browser.send()
    assert "gehört schon zu einem anderen Konto" in browser.text
    assert owned(house, ben) == [OLD]


def test_of_two_at_a_time_one_counts(house: House, browser: Browser, ben: Person) -> None:
    """(C16)"""
    ask(browser)
    link = link_of(house)
    visitors = [house.browser(), house.browser()]
    for visitor in visitors:
        visitor.get(link)
    barrier = Barrier(2)

    def send(number: int) -> int:
        barrier.wait()
        return visitors[number].send(password=PASSWORD).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, range(2))) == [200, 410]
    assert len(house.events("identifier.verified")) == 1


@pytest.mark.parametrize("path", ["link", "undo"])
@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\0", "a" * 5000])
def test_what_is_no_link(browser: Browser, path: str, token: str) -> None:
    """(req 29)"""
    assert browser.get(f"/account/email/{path}?token={token}").status_code == 410


def test_links_open_nothing_of_another_kind(house: House, browser: Browser, ben: Person) -> None:
    """(C2)"""
    changed(house, browser)
    token = undo_link(house).partition("?")[2]
    for path in ("/account/email/link", "/password/reset", "/register/link"):
        assert browser.get(f"{path}?{token}").status_code == 410
