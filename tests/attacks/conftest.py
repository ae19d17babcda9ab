"""What attacks run against: the product over HTTP, with a portal and people of Muster GmbH."""

import io
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from idp.app import create_app
from idp.crypto import MasterKey
from idp.db import Database
from idp.logging import configure
from idp.settings import Settings
from idp.settings.models import ThrottleSettings
from tests import cast
from tests.attacks.live import ISSUER, Live, serving
from tests.attacks.parties import Party
from tests.attacks.scenes import Population, Stage, on_stage, populate
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


@dataclass(frozen=True, slots=True)
class Populated:
    """An installation with everybody in it, to be copied."""

    path: Path
    key: MasterKey
    people: Population


class Populating:
    """Populates an installation once a process, by the mark in all names."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._template = template
        self._folder = folder
        self._made: dict[str, Populated] = {}

    def with_mark(self, settings: Settings, mark: str) -> Populated:
        """Return the one with a mark."""
        if mark not in self._made:
            path, key = self._folder / f"{len(self._made)}.db", MasterKey.generate()
            with on_file(self._template, path) as database:
                services = make_services(settings, database, key=key)
                install_signing_keys(services)
                self._made[mark] = Populated(path, key, populate(services, mark))
        return self._made[mark]


@pytest.fixture(scope="session")
def populated(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Populating:
    """What hundreds of tests begin with."""
    return Populating(sqlite_template, tmp_path_factory.mktemp("populated"))


@pytest.fixture
def mark() -> str:
    """What stands in every text that a client, company or person brings along."""
    return ""


@pytest.fixture
def stage(attacked: Settings, mark: str, populated: Populating, tmp_path: Path) -> Iterator[Stage]:
    """An installation of the test's own, on SQLite, whose people meet every page."""
    made = populated.with_mark(attacked, mark)
    with on_file(made.path, tmp_path / "attacked.db") as database:
        services = make_services(attacked, database, key=made.key)
        with serving(create_app(attacked, services), services) as live:
            yield on_stage(live, made.people, mark)


@pytest.fixture
def portal(live: Live) -> Party:
    """The portal of Muster GmbH's people, of whom ``anna`` and ``ben`` have a password alone."""
    return register_portal(live)


def register_portal(live: Live) -> Party:
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
