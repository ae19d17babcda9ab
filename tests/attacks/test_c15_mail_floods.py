"""C15: however many browsers and networks ask, an address gets no more mail than its share (req 55, 59)."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import Client

from idp.db import Database
from idp.delivery.models import OutboxMessage
from idp.settings import Settings
from idp.settings.models import ThrottleSettings
from tests.web.pages.house import Browser, House
from tests.web.pages.registering import resend

pytestmark = pytest.mark.alone_on("sqlite")

KNOWN, STRANGE = "ben@muster.example", "niemand@muster.example"
PASSWORD = "Möwen über dem Hafen 7"
SETTINGS = ThrottleSettings()
Ask = Callable[[Browser, str], None]


@pytest.fixture
def house(settings: Settings, database: Database) -> House:
    """An installation whose limits are those of a new one."""
    made = House(settings, database)
    made.add("ben")
    return made


def _networks(house: House) -> Iterator[Browser]:
    """Yield browsers, each in a network of its own."""
    for number in itertools.count():
        ip = f"10.{number // 250}.{number % 250}.1"
        yield _in_network(house, ip)


def _in_network(house: House, ip: str) -> Browser:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return house.app(environ | {"REMOTE_ADDR": ip}, start_response)

    browser = Browser(house)
    browser.client = Client(app)
    return browser


def _register(browser: Browser, address: str) -> None:
    browser.get("/register")
    names = {"given_name": "Eve", "family_name": "Fremd"}
    browser.send(email=address, password=PASSWORD, confirm_password=PASSWORD, **names)


def _register_and_resend(browser: Browser, address: str) -> None:
    _register(browser, address)
    if browser.address.startswith("/register/code"):
        browser.house.clock.advance(seconds=61)
        resend(browser)


def _reset(browser: Browser, address: str) -> None:
    browser.get("/password/forgot")
    browser.send(email=address)


def _all_of_them(browser: Browser, address: str) -> None:
    _reset(browser, address)
    _register_and_resend(browser, address)


def _mails(house: House) -> int:
    with house.work() as ctx:
        return ctx.db.scalar(select(func.count()).select_from(OutboxMessage)) or 0


WAYS = pytest.mark.parametrize(
    ("ask", "kinds"), [(_register, 1), (_register_and_resend, 1), (_reset, 1), (_all_of_them, 2)]
)
ADDRESSES = pytest.mark.parametrize("address", [KNOWN, STRANGE])


@ADDRESSES
@WAYS
def test_an_address_gets_its_share_of_a_flood(house: House, ask: Ask, kinds: int, address: str) -> None:
    """Thirty networks within an hour: five mails of a kind by all ways, and no more of them an hour later."""
    browsers, began = _networks(house), house.clock.now
    for browser in itertools.islice(browsers, 30):
        ask(browser, address)
        assert browser.page.status_code in (200, 429)
    assert house.clock.now - began < timedelta(hours=1)
    assert _mails(house) == kinds * SETTINGS.mails_per_hour
    house.clock.advance(hours=1)
    for browser in itertools.islice(browsers, 5):
        ask(browser, address)
    assert _mails(house) == kinds * SETTINGS.mails_per_hour  # the day's share went with the flood


@ADDRESSES
def test_an_address_gets_its_share_of_a_day(house: House, address: str) -> None:
    """One network each hour stays below the limit of the hour, and ends at that of the day."""
    for browser in itertools.islice(_networks(house), 20):
        _register(browser, address)
        house.clock.advance(hours=1)
    assert _mails(house) == SETTINGS.mails_per_day


@ADDRESSES
def test_registrations_do_not_use_up_the_way_back(house: House, address: str) -> None:
    """A stranger who registers somebody's address all day keeps nobody from a new password (req 56)."""
    for browser in itertools.islice(_networks(house), 20):
        _register(browser, address)
        house.clock.advance(hours=1)
    before, owner = _mails(house), house.browser()
    _reset(owner, address)
    assert owner.heading == "E-Mail gesendet"
    assert _mails(house) == before + 1


def test_a_network_writes_to_few(house: House) -> None:
    """A list of addresses costs no more mails than a network may begin registrations and resets."""
    for number in range(60):
        browser = _in_network(house, "10.9.9.9")
        _register(browser, f"opfer{number}@muster.example")
    assert _mails(house) == SETTINGS.registrations_per_hour
    for number in range(20):
        house.add(f"opfer{number}")
    for number in range(20):
        _reset(_in_network(house, "10.9.9.9"), f"opfer{number}@muster.example")
    assert _mails(house) == SETTINGS.registrations_per_hour + SETTINGS.resets_per_minute
