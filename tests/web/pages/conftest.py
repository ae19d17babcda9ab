"""The house that the tests of the sign-in pages visit."""

import pytest

from idp.db import Database
from idp.settings import Settings
from tests.web.pages.house import Browser, House, Person


@pytest.fixture
def house(settings: Settings, database: Database) -> House:
    """An installation with a portal."""
    return House(settings, database)


@pytest.fixture
def browser(house: House) -> Browser:
    """A browser without cookies."""
    return house.browser()


@pytest.fixture
def anna(house: House) -> Person:
    """Somebody with an authenticator app."""
    return house.add("anna", app=True)


@pytest.fixture
def ben(house: House) -> Person:
    """Somebody who belongs to no company."""
    return house.add("ben")
