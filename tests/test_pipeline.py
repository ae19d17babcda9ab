"""PostgreSQL by libpq: what travels together, what comes back, and what an error leaves (libpq §34.5)."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from idp.db import Database
from idp.pipeline import PostgresqlReadingWire, PostgresqlWire
from idp.wire import Words, words

pytestmark = pytest.mark.alone_on("postgresql")


@pytest.fixture
def connection(database: Database) -> Iterator["psycopg.Connection[Any]"]:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no pipeline")
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as made:
        made.execute("CREATE TEMP TABLE t (n BIGINT PRIMARY KEY)")
        yield made


def _words(text: str) -> Words:
    return words(text, "postgresql")


_INSERT, _ALL = _words("INSERT INTO t VALUES (%(n)s)"), _words("SELECT n FROM t ORDER BY n")
_INSERT_AND_TELL = _words("INSERT INTO t VALUES (%(n)s) RETURNING n")


def _status(connection: "psycopg.Connection[Any]") -> TransactionStatus:
    return connection.info.transaction_status


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "Größe 'x' \\ \U0001d41a"),
        ("text", ""),
        ("bytea", b"\x00\xff'\\"),
        ("bigint", 2**62),
        ("integer", -7),
        ("boolean", True),
        ("boolean", None),
    ],
)
def test_values_come_back_as_they_went_in(
    connection: "psycopg.Connection[Any]", kind: str, value: object
) -> None:
    """The server finds the type of a value by its place, whatever came there before."""
    statement = _words(f"SELECT %(x)s::{kind}, %(x)s::{kind} IS NULL")
    wire = PostgresqlWire(connection)
    for sent in (None, value):
        assert wire.rows(statement, {"x": sent}) == [(sent, sent is None)]


def test_what_waits_travels_with_what_comes_next(connection: "psycopg.Connection[Any]") -> None:
    """In the order in which it was asked for, and in one transaction."""
    wire = PostgresqlWire(connection)
    wire.later(_INSERT, {"n": 1})
    wire.later(_INSERT, {"n": 2})
    assert _status(connection) == TransactionStatus.IDLE
    assert wire.rows(_ALL, {}) == [(1,), (2,)]
    assert _status(connection) == TransactionStatus.INTRANS
    wire.later(_INSERT, {"n": 3})
    wire.commit()
    assert _status(connection) == TransactionStatus.IDLE
    connection.rollback()
    assert wire.rows(_ALL, {}) == [(1,), (2,), (3,)]


def test_a_question_travels_with_the_next(connection: "psycopg.Connection[Any]") -> None:
    """It begins no transaction, and sees what was asked for before it."""
    wire = PostgresqlWire(connection)
    first, second = wire.soon(_ALL, {}), wire.soon(_words("SELECT 7"), {})
    assert wire.rows(_words("SELECT 8"), {}) == [(8,)]
    assert _status(connection) == TransactionStatus.IDLE
    wire.later(_INSERT, {"n": 1})
    third = wire.soon(_ALL, {})
    wire.later(_INSERT, {"n": 2})
    wire.commit()
    assert (first(), second(), third()) == ([], [(7,)], [(1,)])
    assert third() is third()  # read when it came: by now the connection may be another's


def test_a_question_of_a_reader_waits_for_nothing(connection: "psycopg.Connection[Any]") -> None:
    """Nothing would drop it at the end: who borrows the connection next would ask it."""
    wire = PostgresqlReadingWire(connection)
    assert wire.soon(_ALL, {})() == []
    with pytest.raises(psycopg.errors.DivisionByZero):
        wire.soon(_words("SELECT 1 / 0"), {})
    assert wire.rows(_ALL, {}) == []


def test_a_question_that_nothing_follows(connection: "psycopg.Connection[Any]") -> None:
    """To get its answer sends it."""
    wire = PostgresqlWire(connection)
    assert wire.soon(_ALL, {})() == []
    assert _status(connection) == TransactionStatus.IDLE
    wire.later(_INSERT, {"n": 1})
    assert wire.soon(_ALL, {})() == [(1,)]
    assert _status(connection) == TransactionStatus.INTRANS


def test_a_question_without_an_answer(connection: "psycopg.Connection[Any]") -> None:
    """It was dropped, or what it went along with has failed: nobody takes that for no rows."""
    wire = PostgresqlWire(connection)
    dropped = wire.soon(_ALL, {})
    wire.rollback()
    wire.later(_INSERT, {"n": 1})
    with pytest.raises(psycopg.InterfaceError):
        dropped()
    assert _status(connection) == TransactionStatus.IDLE
    wire.rollback()
    failed, after = wire.soon(_ALL, {}), wire.soon(_words("SELECT 1 / 0"), {})
    last = wire.soon(_ALL, {})
    with pytest.raises(psycopg.errors.DivisionByZero):
        wire.flush()
    assert failed() == []
    for without in (after, last):
        with pytest.raises(psycopg.InterfaceError):
            without()


@pytest.mark.parametrize("others", [0, 2])
def test_a_whole_transaction_at_once(connection: "psycopg.Connection[Any]", others: int) -> None:
    """A commit with nothing but what waits; without anything it sends nothing."""
    wire = PostgresqlWire(connection)
    wire.commit()
    for number in range(others):
        wire.later(_INSERT, {"n": number})
    wire.commit()
    assert _status(connection) == TransactionStatus.IDLE
    assert len(wire.rows(_ALL, {})) == others


def test_what_waits_can_be_dropped(connection: "psycopg.Connection[Any]") -> None:
    """It was never sent."""
    wire = PostgresqlWire(connection)
    wire.later(_INSERT, {"n": 1})
    wire.rollback()
    wire.flush()
    assert wire.rows(_ALL, {}) == []
    assert _status(connection) == TransactionStatus.IDLE


def test_an_error_is_the_drivers_and_nothing_after_it_is_done(connection: "psycopg.Connection[Any]") -> None:
    """Of several the first error is raised; the transaction waits for its rollback."""
    wire = PostgresqlWire(connection)
    wire.later(_INSERT, {"n": 1})
    wire.later(_INSERT, {"n": 1})
    with pytest.raises(psycopg.errors.UniqueViolation):
        wire.rows(_INSERT_AND_TELL, {"n": 2})
    assert _status(connection) == TransactionStatus.INERROR
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        wire.rows(_ALL, {})
    connection.rollback()
    assert wire.rows(_ALL, {}) == []


def test_a_commit_that_fails_ends_the_transaction(connection: "psycopg.Connection[Any]") -> None:
    """SQLAlchemy takes it for ended, whatever happened."""
    wire = PostgresqlWire(connection)
    wire.rows(_INSERT_AND_TELL, {"n": 1}, begin=True)
    wire.later(_INSERT, {"n": 1})
    with pytest.raises(psycopg.errors.UniqueViolation):
        wire.commit()
    assert _status(connection) == TransactionStatus.IDLE
    assert wire.rows(_ALL, {}) == []


def test_a_statement_that_cannot_be_prepared(connection: "psycopg.Connection[Any]") -> None:
    """It is an error like any other, each time."""
    wire = PostgresqlWire(connection)
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            wire.rows(_words("SELECT 1 FROM nowhere"), {})
    assert wire.rows(_words("SELECT 1"), {}) == [(1,)]


def test_what_cannot_be_prepared_fails_with_what_waited_for_it(
    connection: "psycopg.Connection[Any]",
) -> None:
    """Nothing of the transaction is kept, whoever goes on after the error; the commit says so."""
    wire = PostgresqlWire(connection)
    wire.later(_INSERT, {"n": 1})
    with pytest.raises(psycopg.errors.UndefinedTable):
        wire.rows(_words("SELECT 1 FROM nowhere"), {})
    assert _status(connection) == TransactionStatus.INERROR
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        wire.commit()
    assert _status(connection) == TransactionStatus.IDLE
    assert wire.rows(_ALL, {}) == []


def test_statements_stay_prepared_after_a_rollback(connection: "psycopg.Connection[Any]") -> None:
    """Which the driver's own would not."""
    wire = PostgresqlWire(connection)
    wire.rows(_INSERT_AND_TELL, {"n": 1}, begin=True)
    connection.rollback()
    connection.execute("SELECT 1")
    assert wire.rows(_INSERT_AND_TELL, {"n": 1}) == [(1,)]


def test_what_waits_is_no_journey_without_end(connection: "psycopg.Connection[Any]") -> None:
    """Much is sent in parts, in the transaction all the same: a rollback undoes each of them."""
    wire = PostgresqlWire(connection)
    for number in range(499):
        wire.later(_INSERT, {"n": number})
    assert _status(connection) == TransactionStatus.IDLE
    for number in range(499, 1201):
        wire.later(_INSERT, {"n": number})
    assert _status(connection) == TransactionStatus.INTRANS
    assert len(wire.rows(_ALL, {})) == 1201
    wire.rollback()
    assert wire.rows(_ALL, {}) == []


@pytest.mark.parametrize("waiting", [0, 1], ids=["alone", "in a pipeline"])
def test_a_server_that_goes_away(
    connection: "psycopg.Connection[Any]", database: Database, waiting: int
) -> None:
    """The error is that of a lost connection, and the connection knows it."""
    wire = PostgresqlWire(connection)
    assert wire.rows(_ALL, {}) == []
    for number in range(waiting):
        wire.later(_INSERT, {"n": number})
    with database.reading() as other:
        ended = other.connection().exec_driver_sql(
            f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)"
        )
        assert ended.scalar_one()
    with pytest.raises(psycopg.OperationalError):
        wire.rows(_ALL, {})
    assert connection.closed
