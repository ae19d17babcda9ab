"""What attacks run against: the product over HTTP, with a portal and people of Muster GmbH."""

import io
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import structlog

from idp.app import create_app
from idp.db import Database
from idp.logging import configure
from idp.settings import Settings
from idp.settings.models import ThrottleSettings
from tests import cast
from tests.attacks.live import ISSUER, Live, serving
from tests.attacks.parties import Party
from tests.attacks.visitor import Visitor
from tests.builders import make_membership, make_organization
from tests.databases import on_file
from tests.installation import install_signing_keys, make_services, unit_of_work


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no coverage but for modules that are the only test of a part, marked ``measured``."""
    for item in items:
        if item.path.parent.name == "attacks" and item.get_closest_marker("measured") is None:
            item.add_marker(pytest.mark.unmeasured)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Write log lines as in production, but nowhere: thousands of refused requests have each their own."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure(stream=io.StringIO())
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def attacked(settings: Settings) -> Settings:
    """Settings as behind a TLS proxy; this machine is free of network limits."""
    throttle = ThrottleSettings.model_validate({"exempt_networks": ["127.0.0.0/8"]})
    return settings.model_copy(update={"public_url": ISSUER, "throttle": throttle})


@pytest.fixture
def live(attacked: Settings, sqlite_template: Path, tmp_path: Path) -> Iterator[Live]:
    """The running product on SQLite: what most attacks aim at is the same on every engine."""
    with (
        on_file(sqlite_template, tmp_path / "attacked.db") as database,
        _running(attacked, database) as running,
    ):
        yield running


@pytest.fixture
def live_on_each(attacked: Settings, database: Database) -> Iterator[Live]:
    """The running product, once an engine."""
    with _running(attacked, database) as running:
        yield running


def _running(settings: Settings, database: Database) -> AbstractContextManager[Live]:
    services = make_services(settings, database)
    install_signing_keys(services)
    return serving(create_app(settings, services), services)


@pytest.fixture
def portal(live: Live) -> Party:
    """The portal of Muster GmbH's people, of whom ``anna`` and ``ben`` have a password alone."""
    return populate(live)


def populate(live: Live) -> Party:
    """Register the portal and its people."""
    with unit_of_work(live.services) as ctx:
        registered = cast.register(ctx)
        organization = make_organization(ctx)
        for name in ("anna", "ben"):
            make_membership(ctx, organization, cast.person(ctx, name))
    return Party(live, registered)


@pytest.fixture
def visitor(live: Live) -> Visitor:
    """A browser without cookies."""
    return Visitor(live)
