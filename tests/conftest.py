"""What every test can ask for: a database of each engine, Redis, Chromium, settings; and what a skip means.

``--db sqlite|postgresql|all`` chooses the engines of tests that ask for ``database``.  With ``all``, long
tests marked ``alone_on`` run on the engine they name, and those of ``ON_ONE`` on PostgreSQL where it is
installed; CI runs them on SQLite, too, with the lowest versions.
Coverage is measured on PostgreSQL alone and not by tests marked ``unmeasured``, on each by ``measured`` ones.
``LOTSE_TEST_REQUIRE`` names programs (``postgresql,redis,browser,node,nginx,caddy,systemd-analyze``) without
which a test fails instead of being skipped.
"""

import fcntl
import json
import os
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest
import redis
import structlog
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser, sync_playwright

import idp.egress.connections
import idp.migrations.models  # noqa: F401  (declares every table)
from idp.app import create_app
from idp.context import Services
from idp.db import Base, Database
from idp.settings import Settings
from idp.settings.models import Keys, Password
from idp.web import signing_out
from idp.web.gateway import Gateway
from tests import infrastructure
from tests.certificates import make_authority
from tests.databases import OnServer, on_file
from tests.infrastructure import PostgreSQL, ProgramMissing, Redis, Running
from tests.installation import install_signing_keys, make_services
from tests.remembering_rule import RememberingRule
from tests.sinks import Sink, serve

ENGINES = ("sqlite", "postgresql")
#: coverage counts one of them, unless the test is marked ``measured``
_ON_EACH = (pytest.param("sqlite", marks=pytest.mark.unmeasured), "postgresql")
ON_ONE = frozenset({"accounts", "cli", "delivery", "flows", "management", "organizations", "web"})
"""Folders whose tests go over statements that others try on each engine (docs/decisions/0058)."""
#: folders and modules that walk through what others test; coverage is not counted for them
_WALKS = frozenset({"foreign", "test_examples.py", "test_layout.py", "walker"})
#: with it in their environment, programs measure themselves
_MEASURED_PROCESSES = "COVERAGE_PROCESS_CONFIG"
REQUIRED = frozenset(filter(None, os.environ.get("LOTSE_TEST_REQUIRE", "").split(",")))
_NEEDS = re.compile(r"needs (postgresql|redis|browser|node|nginx|caddy|systemd-analyze): ")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--db``."""
    parser.addoption(
        "--db", choices=[*ENGINES, "all"], default="all", help="engines of tests with a database"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the walks, unless one is the only test of a part."""
    for item in items:
        if _part(item.path) in _WALKS and item.get_closest_marker("measured") is None:
            item.add_marker(pytest.mark.unmeasured)


def _part(path: Path) -> str:
    """Return the folder of ``tests`` that a module is in, or its name beside them."""
    return path.relative_to(Path(__file__).parent).parts[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a database once an engine."""
    if "engine_name" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--db")
        alone = metafunc.definition.get_closest_marker("alone_on")
        measured = metafunc.definition.get_closest_marker("measured")
        each: Sequence[object] = ENGINES if measured else _ON_EACH
        if not (measured or metafunc.definition.get_closest_marker("slow")) and _is_on_one(metafunc):
            each = ("postgresql",)
        engines = alone.args if alone else each
        metafunc.parametrize("engine_name", engines if chosen == "all" else [chosen], scope="session")


def _is_on_one(metafunc: pytest.Metafunc) -> bool:
    """Tell whether a test needs one engine, and that is here; else it takes the other one."""
    return _part(metafunc.definition.path) in ON_ONE and _has_postgresql()


@cache
def _has_postgresql() -> bool:
    try:
        infrastructure.find_postgresql()
    except ProgramMissing:
        return False
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Pause the measuring of coverage, a third of the time, for a test that adds nothing to it."""
    measuring = item.config.pluginmanager.getplugin("_cov")
    if measuring is None or item.get_closest_marker("unmeasured") is None:
        return (yield)
    processes = os.environ.pop(_MEASURED_PROCESSES, None)
    measuring.cov_controller.pause()
    try:
        return (yield)
    finally:
        measuring.cov_controller.resume()
        if processes is not None:
            os.environ[_MEASURED_PROCESSES] = processes


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skip into a failure where what it lacks is required, or where it names nothing that may lack."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        need = _NEEDS.search(reason)
        if need is None or need[1] in REQUIRED:
            report.outcome = "failed"
            report.longrepr = f"skipped although LOTSE_TEST_REQUIRE={','.join(sorted(REQUIRED))}: {reason}"
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop, once all workers are done, the servers that any of them started."""
    if hasattr(config, "workerinput"):
        return
    for note in _shared_folder(config).glob("*.server"):
        infrastructure.Server(**json.loads(note.read_text())).stop()
        note.unlink()


def _shared_folder(config: pytest.Config) -> Path:
    """Return the folder that all workers of a run share."""
    # where the fixture of that name takes it from; fixtures are no more when the last servers are stopped
    base: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return base.parent if hasattr(config, "workerinput") else base


def _shared(config: pytest.Config, kind: type[Running], start: Callable[[], Running]) -> Running:
    """Return the run's one server of a kind; the first worker that needs it starts it."""
    folder = _shared_folder(config)
    note = folder / f"{kind.__name__}.server"
    with (folder / f"{kind.__name__}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if note.exists():
            return kind(**json.loads(note.read_text()))
        try:
            server = start()
        except ProgramMissing as error:
            need = {"PostgreSQL": "postgresql", "Redis": "redis"}[kind.__name__]
            pytest.skip(f"needs {need}: {error}")
        note.write_text(json.dumps(asdict(server)))
        return server


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(pytestconfig: pytest.Config) -> None:
    """Compile each template and route once, not once an application: thousands of tests make one."""
    folder = _shared_folder(pytestconfig) / "templates"
    folder.mkdir(exist_ok=True)
    Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(str(folder))}
    Flask.url_rule_class = RememberingRule


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Write tracebacks as Python does: with ``rich`` beside it, structlog takes two seconds to colour one."""
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


@pytest.fixture(scope="session", autouse=True)
def _nobody_waits_for_a_worker() -> Iterator[None]:
    """Have a sign-out wait for none: most tests have no worker that runs by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing_out, "PATIENCE_SECONDS", 0.0)
        yield


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> PostgreSQL:
    """A private PostgreSQL cluster, one for all workers of the run."""
    return _shared(pytestconfig, PostgreSQL, infrastructure.start_postgresql)


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> Redis:
    """A private Redis, one for all workers of the run."""
    return _shared(pytestconfig, Redis, infrastructure.start_redis)


@pytest.fixture
def redis_url(redis_server: Redis, worker_number: int) -> Iterator[str]:
    """A database of Redis that is this worker's own, empty."""
    url = redis_server.url(worker_number)
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield url
    client.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, for Playwright's ``executable_path``."""
    try:
        return infrastructure.find_headless()
    except ProgramMissing as error:
        pytest.skip(f"needs browser: {error}")


@pytest.fixture(scope="session")
def windowed() -> str:
    """The path of a Chromium that reads the preferences of its profile."""
    try:
        return infrastructure.find_chromium()
    except ProgramMissing as error:
        pytest.skip(f"needs browser: {error}")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium, headless; a module's own, since no two can run beside each other in one thread."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=infrastructure.CHROMIUM_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def worker_number() -> int:
    """The number of this xdist worker, 0 where there is one process."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows; tests get copies."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    database = Database(f"sqlite:///{path}")
    Base.metadata.create_all(database.engine)
    database.dispose()  # the last connection folds the write-ahead log into the file
    return path


@pytest.fixture(scope="session")
def postgresql_database(pytestconfig: pytest.Config, worker_number: int) -> Iterator[OnServer]:
    """This worker's own PostgreSQL database."""
    server: PostgreSQL = _shared(pytestconfig, PostgreSQL, infrastructure.start_postgresql)
    made = OnServer(server.create_database(f"test_{worker_number}"))
    yield made
    made.close()


@pytest.fixture
def database(engine_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with all tables and no rows, on the engine of this run of the test."""
    if engine_name == "sqlite":
        with on_file(request.getfixturevalue("sqlite_template"), tmp_path / "lotse.db") as made:
            yield made
    else:
        server: OnServer = request.getfixturevalue("postgresql_database")
        yield server.emptied()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a development installation; a hash costs next to nothing."""
    return Settings(
        mode="development",
        keys=Keys(directory=tmp_path / "keys"),
        password=Password(memory_kib=8, time_cost=1),
    )


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    """The parts of a prepared installation with its signing keys."""
    made = make_services(settings, database)
    install_signing_keys(made)
    return made


@pytest.fixture
def gateway(settings: Settings, services: Services) -> Gateway:
    """The product as one process serves it."""
    return create_app(settings, services)


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A server on 127.0.0.1."""
    yield from serve("127.0.0.1")


@pytest.fixture
def sink6() -> Iterator[Sink]:
    """A server on ::1."""
    yield from serve("::1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``ca.pem`` and a certificate for ``localhost`` with its key, ``server.pem``."""
    return make_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_sink(authority: Path) -> Iterator[Sink]:
    """A server on 127.0.0.1 that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem")
    yield from serve("127.0.0.1", context)
