"""What ends the hard stop after too many wrong tries: the page says it, and it does (req 54)."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idp.authentication import second_factor
from idp.context import Context
from idp.db import Database
from idp.errors import Refusal
from idp.management import accounts, legacy_proof
from idp.settings import Settings
from tests.builders import OPERATOR
from tests.legacy import OLD_PASSWORD, SLUG, import_rows, make_directory, old_account
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, Person, forms
from tests.web.pages.recovering import FRESH, linked, posted

STOP = 6


@pytest.fixture
def house(settings: Settings, database: Database) -> House:
    """An installation where few tries are too many."""
    few = settings.throttle.model_copy(update={"account_hard_stop": STOP})
    return House(settings.model_copy(update={"throttle": few}), database)


def _stop_password(house: House, browser: Browser, name: str = "ben") -> None:
    browser.get("/login")
    for _ in range(STOP):
        browser.send(username=name, password=WRONG)
        house.clock.advance(minutes=20)
    browser.send(username=name, password=PASSWORD)
    assert browser.page.status_code == 429
    assert "ruht, bis Sie unter „Passwort vergessen?“ ein neues Passwort festlegen." in browser.text


def _stop_codes(house: House, browser: Browser, anna: Person) -> None:
    for _ in range(STOP - 1):
        browser.send(code=anna.wrong_code())
    browser.give_password(anna)
    browser.send(code=anna.wrong_code())
    house.clock.advance(hours=2)
    browser.get("/login")
    browser.give_password(anna)
    browser.send(code=anna.code())
    assert browser.page.status_code == 429
    assert "Die zweistufige Anmeldung ruht. Unsere Hilfe gibt sie wieder frei." in browser.text


def _tried(house: House, person: Person, number: int) -> str:
    """Try a mailed code beside the recovery password; return why none is looked at."""
    try:
        house.services.throttle.second_factor_try(
            account_id=person.id,
            factor=second_factor.MAILED_CODE,
            within=f"flow {number}",
            lives=timedelta(days=1),
            now=house.clock.now,
        )
    except Refusal as refusal:
        return refusal.code
    return ""


def test_a_new_password_ends_it(house: House, browser: Browser) -> None:
    """By the link that the sentence names."""
    ben = house.add("ben")
    _stop_password(house, browser)
    browser.get(linked(browser, "Passwort vergessen?"))
    browser.send(email="ben@muster.example")
    browser.get(posted(house)[0].link.removeprefix(house.settings.public_url))
    browser.send(new_password=FRESH, confirm_password=FRESH)
    assert browser.heading == "Passwort geändert!"
    stranger = house.browser()
    stranger.get("/login")
    stranger.send(username=ben.name, password=FRESH)
    assert stranger.heading == "Willkommen, Ben"


def _clear(ctx: Context, account_id: str) -> None:
    accounts.clear_tries(ctx, account_id, reason="am Telefon erkannt")


def _set_password(ctx: Context, account_id: str) -> None:
    accounts.set_password(ctx, account_id, PASSWORD)


@pytest.mark.parametrize("by", [_clear, _set_password])
def test_the_operator_ends_it(house: House, browser: Browser, by: Callable[[Context, str], None]) -> None:
    """For who has neither a proven address nor a recovery password."""
    ben = house.add("ben")
    _stop_password(house, browser)
    with house.work() as ctx:
        by(ctx.acting(OPERATOR), ben.id)
    browser.send(username="ben", password=PASSWORD)
    assert browser.heading == "Willkommen, Ben"


def test_the_operator_frees_the_second_factor(house: House, browser: Browser, anna: Person) -> None:
    """Each that was stopped; it is in the log, and its owner reads it, too."""
    browser.get("/login")
    browser.give_password(anna)
    _stop_codes(house, browser, anna)
    assert [_tried(house, anna, number) for number in range(STOP + 1)] == [""] * STOP + ["code.stopped"]
    with house.work() as ctx:
        _clear(ctx.acting(OPERATOR), anna.id)
    assert _tried(house, anna, STOP + 1) == ""
    browser.send(code=anna.code())
    assert browser.heading == "Willkommen, Anna"
    (event,) = house.events("account.tries_cleared")
    assert (event.target_id, event.reason, event.actor_kind) == (anna.id, "am Telefon erkannt", "operator")
    browser.get("/account/activity")
    assert "Nach zu vielen Versuchen wurde Ihre Anmeldung wieder freigegeben." in browser.text


def _bring(browser: Browser, password: str) -> None:
    actions = [action for action, _ in forms(browser.text)]
    browser.send(form=actions.index("/link"), legacy_username="smueller", legacy_password=password)


def test_the_operator_frees_an_old_account(house: House, browser: Browser) -> None:
    """A new password here says nothing about the old portal's."""
    with house.work() as ctx:
        make_directory(ctx)
    import_rows(house.services, [old_account(email="ben@muster.example")])
    browser.get("/login")
    browser.sign_in(house.add("ben"))
    browser.get("/link")
    for _ in range(STOP):
        _bring(browser, "falsch")
    _bring(browser, OLD_PASSWORD)
    assert browser.page.status_code == 429
    assert "mit diesem Benutzernamen. Wir prüfen ihn nicht mehr. Unsere Hilfe gibt ihn wieder" in browser.text
    with house.work() as ctx:
        legacy_proof.clear_tries(ctx.acting(OPERATOR), SLUG, "smueller")
    _bring(browser, OLD_PASSWORD)
    assert house.events("legacy_account.linked")
