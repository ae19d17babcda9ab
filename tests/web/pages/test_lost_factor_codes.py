"""The mailed code of who lost the app: its tries, its end, another one (req 54, 57, 59, 60, 64, 65)."""

import pytest

from idp.accounts.models import Account
from idp.authentication import totp
from tests.web.pages.house import Browser, House, Person
from tests.web.pages.recovering import (
    LOST,
    SWITCH_OFF,
    code_in,
    give,
    is_untouched,
    linked,
    lose_app,
    other_than,
    posted,
    reset,
)
from tests.web.pages.registering import resend

AGAIN = "Passwort ändern mit Wiederherstellungspasswort"


class TestCodes:
    """As everywhere: six digits, ten minutes, the newest counts; five wrong ones end it (req 54, 64, 65)."""

    def test_five_wrong_ones_end_it(self, house: House, browser: Browser, anna: Person) -> None:
        """Nothing changes, and the owner hears of it (req 60)."""
        text = give(house, anna)
        code = lose_app(house, browser, anna, text)
        address = browser.address
        for left in (4, 3, 2, 1):
            browser.send(code=other_than(code))
            assert f"Noch {left} Versuch" in browser.text
        browser.send(code=other_than(code))
        assert browser.heading == AGAIN
        assert "Ihr altes Passwort gilt weiter." in browser.text
        assert posted(house)[0].subject == "Falsche Codes beim Ändern Ihres Passworts"
        assert [event.actor_kind for event in house.events("second_proof.failed")] == ["anonymous"] * 5
        assert len(house.events("second_factor.locked")) == 1
        browser.get(address)
        assert browser.heading == AGAIN
        assert is_untouched(house, anna, text)

    def test_tries_at_the_app_are_tries(self, house: House, browser: Browser, anna: Person) -> None:
        """Who guesses gets five in all, however they are spread (req 64)."""
        text = give(house, anna)
        reset(browser, text, "anna")
        lost = linked(browser, LOST)
        for _ in range(3):
            browser.send(code=anna.wrong_code())
        browser.get(lost)
        browser.send()
        code = code_in(posted(house)[0])
        browser.send(code=other_than(code))
        assert "Noch 1 Versuch." in browser.text
        browser.send(code=other_than(code))
        assert browser.heading == AGAIN
        assert is_untouched(house, anna, text)

    def test_tries_of_a_reset_are_used_up(self, house: House, browser: Browser, anna: Person) -> None:
        """A right code comes too late (req 64)."""
        text = give(house, anna)
        code = lose_app(house, browser, anna, text)
        page, address = browser.page, browser.address
        second = house.browser()
        second.client, second.page, second.address = browser.client, page, address
        for _ in range(5):
            browser.page, browser.address = page, address
            browser.send(code=other_than(code), follow=False)
        second.send(code=code)
        assert second.heading == AGAIN
        assert is_untouched(house, anna, text)

    def test_an_account_has_ten_an_hour(self, house: House, anna: Person) -> None:
        """Whoever has the recovery password may begin again, but not guess on (req 54, 55)."""
        text = give(house, anna)
        for _ in range(2):
            visitor = house.browser()
            code = lose_app(house, visitor, anna, text)
            for _ in range(5):
                visitor.send(code=other_than(code))
            assert visitor.heading == AGAIN
            house.clock.advance(minutes=2)
        visitor = house.browser()
        code = lose_app(house, visitor, anna, text)
        visitor.send(code=code)
        assert visitor.page.status_code == 429
        assert "Zu viele Versuche" in visitor.text
        assert is_untouched(house, anna, text)
        house.clock.advance(hours=2)
        visitor = house.browser()
        code = lose_app(house, visitor, anna, text)
        visitor.send(code=code)
        assert visitor.heading == "Passwort geändert!"

    def test_a_right_one_forgets_the_wrong_ones(self, house: House, anna: Person) -> None:
        """The next loss begins with ten tries again (req 57)."""
        text = give(house, anna)
        for wrong in (5, 4):
            visitor = house.browser()
            code = lose_app(house, visitor, anna, text)
            for _ in range(wrong):
                visitor.send(code=other_than(code))
        visitor.send(code=code)
        assert visitor.heading == "Passwort geändert!"
        with house.work() as ctx:
            totp.enroll(ctx, ctx.db.get_one(Account, anna.id), totp.new_secret(), "Neu")
        visitor = house.browser()
        visitor.send(code=lose_app(house, visitor, anna, give(house, anna)))
        assert visitor.heading == "Passwort geändert!"

    def test_it_expires(self, house: House, browser: Browser, anna: Person) -> None:
        """The flow waits as long as its code; then another one was sent (screens §1.0)."""
        text = give(house, anna)
        reset(browser, text, "anna")
        house.clock.advance(minutes=9)
        browser.get(linked(browser, LOST))
        browser.send()
        old = code_in(posted(house)[0])
        house.clock.advance(minutes=10)
        browser.send(code=old)
        assert "Der Code ist abgelaufen. Wir haben Ihnen einen neuen gesendet." in browser.text
        new = code_in(posted(house)[0])
        assert len(posted(house)) == 2
        browser.send(code=new)
        assert browser.heading == "Passwort geändert!"

    def test_another_one_voids_it(self, house: House, browser: Browser, anna: Person) -> None:
        """After a minute (req 65)."""
        old = lose_app(house, browser, anna, give(house, anna))
        resend(browser)
        assert browser.page.status_code == 429
        assert browser.page.headers["Retry-After"] == "60"
        assert "noch keine Minute alt" in browser.text
        house.clock.advance(seconds=60)
        resend(browser)
        assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
        new = code_in(posted(house)[0])
        browser.send(code=old)
        assert old == new or "Der Code stimmt nicht." in browser.text
        browser.send(code=new)
        assert browser.heading == "Passwort geändert!"

    def test_two_clicks_send_one(self, house: House, browser: Browser, anna: Person) -> None:
        """The second answer is the page that asks for the code of the first."""
        reset(browser, give(house, anna), "anna")
        browser.get(linked(browser, LOST))
        page, address = browser.page, browser.address
        browser.send()
        browser.page, browser.address = page, address
        browser.send()
        assert browser.heading == "Code eingeben"
        assert len(posted(house)) == 1

    def test_an_address_gets_only_so_many(self, house: House, browser: Browser, anna: Person) -> None:
        """Nobody fills its owner's mailbox (req 59)."""
        text = give(house, anna)
        reset(browser, text, "anna")
        browser.get(linked(browser, LOST))
        page, address = browser.page, browser.address
        for _ in range(5):
            browser.page, browser.address = page, address
            browser.send()
            house.clock.advance(minutes=2)
        browser.page, browser.address = page, address
        browser.send()
        assert browser.page.status_code == 429
        assert browser.page.headers["Retry-After"]
        assert browser.heading == SWITCH_OFF
        assert "An diese Adresse ging schon viel Post." in browser.text
        assert len(posted(house)) == 5

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ("", "Geben Sie den Code aus der E-Mail ein."),
            ("12345", "Der Code hat 6 Ziffern. Sie haben 5 eingegeben."),
            ("abcdef", "Der Code besteht nur aus Ziffern."),
        ],
    )
    def test_what_is_no_code_is_no_try(
        self, house: House, browser: Browser, anna: Person, typed: str, words: str
    ) -> None:
        code = lose_app(house, browser, anna, give(house, anna))
        for _ in range(6):
            browser.send(code=typed)
            assert words in browser.text
        browser.send(code=f" {code[:3]} {code[3:]} ")
        assert browser.heading == "Passwort geändert!"

    def test_an_old_page_is_shown_again(self, house: House, browser: Browser, anna: Person) -> None:
        code = lose_app(house, browser, anna, give(house, anna))
        browser.send(csrf_token="old", code=code)
        assert "Die Seite war länger offen." in browser.text
        browser.send(code=code)
        assert browser.heading == "Passwort geändert!"
