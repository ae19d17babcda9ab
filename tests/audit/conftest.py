"""A log over each database."""

import pytest

from idp.context import Services
from idp.db import Database
from idp.settings import Settings
from tests.audit.chain import HOUR, run_seal, write
from tests.installation import NOW, make_services


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings, database)


@pytest.fixture
def sealed(services: Services) -> Services:
    """Six events under three seals."""
    for hour in range(3):
        write(services, 2)
        run_seal(services, NOW + hour * HOUR)
    return services
