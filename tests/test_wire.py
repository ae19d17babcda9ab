"""Statements in the words of each database, and SQLite's wire."""

import sqlite3
from collections.abc import Iterator

import pytest

from idp.wire import SqliteWire, Words, words


@pytest.mark.parametrize(
    ("text", "dialect", "expected"),
    [
        ("SELECT 1", "postgresql", Words("SELECT 1", ())),
        ("a = %(x)s AND b = %(y)s", "postgresql", Words("a = $1 AND b = $2", ("x", "y"))),
        (
            "a = %(x)s OR b = %(y)s OR c = %(x)s",
            "postgresql",
            Words("a = $1 OR b = $2 OR c = $1", ("x", "y")),
        ),
        (
            "a LIKE 'x%%' AND b = %(y)s::VARCHAR",
            "postgresql",
            Words("a LIKE 'x%' AND b = $1::VARCHAR", ("y",)),
        ),
        ("a = :x", "sqlite", Words("a = :x", ())),
    ],
)
def test_words(text: str, dialect: str, expected: Words) -> None:
    """PostgreSQL takes numbers, each name once; SQLite takes names."""
    assert words(text, dialect) == expected


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    yield made
    made.close()


_INSERT, _ALL = Words("INSERT INTO t VALUES (:n)", ()), Words("SELECT n FROM t ORDER BY n", ())


def test_nothing_waits_on_sqlite(connection: sqlite3.Connection) -> None:
    """A transaction begins with the first write, and what is to be done later is done at once."""
    wire = SqliteWire(connection)
    assert wire.rows(_ALL, {}) == []
    assert not connection.in_transaction
    wire.later(_INSERT, {"n": 1})
    assert connection.in_transaction
    assert wire.rows(_ALL, {}) == [(1,)]
    wire.rollback()
    assert not connection.in_transaction
    assert wire.rows(_ALL, {}) == []
    wire.later(_INSERT, {"n": 1})
    wire.commit()
    assert not connection.in_transaction
    wire.flush(begin=True)
    assert connection.in_transaction
    with pytest.raises(sqlite3.IntegrityError):
        wire.later(_INSERT, {"n": 1})


def test_a_question_is_answered_at_once_on_sqlite(connection: sqlite3.Connection) -> None:
    """What is written after it does not show, and no transaction begins."""
    wire = SqliteWire(connection)
    asked = wire.soon(_ALL, {})
    assert not connection.in_transaction
    wire.later(_INSERT, {"n": 1})
    assert asked() == []
    assert wire.soon(_ALL, {})() == [(1,)]


def test_a_commit_that_fails_on_sqlite_ends_the_transaction(connection: sqlite3.Connection) -> None:
    """It is undone, as on PostgreSQL."""
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("CREATE TABLE u (n INTEGER REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)")
    wire = SqliteWire(connection)
    wire.later(Words("INSERT INTO u VALUES (:n)", ()), {"n": 7})
    with pytest.raises(sqlite3.IntegrityError):
        wire.commit()
    assert not connection.in_transaction
    assert wire.rows(Words("SELECT n FROM u", ()), {}) == []
