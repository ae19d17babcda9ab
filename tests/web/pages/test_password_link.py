"""The link that a forgotten password is answered with: it works once, and for half an hour (req 68, 76)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idp.management import accounts
from tests.builders import OPERATOR
from tests.web.pages.house import PASSWORD, Browser, House, forms
from tests.web.pages.recovering import FRESH, ask_for_link, choose, linked, mailed_link, signs_in


class TestLink:
    """(req 68; C24)"""

    def test_opening_it_uses_nothing_up(self, house: House, browser: Browser) -> None:
        house.add("ben")
        ask_for_link(browser)
        for _ in range(3):
            assert house.browser().get(mailed_link(house)).status_code == 200
        choose(browser, mailed_link(house))
        assert browser.heading == "Passwort geändert!"

    def test_it_works_once(self, house: House, browser: Browser) -> None:
        house.add("ben")
        ask_for_link(browser)
        link = mailed_link(house)
        browser.get(link)
        page = forms(browser.text)[0][1] | {"new_password": FRESH, "confirm_password": FRESH}
        browser.post("/password/reset", page)
        other = f"{FRESH} anders"
        browser.post("/password/reset", page | {"new_password": other, "confirm_password": other})
        assert browser.page.status_code == 410
        assert signs_in(house, FRESH)

    def test_it_dies_on_time(self, house: House, browser: Browser) -> None:
        house.add("ben")
        ask_for_link(browser)
        link = mailed_link(house)
        house.clock.advance(minutes=30)
        assert house.browser().get(link).status_code == 410

    def test_open_links_die_with_a_reset(self, house: House, browser: Browser) -> None:
        """Also those of another request (req 76)."""
        house.add("ben")
        ask_for_link(browser)
        first = mailed_link(house)
        other = house.browser()
        ask_for_link(other)
        choose(other, mailed_link(house))
        assert house.browser().get(first).status_code == 410

    def test_it_dies_with_a_change_of_the_account(self, house: House, browser: Browser) -> None:
        """Whoever reads the mail later does not undo what an operator did."""
        person = house.add("ben")
        ask_for_link(browser)
        link = mailed_link(house)
        with house.work() as ctx:
            accounts.set_password(ctx.acting(OPERATOR), person.id, FRESH)
        assert browser.get(link).status_code == 410
        assert linked(browser, "Neuen Link senden") == "/password/forgot"
        assert signs_in(house, FRESH)

    def test_it_dies_while_the_page_is_open(self, house: House, browser: Browser) -> None:
        """The same for who has the form before them already."""
        person = house.add("ben")
        ask_for_link(browser)
        browser.get(mailed_link(house))
        with house.work() as ctx:
            accounts.set_password(ctx.acting(OPERATOR), person.id, FRESH)
        browser.send(new_password=PASSWORD, confirm_password=PASSWORD)
        assert browser.page.status_code == 410
        assert signs_in(house, FRESH)

    @pytest.mark.parametrize("token", ["", "x", "A" * 43, "\0", "a" * 5000])
    def test_what_is_no_link(self, house: House, browser: Browser, token: str) -> None:
        """(req 29)"""
        assert browser.get(f"/password/reset?token={token}").status_code == 410

    def test_of_two_at_a_time_one_counts(self, house: House, browser: Browser) -> None:
        """(C16)"""
        house.add("ben")
        ask_for_link(browser)
        link = mailed_link(house)
        visitors = [house.browser(), house.browser()]
        for visitor in visitors:
            visitor.get(link)
        barrier = Barrier(2)

        def send(number: int) -> int:
            password = f"{FRESH} {number}"
            barrier.wait()
            page = visitors[number].send(follow=False, new_password=password, confirm_password=password)
            return page.status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(send, range(2))) == [303, 410]
        assert len(house.events("password.reset_completed")) == 1
