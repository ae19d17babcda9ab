"""K-03: one's own recovery password: drawn, kept, saved; the old one counts till then (Amt24; req 53-75)."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idp.authentication import recovery_password
from idp.management import accounts
from tests.builders import OPERATOR
from tests.web.pages.house import PASSWORD, Browser, House, Person, forms
from tests.web.pages.recovering import give, has, posted, string_on


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody who is signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


def _drawn(browser: Browser) -> str:
    browser.get("/account/recovery")
    browser.send()
    return string_on(browser)


#: of the page with the string: the file's form comes first
FILE, SAVE = 0, 1


def test_the_whole_way(house: House, browser: Browser, ben: Person) -> None:
    """Draw, keep, tick, confirm: only then is a hash stored, and the owner hears of it (req 72)."""
    text = _drawn(browser)
    assert re.fullmatch(
        rf"([{recovery_password.ALPHABET}]{{5}}-){{5}}[{recovery_password.ALPHABET}]{{5}}", text
    )
    assert not has(house, ben, text)
    browser.send(form=SAVE, saved="y", password=PASSWORD)
    assert "Ihr neues Wiederherstellungspasswort gilt ab sofort." in browser.text
    assert has(house, ben, text)
    (mail,) = posted(house)
    assert (mail.to, mail.subject) == ("ben@muster.example", "Neue Wiederherstellungsdaten")
    assert text not in mail.text + mail.html
    (event,) = house.events("recovery_password.created")
    assert (event.actor_id, event.target_id, event.new) == (ben.id, ben.id, '{"replaced":false}')
    browser.get("/account")
    assert "gespeichert am" in browser.text


def test_a_new_one_replaces_the_old(house: House, browser: Browser, ben: Person) -> None:
    old = give(house, ben)
    text = _drawn(browser)
    assert "Bis Sie speichern, gilt Ihr altes" in browser.text
    browser.send(form=SAVE, saved="y", password=PASSWORD)
    assert (has(house, ben, text), has(house, ben, old)) == (True, False)
    assert "Das alte gilt nicht mehr." in posted(house)[0].text


def test_leaving_the_page_keeps_the_old_one(house: House, browser: Browser, ben: Person) -> None:
    old = give(house, ben)
    _drawn(browser)
    browser.get("/account")
    assert has(house, ben, old)
    assert posted(house) == []


def test_the_string_survives_reload_and_a_second_tab(house: House, browser: Browser, ben: Person) -> None:
    """It waits sealed in its flow (req 75, 105)."""
    text = _drawn(browser)
    address = browser.address
    browser.get("/account")
    browser.get(address)
    assert string_on(browser) == text
    other = _drawn(browser)
    assert other != text
    browser.get(address)
    browser.send(form=SAVE, saved="y", password=PASSWORD)
    assert has(house, ben, text)


def test_without_a_script_the_file_has_it(house: House, browser: Browser, ben: Person) -> None:
    """Made in the answer, named as a download, kept by nobody; its address says nothing (req 67, 105)."""
    text = _drawn(browser)
    browser.send(form=FILE)
    page = browser.page
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert page.headers["Content-Disposition"] == 'attachment; filename="wiederherstellungspasswort.txt"'
    assert page.headers["Cache-Control"] == "no-store"
    assert text in browser.text
    assert "http://localhost:8000/password/recovery" in browser.text
    assert text not in browser.address
    assert browser.text.endswith("\r\n")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"password": PASSWORD},
            "Setzen Sie den Haken, wenn Sie das Wiederherstellungspasswort gespeichert haben.",
        ),
        ({"saved": "y"}, "Geben Sie Ihr Passwort ein."),
        ({"saved": "y", "password": "falsch"}, "Das Passwort stimmt nicht."),
        ({"saved": "y", "password": "x" * 1025}, "Die Eingabe ist zu lang."),
        ({"saved": "y", "password": PASSWORD, "csrf_token": "old"}, "Die Seite war länger offen."),
        ({}, "Setzen Sie den Haken"),
    ],
)
def test_mistakes_save_nothing(
    house: House, browser: Browser, ben: Person, fields: dict[str, str], words: str
) -> None:
    """The string is still there, the tick too."""
    text = _drawn(browser)
    browser.send(form=SAVE, **fields)
    assert words in browser.text
    assert string_on(browser) == text
    assert ("checked" in browser.text) == ("saved" in fields)
    assert not has(house, ben, text)
    browser.send(form=SAVE, saved="y", password=PASSWORD)
    assert has(house, ben, text)


def test_the_password_is_counted_as_at_the_sign_in(house: House, browser: Browser, ben: Person) -> None:
    """(req 55)"""
    _drawn(browser)
    browser.client.delete_cookie("dev", domain="localhost")  # else it is a known browser's
    for _ in range(5):
        browser.send(form=SAVE, saved="y", password="falsch")
    browser.send(form=SAVE, saved="y", password=PASSWORD)
    assert browser.page.status_code == 429
    assert browser.page.headers["Retry-After"]


def test_who_is_blocked_while_the_password_is_compared(house: House, browser: Browser, ben: Person) -> None:
    """(req 23)"""
    text = _drawn(browser)
    with house.work() as ctx:
        accounts.block(ctx.acting(OPERATOR), ben.id)
    browser.send(form=SAVE, saved="y", password=PASSWORD)
    assert browser.heading == "Anmelden"
    assert not has(house, ben, text)


def test_sent_twice_it_is_saved_once(house: House, browser: Browser, ben: Person) -> None:
    """The second click's answer says what the first one did; an old page opens nothing (req 22, 75)."""
    _drawn(browser)
    address = browser.address
    _, hidden = forms(browser.text)[SAVE]
    filled = hidden | {"saved": "y", "password": PASSWORD}
    browser.post(address, filled)
    browser.post(address, filled)
    assert "gilt ab sofort" in browser.text
    browser.get(address)
    assert "gilt ab sofort" in browser.text
    assert len(house.events("recovery_password.created")) == 1


def test_of_two_strings_at_a_time_one_counts(house: House, ben: Person) -> None:
    """Each is saved whole or not at all (C16)."""
    visitors = [house.browser(), house.browser()]
    texts = []
    for visitor in visitors:
        visitor.get("/login")
        visitor.sign_in(ben)
        texts.append(_drawn(visitor))
    barrier = Barrier(2)

    def save(number: int) -> int:
        barrier.wait()
        return visitors[number].send(form=SAVE, saved="y", password=PASSWORD, follow=False).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(save, range(2))) == [303, 303]
    assert sorted(has(house, ben, text) for text in texts) == [False, True]


def test_after_an_hour_it_begins_again(house: House, browser: Browser, ben: Person) -> None:
    _drawn(browser)
    address = browser.address
    house.clock.advance(minutes=61)
    browser.get(address)
    browser.send(password=PASSWORD)  # the proof of the sign-in is old by now
    assert browser.address == "/account/recovery"


class TestWhose:
    """(req 41, 53, 73, 75; C4)"""

    def test_a_stranger_signs_in_first(self, house: House, browser: Browser) -> None:
        """And comes back to this very page."""
        ben = house.add("ben")
        browser.get("/account/recovery")
        browser.sign_in(ben)
        assert browser.heading == "Wiederherstellungspasswort setzen"

    def test_an_old_proof_is_not_enough(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 73)"""
        text = _drawn(browser)
        house.clock.advance(minutes=16)
        browser.send(form=SAVE, saved="y", password=PASSWORD)
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        assert not has(house, ben, text)
        browser.send(password=PASSWORD)
        assert string_on(browser) == text

    def test_the_second_factor_is_part_of_it(self, house: House, browser: Browser, anna: Person) -> None:
        """A remembered browser's password alone makes no recovery password (req 73)."""
        browser.get("/login")
        browser.sign_in(anna, remember_device="y")
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get("/account/recovery")
        browser.sign_in(anna)
        assert browser.heading == "Bestätigen Sie Ihre Identität"

    def test_of_another_person_in_this_browser(self, house: House, browser: Browser, ben: Person) -> None:
        """Who signs in after somebody does not find their string."""
        text = _drawn(browser)
        address = browser.address
        eve = house.add("eve")
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get("/login")
        browser.sign_in(eve)
        browser.get(address)
        assert browser.page.status_code == 400
        assert text not in browser.text
        browser.get("/account/recovery")
        _, hidden = forms(browser.text)[0]
        for target in (address, f"{address}/file"):
            browser.post(target, hidden | {"saved": "y", "password": PASSWORD})
            assert browser.page.status_code == 400
            assert text not in browser.text
        assert not has(house, eve, text)
        assert not has(house, ben, text)

    def test_of_another_browser(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 41)"""
        text = _drawn(browser)
        other = house.browser()
        other.get("/login")
        other.sign_in(ben)
        other.get(browser.address)
        assert other.page.status_code == 400
        assert text not in other.text

    @pytest.mark.parametrize("flow", ["x", "A" * 43, "%FF"])
    def test_what_is_no_flow(self, house: House, browser: Browser, ben: Person, flow: str) -> None:
        browser.get(f"/account/recovery/{flow}")
        assert browser.page.status_code == 400

    def test_a_flow_of_another_kind(self, house: House, browser: Browser, ben: Person) -> None:
        """(D3)"""
        browser.ask(prompt="login")
        flow = browser.address.partition("flow=")[2]
        browser.get(f"/account/recovery/{flow}")
        assert browser.page.status_code == 400
        browser.get(f"/login?flow={flow}")
        browser.sign_in(ben)
        browser.get(f"/account/recovery/{flow}")
        assert browser.page.status_code == 400


def test_both_languages(house: House, browser: Browser, ben: Person) -> None:
    browser.extra = {"Accept-Language": "en"}
    browser.get("/account/recovery?lang=en")
    assert browser.heading == "Set recovery password"
    browser.send()
    browser.send(form=FILE)
    assert 'filename="recovery-password.txt"' in browser.page.headers["Content-Disposition"]
