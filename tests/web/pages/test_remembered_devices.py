"""Browsers that skip the second factor (screens L-08; design §2, Remember this device)."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from idp.authentication import devices
from idp.authentication.assurance import AAL1, AAL2
from idp.authentication.models import Device
from idp.context import Context
from idp.db import Database
from idp.management import accounts
from idp.settings import Settings
from idp.settings.models import RememberDevice
from tests.builders import OPERATOR
from tests.driver import counted
from tests.web.pages.house import ESSENTIAL, PASSWORD, Browser, House, Person


def _acr(house: House) -> str:
    """The level of the newest session, as the log has it."""
    new = house.events("sign_in.succeeded")[-1].new or ""
    return AAL2 if AAL2 in new else AAL1


def test_a_remembered_browser_skips_the_code_and_says_so(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 13): one factor, whatever the device; aal2 is not claimed."""
    browser.ask()
    browser.sign_in(anna, remember_device="y")
    assert _acr(house) == AAL2
    browser.client.delete_cookie("sid", domain="localhost")
    browser.ask()
    browser.give_password(anna)
    assert browser.arrived["code"]
    assert _acr(house) == AAL1
    assert '["pwd"]' in (house.events("sign_in.succeeded")[-1].new or "")


def test_a_remembered_browser_still_asks_where_two_factors_are_demanded(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 13)"""
    browser.ask()
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    house.clock.advance(seconds=60)
    browser.ask(claims=ESSENTIAL)
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"
    before = browser.cookie("sid")
    browser.send(code=anna.code())
    assert browser.arrived["code"]
    assert browser.cookie("sid") != before
    stepped = house.events("session.step_up_completed")[-1]
    assert AAL2 in (stepped.new or "")


def test_a_browser_is_remembered_for_thirty_days(house: House, browser: Browser, anna: Person) -> None:
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    house.clock.advance(days=30, seconds=1)
    browser.get("/login")
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"


def test_trust_belongs_to_the_account(house: House, browser: Browser, anna: Person) -> None:
    """A browser that is remembered for one is not for another."""
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    clara = house.add("clara", app=True)
    browser.get("/login")
    browser.give_password(clara)
    assert browser.heading == "Zweistufige Anmeldung"


def test_a_second_account_on_the_browser_takes_no_trust_away_and_voids_the_old_cookie(
    house: House, browser: Browser, anna: Person
) -> None:
    clara = house.add("clara", app=True)
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    old = browser.cookie("dev") or ""
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    browser.sign_in(clara, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    browser.give_password(anna)
    assert browser.heading == "Willkommen, Anna"
    copy = house.browser()
    copy.set_cookie("dev", old)
    for person in (anna, clara):
        copy.get("/login")
        copy.give_password(person)
        assert copy.heading == "Zweistufige Anmeldung"


@pytest.mark.parametrize("value", ["x", "a" * 43 + "." + "b" * 43, "a" * 43 + ".", "", "a" * 3000])
def test_a_made_up_device_cookie_is_worth_nothing(
    house: House, browser: Browser, anna: Person, value: str
) -> None:
    browser.set_cookie("dev", value)
    browser.get("/login")
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"


def test_the_name_of_a_browser_alone_is_no_trust(house: House, browser: Browser, anna: Person) -> None:
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    name, _, trust = (browser.cookie("dev") or "").partition("~")[0].partition(".")
    assert trust
    copy = house.browser()
    copy.set_cookie("dev", name)
    copy.get("/login")
    copy.give_password(anna)
    assert copy.heading == "Zweistufige Anmeldung"


def test_forgotten_browsers_are_asked_again(house: House, browser: Browser, anna: Person) -> None:
    """(req 44): what a change of password or factor and a block call."""
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    with house.work() as ctx:
        assert devices.forget(ctx, anna.id) == 1
        assert ctx.db.query(Device).one().trusted_until is None
    browser.get("/login")
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"


def _set_password(ctx: Context, account_id: str) -> None:
    accounts.set_password(ctx, account_id, PASSWORD)


def _block_and_unblock(ctx: Context, account_id: str) -> None:
    accounts.block(ctx, account_id)
    accounts.unblock(ctx, account_id)


@pytest.mark.parametrize("act", [_set_password, _block_and_unblock])
def test_what_an_operator_does_forgets_browsers(
    house: House, browser: Browser, anna: Person, act: Callable[[Context, str], None]
) -> None:
    """A password set, or a block though it is lifted: the second factor is asked for again (req 44, 53)."""
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    house.clock.advance(minutes=5)
    with house.work() as ctx:
        act(ctx.acting(OPERATOR), anna.id)
    browser.get("/login")
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"


def test_where_it_is_off_a_posted_tick_buys_nothing(settings: Settings, database: Database) -> None:
    """(req 95): refused where it is acted upon, not only left out of the page; in a step-up too."""
    house = House(settings.model_copy(update={"remember_device": RememberDevice(days=0)}), database)
    browser, anna = house.browser(), house.add("anna", app=True)
    browser.ask()
    browser.sign_in(anna, remember_device="y")
    house.clock.advance(hours=2)
    browser.ask(claims=ESSENTIAL)
    assert browser.heading == "Zweistufige Anmeldung"
    browser.send(code=anna.code(), remember_device="y")
    assert browser.arrived["code"]
    with house.work() as ctx:
        assert [*ctx.db.scalars(select(Device.trust_hash))] == [None]
    browser.client.delete_cookie("sid", domain="localhost")
    browser.ask()
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"


def test_switching_it_off_ends_the_trust_that_was_given(
    house: House, browser: Browser, anna: Person, settings: Settings
) -> None:
    """(req 95): from the next start on, whatever the row says."""
    browser.ask()
    browser.sign_in(anna, remember_device="y")
    cookie = devices.DeviceCookie.parse(browser.cookie("dev"))
    with house.work() as ctx:
        known = devices.find(ctx, anna.id, cookie.hash if cookie else None)
        assert devices.is_trusted(ctx, known, cookie)
    browser.client.delete_cookie("sid", domain="localhost")
    browser.ask()
    browser.give_password(anna)
    assert browser.arrived["code"]
    house.restart(settings.model_copy(update={"remember_device": RememberDevice(days=0)}))
    with house.work() as ctx:
        assert not devices.is_trusted(ctx, known, cookie)
    later = Browser(house)
    for name in ("sid", "dev"):
        later.set_cookie(name, browser.cookie(name) or "")
    later.get("/account/sessions")
    assert "Kein Gerät ist gemerkt" in later.text
    assert "Gemerkt bis" not in later.text
    later.ask()  # in the session that is open
    assert later.heading == "Zweistufige Anmeldung"


def test_a_browser_is_marked_with_who_signed_in_last(house: House, browser: Browser, anna: Person) -> None:
    """Worth a place in line while too many sign in (F12); all browsers of an account are called the same."""

    def known_as(shown: Browser) -> str | None:
        return devices.known_as(house.services.vault, devices.DeviceCookie.parse(shown.cookie("dev")))

    clara, other = house.add("clara", app=True), house.browser()
    for each in (browser, other):
        each.get("/login")
        assert known_as(each) is None
        each.give_password(anna)
        assert known_as(each) is None, "half a sign-in is none"
        each.send(code=anna.code())
        house.clock.advance(seconds=60)
    annas = known_as(browser)
    assert annas is not None
    assert annas == known_as(other)
    assert browser.cookie("dev") != other.cookie("dev")
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    browser.sign_in(clara, remember_device="y")
    assert known_as(browser) not in (None, annas)


def test_the_mark_is_no_trust_and_tells_nothing(house: House, browser: Browser, anna: Person) -> None:
    """Known is not remembered; who it is stands in the cookie only under a key of ours."""
    browser.get("/login")
    browser.sign_in(anna)
    value = browser.cookie("dev") or ""
    assert "~" in value
    assert "." not in value
    with house.work() as ctx:
        assert ctx.db.scalars(select(Device.account_id)).one() not in value
    copy = house.browser()
    copy.set_cookie("dev", value)
    copy.get("/login")
    copy.give_password(anna)
    assert copy.heading == "Zweistufige Anmeldung"


def test_another_persons_session_ends_before_the_browsers_rows_change(
    house: House, browser: Browser, anna: Person
) -> None:
    """(C6, I8): whoever changes these rows holds their account first, or two wait in a circle."""
    clara = house.add("clara")
    browser.get("/login")
    browser.sign_in(anna)
    browser.ask(prompt="login")
    with counted(house.services.database) as traffic:
        browser.give_password(clara)
    written = [text.split()[1] for text in traffic.statements if text.startswith("UPDATE")]
    assert written.index("session") < written.index("device")
