"""Names, user name and language of one's own account (K-12); the note on fields that have to be filled in."""

import pytest

from idp.accounts.models import Account, Identifier
from idp.context import Actor
from idp.db import Database
from idp.delivery.preview import list_shown
from idp.errors import Refusal
from idp.management import profile
from idp.management.profile import Profile
from idp.settings import Settings
from idp.settings.models import Product
from tests.web.pages.house import PASSWORD, Browser, House, Person

FRESH = "Leuchtturm vor der Insel 9"
TYPED = {"given_name": "Béni", "family_name": "Müller-O’Hara", "username": "beni", "locale": "de"}


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


def _account(house: House, person: Person) -> Account:
    with house.work() as ctx:
        return ctx.db.get_one(Account, person.id)


def _save(browser: Browser, **typed: str) -> None:
    browser.get("/account/profile")
    browser.send(**(TYPED | typed))


def test_names_are_stored(house: House, browser: Browser, ben: Person) -> None:
    _save(browser)
    assert "Ihre Angaben sind gespeichert." in browser.text
    stored = _account(house, ben)
    assert (stored.given_name, stored.family_name, stored.name) == (
        "Béni",
        "Müller-O’Hara",
        "Béni Müller-O’Hara",
    )
    [event] = house.events("account.changed")
    assert event.actor_id == ben.id
    assert event.new == '["given_name","family_name","username"]'
    assert "Béni" not in str(event.new)


def test_the_user_name_signs_in(house: House, browser: Browser, ben: Person) -> None:
    """As at Amt24; the old one does not any more, and it is free again."""
    _save(browser)
    other = house.browser()
    other.get("/login")
    other.send(username="ben", password=PASSWORD)
    assert "stimmt nicht" in other.text
    other.send(username="Beni", password=PASSWORD)
    assert other.heading == "Willkommen, Béni Müller-O’Hara"


def test_it_can_go_where_an_address_is_left(house: House, browser: Browser, ben: Person) -> None:
    _save(browser, username=" ")
    assert _account(house, ben).username is None
    with house.work() as ctx:
        ctx.db.get_one(Account, ben.id).username = "ben"
        for found in ctx.db.query(Identifier):
            found.verified_at = None
    _save(browser, username="")
    assert "Zum Anmelden brauchen Sie den Benutzernamen." in browser.text
    assert _account(house, ben).username == "ben"


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("given_name", " ", "Geben Sie Ihren Vornamen ein."),
        ("family_name", "x\ny", "Geben Sie Ihren Nachnamen ein."),
        ("family_name", "x" * 129, "Geben Sie Ihren Nachnamen ein."),
        ("username", "a@b", "Der Benutzername hat höchstens 128 Zeichen und kein @."),
        ("username", "x" * 129, "Der Benutzername hat höchstens 128 Zeichen und kein @."),
        ("username", "EVE", "Diesen Benutzernamen gibt es schon."),
        ("username", "01A22CDB" * 4, "Dieser Benutzername ist nicht möglich."),
        ("locale", "fr", "Diesen Eintrag gibt es nicht mehr."),
        ("locale", "", "Diesen Eintrag gibt es nicht mehr."),
    ],
)
@pytest.mark.usefixtures("ben")
def test_mistakes_change_nothing_and_stay(
    house: House, browser: Browser, field: str, typed: str, words: str
) -> None:
    house.add("eve")
    _save(browser, **{field: typed})
    assert words in browser.text
    assert "Fehler: Profil" in browser.text
    assert 'value="Béni"' in browser.text or field == "given_name"
    assert not house.events("account.changed")


def test_a_young_proof_is_needed_and_the_entries_come_back(
    house: House, browser: Browser, ben: Person
) -> None:
    browser.get("/account/profile")
    house.clock.advance(minutes=15)
    browser.send(**TYPED)
    assert browser.heading == "Bestätigen Sie Ihre Identität"
    assert _account(house, ben).given_name is None
    browser.send(password=PASSWORD)
    assert browser.heading == "Profil"
    assert 'value="Müller-O’Hara"' in browser.text
    browser.send(**TYPED)
    assert _account(house, ben).given_name == "Béni"


def test_what_is_the_same_changes_nothing(house: House, browser: Browser, ben: Person) -> None:
    """A name that an operator wrote in another way stays too."""
    _save(browser)
    with house.work() as ctx:
        ctx.db.get_one(Account, ben.id).name = "Dr. Béni Müller"
    _save(browser)
    assert len(house.events("account.changed")) == 1
    _save(browser, username="ben2")
    assert _account(house, ben).name == "Dr. Béni Müller"


def test_the_language_of_pages_and_mails(house: House, browser: Browser, ben: Person) -> None:
    """This browser speaks it at once; another one as soon as the person is signed in."""
    _save(browser, locale="en")
    assert browser.heading == "Profile"
    assert _account(house, ben).locale == "en"
    other = house.browser()
    other.get("/login")
    other.send(username="beni", password=PASSWORD)
    other.get("/account")
    assert other.heading == "Overview"
    other.get("/account/password")
    other.send(password=PASSWORD, new_password=FRESH, confirm_password=FRESH)
    with house.work() as ctx:
        assert list_shown(ctx)[0].subject == "Your password was changed"


def test_an_old_token_changes_nothing(house: House, browser: Browser, ben: Person) -> None:
    """(req 98)"""
    _save(browser, csrf_token="old")
    assert "Ihre Eingaben sind noch da." in browser.text
    assert 'value="Béni"' in browser.text
    assert _account(house, ben).given_name is None


def test_the_name_taken_meanwhile(
    house: House, browser: Browser, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(C16): the database has the last word."""
    house.add("eve")
    monkeypatch.setattr("idp.accounts.identifiers.username_refusal", lambda *args, **named: None)
    _save(browser, username="eve")
    assert "Diesen Benutzernamen gibt es schon." in browser.text
    assert _account(house, ben).username == "ben"


def test_nobody_else_s(house: House, ben: Person) -> None:
    """(req 91): operations look at who acts."""
    eve = house.add("eve")
    wanted = Profile("E", "E", "eve2", "de")
    with house.work() as ctx:
        acting = ctx.acting(Actor("account", eve.id))
        for call in (
            lambda: profile.show(acting, ben.id),
            lambda: profile.emails(acting, ben.id),
            lambda: profile.change(acting, ben.id, wanted),
        ):
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                call()


@pytest.mark.parametrize("marked", [True, False])
def test_fields_that_have_to_be_filled_in(settings: Settings, database: Database, marked: bool) -> None:
    """The note of Amt24, where the installation wants it: on registration and profile, in words for all."""
    chosen = settings.model_copy(update={"product": Product(mark_required=marked)})
    house = House(chosen, database)
    person = house.add("ben")
    browser = house.browser()
    browser.get("/register")
    shown = [browser.text]
    browser.get("/login")
    assert "Pflichtfelder" not in browser.text
    browser.sign_in(person)
    browser.get("/account/profile")
    shown.append(browser.text)
    for text, fields in zip(shown, (5, 2), strict=True):
        assert ("die mit * markierten Eingabefelder sind Pflichtfelder" in text) is marked
        assert text.count('aria-required="true"') == (fields if marked else 0)
        assert text.count('<span aria-hidden="true">*</span>') == (fields if marked else 0)


def test_user_names_cannot_be_tried_one_after_another(house: House, browser: Browser, ben: Person) -> None:
    """Whether a name is taken tells that there is an account: twenty an hour, and then none (req 59).

    Who keeps the own name saves the rest all the same.
    """
    house.add("olga")
    for number in range(20):
        _save(browser, given_name=" ", username="olga" if number % 2 else f"nobody{number}")
        assert ("gibt es schon" in browser.text) is bool(number % 2)
    _save(browser, given_name=" ", username="olga")
    assert browser.page.status_code == 429
    assert int(browser.page.headers["Retry-After"]) <= 3600
    assert "Zu viele Versuche mit Benutzernamen." in browser.text
    assert "gibt es schon" not in browser.text
    _save(browser, username="ben")
    assert "Ihre Angaben sind gespeichert." in browser.text
    house.clock.advance(hours=1)
    _save(browser)
    browser.send(password=PASSWORD)
    _save(browser, username="olga2")
    assert "Ihre Angaben sind gespeichert." in browser.text
