"""With the database away: 503 with Retry-After, documents there, no help needed later (req 107)."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from idp import pooling
from idp.app import create_app
from idp.db import Base, Database
from idp.settings import Settings
from tests import infrastructure
from tests.attacks.bad_input import places
from tests.attacks.conftest import register_portal
from tests.attacks.live import FORM, Answer, Live, serving
from tests.attacks.parties import Party, parsed
from tests.attacks.visitor import SAME_ORIGIN, Visitor
from tests.infrastructure import PostgreSQL, ProgramMissing
from tests.installation import install_signing_keys, make_services

pytestmark = pytest.mark.enable_socket

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks")
#: answers that need no row: documents, files, health, and what is refused by its shape
WITHOUT_DATABASE = (*DOCUMENTS, "/health/live", "/static/")


@pytest.fixture
def cluster() -> Iterator[PostgreSQL]:
    """A PostgreSQL that this test alone uses and may stop."""
    try:
        # an immediate stop must not lose what was committed
        server = infrastructure.start_postgresql(durable=True)
    except ProgramMissing as error:
        pytest.skip(f"needs postgresql: {error}")
    yield server
    server.stop()


@contextmanager
def closing_database(database: Database) -> Iterator[None]:
    """Close a test's connections however the test ends."""
    try:
        yield
    finally:
        database.dispose()


@contextmanager
def _running(url: str, attacked: Settings) -> Iterator[tuple[Live, Database]]:
    """Run the product on a database that has no row yet."""
    database = Database(url)
    Base.metadata.create_all(database.engine)
    services = make_services(attacked, database)
    install_signing_keys(services)
    with closing_database(database), serving(create_app(attacked, services), services) as live:
        yield live, database


def test_postgresql_stopped(cluster: PostgreSQL, attacked: Settings) -> None:
    """Stopped and started again under the running product (issue, Bad input; F2)."""
    with _running(cluster.create_database("away"), attacked) as (live, _):
        party = register_portal(live)
        visitor = Visitor(live)
        tokens = party.tokens(visitor)
        _control(cluster, "stop", "-m", "immediate")
        _away(live, party, visitor, tokens)
        _control(cluster, "start", "-w", "-l", "/dev/null", "-o", _options(cluster))
        assert _back(party, visitor, tokens) == AS_BEFORE
    _control(cluster, "stop", "-m", "immediate")


def test_postgresql_takes_no_writes(
    postgresql: PostgreSQL, worker_number: int, attacked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby after a failover answers, and refuses each write: it is away until it is the primary."""
    monkeypatch.setattr(pooling, "RESTED_SECONDS", 0.0)
    name = f"standby_{worker_number}"
    with _running(postgresql.create_database(name), attacked) as (live, database):
        party = register_portal(live)
        visitor = Visitor(live)
        tokens = party.tokens(visitor)
        _become(database, name, "SET default_transaction_read_only = on")
        _unavailable("a refresh", party.refresh(tokens["refresh_token"]))
        _unavailable("a code", party.redeem("A" * 43))
        _unavailable("revocation", party.revoke(tokens["refresh_token"]))
        _unavailable("a new sign-in", Visitor(live).post_once("/authorize", party.parameters(), FORM))
        ready = live.send("GET", "/health/ready")
        assert (ready.status, parsed(ready).get("problems")) == (503, ["database"])
        with database.reader.connect() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert _back(party, visitor, tokens) == AS_BEFORE
    postgresql.drop_database(name)


def _become(database: Database, name: str, change: str) -> None:
    """Change how a database answers new connections, and end those there are."""
    with database.reader.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} {change}")
        others = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
        )
        own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        connection.exec_driver_sql(others, (name, own))
        connection.invalidate()


def test_tables_unusable(live: Live, portal: Party, visitor: Visitor) -> None:
    """A SQLite file whose tables are gone, as after a restore that went wrong; then they are back."""
    tokens = portal.tokens(visitor)
    names = ("session", "flow", "authorization", "refresh_token", "installation", "account")
    _rename(live, [(name, f"{name}_away") for name in names])
    _away(live, portal, visitor, tokens)
    _rename(live, [(f"{name}_away", name) for name in names])
    assert _back(portal, visitor, tokens) == AS_BEFORE


def _away(live: Live, portal: Party, visitor: Visitor, tokens: dict[str, str]) -> None:
    """Every path: 503 with Retry-After or an answer that needs no database; nothing is opened or leaked."""
    for path in DOCUMENTS:
        answer = live.send("GET", path)
        assert (answer.status, answer.header("ETag") is not None) == (200, True), path
    assert live.send("GET", "/health/live").status == 200
    assert live.send("GET", "/health/ready").status == 503
    known = Visitor(live, dict(visitor.cookies))
    asked = {
        "a page of a person": known.once("GET", "/"),
        "an authorization request": known.post_once("/authorize", portal.parameters(), FORM),
        "a sign-out": known.post_once("/logout", {"client_id": "portal"}, FORM),
        "userinfo": portal.userinfo(tokens["access_token"]),
        "introspection": portal.introspect(tokens["access_token"]),
        "revocation": portal.revoke(tokens["refresh_token"]),
        "a refresh": portal.refresh(tokens["refresh_token"]),
        "a code": portal.redeem("A" * 43),
    }
    for name, answer in asked.items():
        _unavailable(name, answer)
    for path in places(live):
        answer = known.once("GET", path, headers=SAME_ORIGIN)
        assert answer.status < 500 or answer.status == 503, path
        assert answer.status != 503 or answer.header("Retry-After") or path == "/health/ready", path
        if answer.status == 200:
            assert path.startswith(WITHOUT_DATABASE) or "anna" not in answer.text, path


def _unavailable(name: str, answer: Answer) -> None:
    assert answer.status == 503, (name, answer.status, answer.text[:300])
    assert int(answer.header("Retry-After") or 0) > 0, name
    for trace in ("Traceback", "sqlalchemy", "psycopg", "sqlite3", "SELECT", "anna@"):
        assert trace not in answer.text, (name, trace)
    assert "__Host-sid" not in answer.cookies(), name


#: session, access token, refresh token, a new sign-in
AS_BEFORE = (True, 200, 200, True)


def _back(portal: Party, visitor: Visitor, tokens: dict[str, str]) -> tuple[bool, int, int, bool]:
    """Return what works without a restart; a refresh token that was spent meanwhile would not."""
    return (
        "anna@muster.example" in visitor.get("/").text,
        portal.userinfo(tokens["access_token"]).status,
        portal.refresh(tokens["refresh_token"]).status,
        "access_token" in portal.tokens(Visitor(portal.live), "ben"),
    )


def _rename(live: Live, names: list[tuple[str, str]]) -> None:
    with live.services.database.engine.begin() as connection:
        for old, new in names:
            # without it SQLite would let foreign keys follow to the new name
            connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
            connection.exec_driver_sql(f'ALTER TABLE "{old}" RENAME TO "{new}"')
    live.gateway.server.provider.snapshots.expire()


def _options(cluster: PostgreSQL) -> str:
    return f"-p {cluster.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={cluster.folder}"


def _control(cluster: PostgreSQL, action: str, *options: str) -> None:
    command = [
        infrastructure.find_postgresql() / "pg_ctl",
        action,
        "-D",
        f"{cluster.folder}/data",
        *options,
    ]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=cluster.folder,
        **infrastructure._as_postgresql(),
    )
