"""Connections whose server went away (F2); SQLite has none to lose."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from idp import pooling
from idp.db import Database, try_lock
from idp.installation import Installation
from idp.oidc.statements import Statements
from idp.prepared import Prepared
from tests.databases import apart
from tests.infrastructure import PostgreSQL

_UPDATE = Prepared(update(Installation).values(epoch=2))
_LOOK = Prepared(select(Installation.epoch))


@pytest.fixture
def database(postgresql: PostgreSQL, worker_number: int) -> Iterator[Database]:
    """PostgreSQL by connections of this test alone."""
    with apart(postgresql, f"pooling_{worker_number}") as made:
        yield made


def _write_and_look(db: Session) -> None:
    """Write without the session: what is sent with the next statement at the latest."""
    _UPDATE.run(db)
    _LOOK.rows(db)


def test_a_connection_that_was_lost_is_said_to_be(database: Database) -> None:
    """Where the transaction begins as well; the next has another connection."""
    begins: list[Callable[[Session], object]] = [
        lambda db: db.execute(update(Installation).values(epoch=2)),
        _write_and_look,
        lambda db: try_lock(db, "any"),
    ]
    for begin in begins:
        with database.session() as db:
            own = db.scalar(text("SELECT pg_backend_pid()"))
            with database.reading() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": own})
            with pytest.raises(DBAPIError) as lost:
                begin(db)
            assert lost.value.connection_invalidated
            db.rollback()
            db.execute(update(Installation).values(epoch=3))


@pytest.fixture(params=["prepared", "session", "hot"])
def work(request: pytest.FixtureRequest, database: Database) -> tuple[Engine, Callable[[], object]]:
    """What a request does, each way of it, and the engine it does it by."""

    def by_session() -> None:
        with database.session() as db:
            db.execute(update(Installation).values(epoch=2))

    def prepared() -> None:
        with database.session() as db:
            _write_and_look(db)

    if request.param == "hot":
        statements = Statements(database)
        return database.reader, lambda: statements.jti_revoked("x")
    return database.engine, prepared if request.param == "prepared" else by_session


def _end_connections(database: Database, engine: Engine) -> set[int]:
    """End three connections of a pool, as a restart of the server does; returns their processes."""
    with ExitStack() as lent:
        connections = [lent.enter_context(engine.connect()) for _ in range(3)]
        pids = [each.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for each in connections]
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as other:
        for pid in pids:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    return set(pids)


def test_a_database_that_went_away_is_noticed_once(
    database: Database, work: tuple[Engine, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All connections made before are left alone then."""
    monkeypatch.setattr(pooling, "RESTED_SECONDS", 3600.0)
    engine, do = work
    _end_connections(database, engine)
    with pytest.raises((DBAPIError, psycopg.OperationalError)):
        do()
    for _ in range(3):
        do()


def test_a_connection_that_rested_is_looked_at(
    database: Database, work: tuple[Engine, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of the server fails nothing of what comes later."""
    monkeypatch.setattr(pooling, "RESTED_SECONDS", 0.0)
    engine, do = work
    ended = _end_connections(database, engine)
    for _ in range(3):
        do()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() not in ended


def test_a_connection_that_stands_is_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look at it is not to open another."""
    monkeypatch.setattr(pooling, "RESTED_SECONDS", 0.0)

    def pid() -> int:
        with database.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    assert len({pid() for _ in range(4)}) == 1
