"""Changing one's own password (K-02): the old one first, the others out, everybody told."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from idp.accounts.models import Account
from idp.authentication.models import Device, Session
from idp.delivery.preview import Shown, list_shown
from idp.oidc.models import Authorization
from idp.settings import Settings
from idp.settings.models import Password
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, Person, forms

FRESH = "Leuchtturm vor der Insel 9"


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


def _mails(house: House) -> list[Shown]:
    with house.work() as ctx:
        return [mail for mail in list_shown(ctx) if "Anmeldung" not in mail.subject]


def _change(browser: Browser, password: str = FRESH, *, current: str = PASSWORD, **ticks: str) -> None:
    browser.get("/account/password")
    assert browser.heading == "Passwort ändern"
    browser.send(password=current, new_password=password, confirm_password=password, **ticks)


def _signs_in(house: House, password: str, name: str = "ben") -> bool:
    browser = house.browser()
    browser.get("/login")
    browser.send(username=name, password=password)
    return "stimmt nicht" not in browser.text


def test_the_whole_way(house: House, browser: Browser, ben: Person) -> None:
    """The new one counts, the old one does not; this browser goes on under another cookie (req 40)."""
    before = browser.cookie("sid")
    _change(browser, end_elsewhere="y")
    assert browser.heading == "Passwort geändert!"
    assert browser.cookie("sid") not in (None, before)
    browser.get("/account")
    assert browser.heading == "Übersicht"
    thief = house.browser()
    thief.set_cookie("sid", str(before))
    thief.get("/account")
    assert thief.heading == "Anmelden"
    assert _signs_in(house, FRESH)
    assert not _signs_in(house, PASSWORD)
    [event] = house.events("password.changed")
    assert (event.actor_id, event.target_id) == (ben.id, ben.id)
    assert [(mail.to, mail.subject) for mail in _mails(house)] == [
        ("ben@muster.example", "Ihr Passwort wurde geändert")
    ]
    assert "Auf allen anderen Geräten sind Sie jetzt abgemeldet." in _mails(house)[0].text


def test_the_tick_is_on(browser: Browser, ben: Person) -> None:
    browser.get("/account/password")
    assert 'name="end_elsewhere" value="y" checked' in browser.text
    browser.send(password=WRONG, new_password=FRESH, confirm_password=FRESH)
    assert 'name="end_elsewhere" value="y" checked' not in browser.text


class TestElsewhere:
    """(req 44, 76)"""

    @pytest.fixture
    def other(self, house: House, ben: Person) -> Browser:
        """Another browser of the same person, also at the portal."""
        other = house.browser()
        other.ask()
        other.sign_in(ben)
        assert other.arrived["code"]
        return other

    def test_others_end_with_all_they_were_given(
        self, house: House, browser: Browser, ben: Person, other: Browser
    ) -> None:
        browser.ask()
        _change(browser, end_elsewhere="y")
        other.get("/account")
        assert other.heading == "Anmelden"
        with house.work() as ctx:
            live = ctx.db.scalars(select(Authorization).where(Authorization.revoked_at.is_(None))).all()
            own = [session for session in house.sessions() if session.ended_at is None]
            assert [found.session_id for found in live] == [session.id for session in own]
            epoch = ctx.db.get_one(Account, ben.id).epoch
            assert (epoch, [found.account_epoch for found in live]) == (2, [2])
        browser.ask()
        assert browser.arrived["code"]

    def test_offline_access_of_this_one_ends_too(self, house: House, browser: Browser, ben: Person) -> None:
        browser.ask()
        with house.work() as ctx:
            ctx.db.scalars(select(Authorization)).one().offline = True
        _change(browser, end_elsewhere="y")
        with house.work() as ctx:
            assert ctx.db.scalars(select(Authorization)).one().revoked_at is not None

    def test_without_the_tick_they_stay(
        self, house: House, browser: Browser, ben: Person, other: Browser
    ) -> None:
        _change(browser)
        assert browser.heading == "Passwort geändert!"
        other.get("/account")
        assert other.heading == "Übersicht"
        other.ask()
        assert other.arrived["code"]
        assert "abgemeldet" not in _mails(house)[0].text
        with house.work() as ctx:
            assert {found.account_epoch for found in ctx.db.scalars(select(Authorization))} == {2}

    def test_what_was_dead_stays_dead(
        self, house: House, browser: Browser, ben: Person, other: Browser
    ) -> None:
        """A session of an older epoch is not brought back by a change without the tick."""
        with house.work() as ctx:
            theirs = house.sessions()[1]
            ctx.db.get_one(Session, theirs.id).account_epoch = 0
        _change(browser)
        other.get("/account")
        assert other.heading == "Anmelden"

    def test_remembered_browsers_are_forgotten(self, house: House, browser: Browser, anna: Person) -> None:
        browser.get("/login")
        browser.sign_in(anna, remember_device="y")
        _change(browser)
        with house.work() as ctx:
            assert [device.trust_hash for device in ctx.db.scalars(select(Device))] == [None]
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get("/login")
        browser.send(username="anna", password=FRESH)
        assert browser.heading == "Zweistufige Anmeldung"

    def test_half_a_sign_in_with_the_old_one_is_over(
        self, house: House, browser: Browser, anna: Person
    ) -> None:
        """(C4): also without the tick."""
        browser.get("/login")
        browser.sign_in(anna)
        thief = house.browser()
        thief.get("/login")
        thief.give_password(anna)
        assert thief.heading == "Zweistufige Anmeldung"
        _change(browser)
        house.clock.advance(seconds=30)
        thief.send(code=anna.code())
        assert thief.heading == "Anmelden"

    def test_open_links_of_a_reset_die(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 76)"""
        stranger = house.browser()
        stranger.get("/password/forgot")
        stranger.send(email="ben@muster.example")
        link = next(mail.link for mail in _mails(house) if mail.link)
        _change(browser)
        assert stranger.get(link.removeprefix(house.settings.public_url)).status_code == 410


class TestCurrentPassword:
    def test_it_is_needed(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 53)"""
        _change(browser, current=WRONG)
        assert "Das Passwort stimmt nicht." in browser.text
        assert WRONG not in browser.text
        assert FRESH not in browser.text
        _change(browser, current="")
        assert "Geben Sie Ihr Passwort ein." in browser.text
        assert not _signs_in(house, FRESH)
        assert not house.events("password.changed")

    def test_tries_are_counted_as_at_the_sign_in(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 55)"""
        for _ in range(5):
            _change(browser, current=WRONG)
        browser.client.delete_cookie("dev", domain="localhost")
        _change(browser)
        assert browser.page.status_code == 429
        assert browser.page.headers["Retry-After"]
        stranger = house.browser()
        stranger.get("/login")
        stranger.send(username="ben", password=PASSWORD)
        assert stranger.page.status_code == 429

    def test_the_second_factor_is_needed_too(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 53): the account's highest level, not older than fifteen minutes."""
        browser.get("/login")
        browser.sign_in(anna)
        house.clock.advance(minutes=15)
        browser.get("/account/password")
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        browser.send(code=anna.code())
        assert browser.heading == "Passwort ändern"

    def test_the_level_stays(self, house: House, browser: Browser, anna: Person) -> None:
        """Who changed the password need not give the second factor again at once."""
        browser.get("/login")
        browser.sign_in(anna)
        _change(browser, end_elsewhere="y")
        browser.get("/account/password")
        assert browser.heading == "Passwort ändern"


@pytest.mark.parametrize(
    ("password", "confirmed", "words"),
    [
        ("", "", "Wählen Sie ein Passwort."),
        ("kurz", "kurz", "Es braucht mindestens 15."),
        ("ben@muster.example", "ben@muster.example", "enthält Ihren Namen oder Ihre E-Mail-Adresse"),
        (PASSWORD, PASSWORD, "Das ist Ihr jetziges Passwort."),
        (FRESH, "anders", "Die beiden Passwörter sind verschieden."),
    ],
)
@pytest.mark.usefixtures("ben")
def test_mistakes_change_nothing(
    house: House, browser: Browser, password: str, confirmed: str, words: str
) -> None:
    """(req 51); and nothing is compared, so no try is counted."""
    browser.get("/account/password")
    browser.send(password=PASSWORD, new_password=password, confirm_password=confirmed)
    assert words in browser.text
    assert _signs_in(house, PASSWORD)


def test_the_rule_is_said_before_anything_is_typed(browser: Browser, ben: Person) -> None:
    browser.get("/account/password")
    assert "Muss mindestens 15 Zeichen enthalten" in browser.text


class TestProfileOfAmt24:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """The rule of Amt24."""
        return settings.model_copy(update={"password": Password(profile="amt24")})

    def test_classes_are_asked(self, browser: Browser, ben: Person) -> None:
        _change(browser, "leuchtturm")
        assert "Es fehlt noch: ein Sonderzeichen, eine Zahl, ein Großbuchstabe." in browser.text


def test_an_old_token_changes_nothing(house: House, browser: Browser, ben: Person) -> None:
    """(req 98)"""
    browser.get("/account/password")
    browser.send(csrf_token="old", password=PASSWORD, new_password=FRESH, confirm_password=FRESH)
    assert "Die Seite war länger offen." in browser.text
    assert not _signs_in(house, FRESH)


def test_of_two_at_a_time_one_counts(house: House, browser: Browser, ben: Person) -> None:
    """(C16): the other one's current password is no longer it."""
    browser.get("/account/password")
    action, hidden = forms(browser.text)[0]
    tabs = [house.browser(), house.browser()]
    for tab in tabs:
        for name in ("sid", "dev", "form"):
            tab.set_cookie(name, str(browser.cookie(name)))
    barrier = Barrier(2)

    def send(number: int) -> int:
        password = f"{FRESH} {number}"
        barrier.wait()
        typed = {"password": PASSWORD, "new_password": password, "confirm_password": password}
        return tabs[number].post(action, hidden | typed, follow=False).status_code

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send, range(2)))
    assert len(house.events("password.changed")) == 1
    assert sorted(_signs_in(house, f"{FRESH} {number}") for number in range(2)) == [False, True]


def test_a_session_that_was_renewed_meanwhile_changes_nothing(
    house: House, browser: Browser, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.authentication.sessions.prove", lambda *args: None)
    _change(browser)
    monkeypatch.undo()
    assert browser.heading == "Passwort ändern"
    assert _signs_in(house, PASSWORD)
    assert not house.events("password.changed")


@pytest.mark.parametrize("signed_in", [True, False])
def test_password_managers_find_the_page(house: House, browser: Browser, signed_in: bool) -> None:
    """(screens §2.1): 303; well-known names nobody knows stay 404, so that the answer means something."""
    person = house.add("ben")
    if signed_in:
        browser.get("/login")
        browser.sign_in(person)
    answer = browser.get("/.well-known/change-password", follow=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/password")
    browser.get("/.well-known/change-password")
    if not signed_in:
        assert browser.heading == "Anmelden"
        browser.sign_in(person)
    assert browser.heading == "Passwort ändern"
    probe = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert browser.get(probe).status_code == 404
