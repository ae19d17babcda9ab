"""P-04: a new password with the recovery password; the second factor stays in the way (req 54-59, 71, 76)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from werkzeug.test import Client

from idp.db import Database
from idp.management import accounts
from idp.settings import Settings
from idp.settings.models import Recovery
from tests.builders import OPERATOR
from tests.web.pages.house import PASSWORD, Browser, House, Person
from tests.web.pages.recovering import FRESH, give, has, linked, posted, reset, signs_in


def test_the_whole_way(house: House, browser: Browser) -> None:
    """From the portal and back, signed in; both passwords are used up (Amt24, A6)."""
    ben = house.add("ben")
    text = give(house, ben)
    browser.ask()
    browser.get(linked(browser, "Passwort vergessen?"))
    browser.get(linked(browser, "Ich habe ein Wiederherstellungspasswort"))
    assert browser.heading == "Passwort ändern mit Wiederherstellungspasswort"
    browser.send(username="ben", new_password=FRESH, confirm_password=FRESH, recovery_password=text)
    assert browser.heading == "Passwort geändert!"
    assert "Ihr Wiederherstellungspasswort ist damit verbraucht" in browser.text
    browser.get(linked(browser, "Weiter"))
    assert browser.arrived["code"]
    assert {mail.subject for mail in posted(house)} == {
        "Ihre Wiederherstellungsdaten wurden benutzt",
        "Ihr Passwort wurde geändert",
    }
    assert signs_in(house, FRESH)
    assert not signs_in(house)
    assert not has(house, ben, text)
    assert [event.actor_id for event in house.events("recovery_password.used")] == [ben.id]


@pytest.mark.parametrize("between", ["", " ", "--", "\N{EN DASH}", "\N{NO-BREAK SPACE}"])
def test_it_is_read_as_people_type_it(house: House, browser: Browser, between: str) -> None:
    """Case, blanks and hyphens do not matter."""
    text = give(house, house.add("ben"))
    reset(browser, f" {text.lower().replace('-', between)} ")
    assert browser.heading == "Passwort geändert!"


def test_by_mail_address(house: House, browser: Browser) -> None:
    reset(browser, give(house, house.add("ben")), "ben@muster.example")
    assert browser.heading == "Passwort geändert!"


def test_it_works_once(house: House, browser: Browser) -> None:
    """(req 22, 70)"""
    text = give(house, house.add("ben"))
    reset(browser, text)
    other = house.browser()
    reset(other, text, password="Noch ein ganz anderes 5")
    assert "Das Wiederherstellungspasswort stimmt nicht." in other.text
    assert signs_in(house, FRESH)


def test_of_two_at_a_time_one_counts(house: House) -> None:
    """(req 22; C16)"""
    text = give(house, house.add("ben"))
    visitors = [house.browser(), house.browser()]
    for visitor in visitors:
        visitor.get("/password/recovery")
    barrier = Barrier(2)

    def send(number: int) -> bool:
        password = f"{FRESH} {number}"
        barrier.wait()
        visitors[number].send(
            follow=False,
            username="ben",
            new_password=password,
            confirm_password=password,
            recovery_password=text,
        )
        return "/password/changed" in visitors[number].page.headers.get("Location", "")

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, range(2))) == [False, True]
    assert len(house.events("recovery_password.used")) == 1
    assert len(house.events("password.reset_completed")) == 1


def test_the_second_factor_comes_first(house: House, browser: Browser, anna: Person) -> None:
    """The string alone opens nothing, and is not used up before the code was right (req 71; C4)."""
    text = give(house, anna)
    reset(browser, text, "anna")
    assert browser.heading == "Zweistufige Anmeldung"
    assert not signs_in(house, FRESH, "anna")
    assert signs_in(house, PASSWORD, "anna")
    assert has(house, anna, text)
    browser.send(code=anna.code())
    assert browser.heading == "Passwort geändert!"
    assert not has(house, anna, text)
    with house.work() as ctx:
        assert accounts.show(ctx.acting(OPERATOR), anna.id).status == "active"


def test_five_wrong_codes_end_it(house: House, browser: Browser, anna: Person) -> None:
    """The old password counts, the string is still good, and the owner hears of it (req 60, 64; C4)."""
    text = give(house, anna)
    reset(browser, text, "anna")
    for _ in range(5):
        browser.send(code=anna.wrong_code())
    assert browser.heading == "Passwort ändern mit Wiederherstellungspasswort"
    assert "zu viele falsche Codes. Ihr altes Passwort gilt weiter. Beginnen Sie noch einmal." in browser.text
    assert signs_in(house, PASSWORD, "anna")
    assert has(house, anna, text)
    (mail,) = posted(house)
    assert mail.subject == "Falsche Codes beim Ändern Ihres Passworts"
    assert "mit Ihrem Wiederherstellungspasswort" in mail.text


def test_a_new_one_voids_what_waits_for_the_code(house: House, browser: Browser, anna: Person) -> None:
    """Who found the sheet is stopped by a new one, also half way (req 72, 75)."""
    reset(browser, give(house, anna), "anna")
    fresh = give(house, anna)
    browser.send(code=anna.code())
    assert browser.page.status_code == 400
    assert signs_in(house, PASSWORD, "anna")
    assert has(house, anna, fresh)


def test_other_sessions_end(house: House, browser: Browser) -> None:
    """(req 44, 76)"""
    ben = house.add("ben")
    elsewhere = house.browser()
    elsewhere.get("/login")
    elsewhere.sign_in(ben)
    reset(browser, give(house, ben))
    elsewhere.get("/")
    assert "Ben" not in elsewhere.heading


def test_who_is_blocked_is_not_let_in_by_it(house: House, browser: Browser) -> None:
    """By their only company: the password changes, the sign-in says why it stays closed (C4)."""
    ben = house.add("ben", company="Muster GmbH", membership="blocked")
    reset(browser, give(house, ben))
    assert browser.heading == "Passwort geändert!"
    assert [row for row in house.sessions() if row.ended_at is None] == []


@pytest.mark.parametrize("state", ["nobody", "without one", "blocked", "deleted", "another's"])
def test_equal_answers(house: House, state: str) -> None:
    """Whatever is wrong, the page, its headers and the log's growth are the same (req 59; C14)."""
    text = give(house, house.add("ben"))
    eve = house.add("eve")
    if state != "without one":
        give(house, eve)
    with house.work() as ctx:
        if state == "blocked":
            accounts.block(ctx.acting(OPERATOR), eve.id)
        elif state == "deleted":
            accounts.delete(ctx.acting(OPERATOR), eve.id)
    seen = []
    for name, typed in (("ben", text[::-1]), ("eve" if state != "nobody" else "zoe", text)):
        visitor = house.browser()
        reset(visitor, typed, name)
        answer = visitor.page
        seen.append((answer.status_code, sorted(answer.headers.keys()), visitor.heading, len(visitor.text)))
    assert seen[0] == seen[1]
    assert "Das Wiederherstellungspasswort stimmt nicht." in visitor.text
    assert posted(house) == []


def test_who_is_blocked_meanwhile(house: House, browser: Browser) -> None:
    """Between the right string and the end nothing is taken for granted (req 23)."""
    ben = house.add("ben")
    text = give(house, ben)
    with house.work() as ctx:
        accounts.block(ctx.acting(OPERATOR), ben.id)
    reset(browser, text)
    assert "stimmt nicht" in browser.text
    assert has(house, ben, text) is False  # for a blocked account none fits


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"username": ""}, "Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen ein."),
        ({"new_password": "", "confirm_password": ""}, "Wählen Sie ein Passwort."),
        ({"new_password": "kurz", "confirm_password": "kurz"}, "Es braucht mindestens 15."),
        ({"confirm_password": "anders"}, "Die beiden Passwörter sind verschieden."),
        ({"recovery_password": ""}, "Geben Sie Ihr Wiederherstellungspasswort ein."),
        ({"recovery_password": "A" * 2000}, "Die Eingabe ist zu lang."),
        (
            {"new_password": "ben@muster.example", "confirm_password": "ben@muster.example"},
            "enthält Ihren Namen oder Ihre E-Mail-Adresse",
        ),
    ],
)
def test_mistakes_use_nothing_up(house: House, browser: Browser, fields: dict[str, str], words: str) -> None:
    """What was typed as a secret does not come back in the page."""
    text = give(house, house.add("ben"))
    typed = {
        "username": "ben",
        "new_password": FRESH,
        "confirm_password": FRESH,
        "recovery_password": text,
    }
    browser.get("/password/recovery")
    browser.send(**(typed | fields))
    assert words in browser.text
    assert text not in browser.text
    assert FRESH not in browser.text
    assert house.events("recovery_password.refused") == []
    reset(browser, text)
    assert browser.heading == "Passwort geändert!"


def test_what_the_account_forbids_is_said_to_its_owner_alone(house: House, browser: Browser) -> None:
    """Without the string the account's names are not told by what a password may not contain (req 59)."""
    house.add("ben")
    other = house.browser()
    reset(other, "A" * 30, "ben", "ben@muster.example")
    assert "stimmt nicht" in other.text
    assert "enthält Ihren Namen" not in other.text


class TestThrottle:
    """(req 54-57)"""

    def test_nobody_shuts_the_owner_out(self, house: House, browser: Browser) -> None:
        """Neither for good nor for a minute (req 56)."""
        text = give(house, house.add("ben"))
        stranger = house.browser()
        for _ in range(30):
            reset(stranger, "falsch")
            assert "stimmt nicht" in stranger.text
        reset(browser, text)
        assert browser.heading == "Passwort geändert!"

    @pytest.mark.parametrize("name", ["ben", "zoe"])
    def test_a_network_tries_few(self, house: House, browser: Browser, name: str) -> None:
        """Whoever it means, and for nobody (req 59)."""
        house.add("ben")
        browser.client = Client(
            lambda environ, answer: house.app(environ | {"REMOTE_ADDR": "10.9.9.9"}, answer)
        )
        for _ in range(house.settings.throttle.resets_per_minute):
            reset(browser, "falsch", name)
            assert "stimmt nicht" in browser.text
        reset(browser, "falsch", name)
        assert browser.page.status_code == 429
        assert browser.page.headers["Retry-After"]
        assert house.events("recovery_password.refused")[-1].reason == "reset.throttled"

    def test_the_stop_of_the_password_is_no_stop_here(self, house: House, browser: Browser) -> None:
        """Each is counted for itself, and a reset lets the password be tried again (req 54, 55)."""
        ben = house.add("ben")
        text = give(house, ben)
        for _ in range(100):
            house.clock.advance(minutes=20)
            assert not signs_in(house, "falsch")
        house.clock.advance(minutes=20)
        reset(browser, text)
        assert browser.heading == "Passwort geändert!"
        house.clock.advance(minutes=20)
        assert signs_in(house, FRESH)


class TestImmediate:
    """``recovery.reset_mfa = "immediate"``: what Amt24 documents, with its warning (design §2)."""

    @pytest.fixture
    def house(self, settings: Settings, database: Database) -> House:
        """An installation that wants it so."""
        return House(settings.model_copy(update={"recovery": Recovery(reset_mfa="immediate")}), database)

    def test_the_factor_goes_and_everybody_says_so(
        self, house: House, browser: Browser, anna: Person
    ) -> None:
        browser.get("/password/recovery")
        assert "schalten Sie gleichzeitig Ihre zweistufige Anmeldung aus" in browser.text
        reset(browser, give(house, anna), "anna")
        assert browser.heading == "Passwort geändert!"
        assert "zweistufige Anmeldung ist jetzt ausgeschaltet" in browser.text
        (mail,) = (mail for mail in posted(house) if mail.subject == "Ihr Passwort wurde geändert")
        assert "zweistufige Anmeldung ist jetzt ausgeschaltet" in mail.text
        (event,) = house.events("authenticator.removed")
        assert (event.target_id, event.reason) == (anna.id, "recovery_password")
        other = house.browser()
        other.get("/login")
        other.send(username="anna", password=FRESH)
        assert other.heading.startswith("Willkommen")

    def test_a_mailed_link_leaves_it(self, house: House, browser: Browser, anna: Person) -> None:
        """It holds for the recovery password alone (req 71)."""
        browser.get("/password/forgot")
        browser.send(email="anna@muster.example")
        browser.get(posted(house)[0].link.removeprefix(house.settings.public_url))
        browser.send(new_password=FRESH, confirm_password=FRESH)
        assert browser.heading == "Zweistufige Anmeldung"
        browser.send(code=anna.code())
        assert browser.heading == "Passwort geändert!"
        assert "ausgeschaltet" not in browser.text
        assert house.events("authenticator.removed") == []

    def test_without_one_nothing_is_said_of_it(self, house: House, browser: Browser) -> None:
        reset(browser, give(house, house.add("ben")))
        assert "ausgeschaltet" not in browser.text
        assert house.events("authenticator.removed") == []


def test_in_the_profile_amt24_a_new_one_is_due(settings: Settings, database: Database) -> None:
    """Before the portal gets its answer; elsewhere it is only recommended."""
    password = settings.password.model_copy(update={"profile": "amt24"})
    house = House(settings.model_copy(update={"password": password}), database)
    ben, browser = house.add("ben"), house.browser()
    browser.ask()
    browser.get(linked(browser, "Passwort vergessen?"))
    browser.get(linked(browser, "Ich habe ein Wiederherstellungspasswort"))
    new = "Deich-Schaf 7"
    browser.send(username="ben", new_password=new, confirm_password=new, recovery_password=give(house, ben))
    browser.get(linked(browser, "Weiter"))
    assert browser.heading == "Wiederherstellungspasswort setzen"


def test_an_old_page_is_shown_again(house: House, browser: Browser) -> None:
    browser.get("/password/recovery")
    browser.send(csrf_token="old", username="ben")
    assert "Die Seite war länger offen." in browser.text
    assert 'value="ben"' in browser.text


def test_a_young_one_goes_with_a_password_that_support_sets(house: House) -> None:
    """(req 72): as with one set by a mailed link; a thief may have saved it."""
    ben = house.add("ben")
    house.clock.advance(days=10)
    text = give(house, ben)
    house.clock.advance(hours=1)
    with house.work() as ctx:
        accounts.set_password(ctx.acting(OPERATOR), ben.id, "Leise rieselt der Sand 8")
    assert not has(house, ben, text)
