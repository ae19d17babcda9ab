"""The house that owner and attacker walk in."""

import os

import pytest

from idp.db import Database
from idp.settings import Settings
from tests.web.pages.house import House

#: the faults that a walk has to find are walked for by ``make walk`` alone
collect_ignore = [] if os.environ.get("LOTSE_WALK_SECONDS") else ["test_mutants.py"]


@pytest.fixture
def house(settings: Settings, database: Database) -> House:
    """An installation with a portal."""
    return House(settings, database)
