"""Services of a prepared installation, on each engine."""

import pytest

from idp.context import Services
from idp.db import Database
from idp.settings import Settings
from tests.installation import make_services


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    """An installation without people, on each engine."""
    return make_services(settings, database)
