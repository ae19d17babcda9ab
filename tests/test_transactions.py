"""The session and prepared statements in one transaction, on each engine (design §2, Storage)."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import bindparam, delete, insert, select, text
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from idp.db import Database
from idp.installation import InstallationSecret
from idp.prepared import Prepared

MOMENT = datetime(2026, 11, 22, 21, 30, 0, 123456, tzinfo=UTC)


def secret(number: int) -> InstallationSecret:
    return InstallationSecret(id=f"s.{number}", purpose="s", version=number, sealed=b"x", created_at=MOMENT)


_COLUMNS = {name: bindparam(name) for name in ("id", "purpose", "version", "sealed", "created_at")}
_INSERT = Prepared(insert(InstallationSecret).values(_COLUMNS))


def _write(db: Session, number: int) -> None:
    """Insert a secret without the session."""
    _INSERT.run(db, id=f"s.{number}", purpose="s", version=number, sealed=b"x", created_at=MOMENT)


def _write_and_look(db: Session) -> None:
    """Insert a secret, which is sent with the next statement at the latest."""
    _write(db, 1)
    Prepared(select(InstallationSecret.version)).rows(db)


def _write_and_commit(db: Session, number: int) -> None:
    _write(db, number)
    db.commit()


def _url(database: Database) -> str:
    """Return the address as the driver takes it."""
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def _borrowed(database: Database) -> int:
    """Return how many connections the pool has lent."""
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


@pytest.mark.parametrize("ends", ["commit", "begin"])
def test_a_prepared_statement_alone_is_kept(database: Database, ends: str) -> None:
    """By a commit, or where the transaction is a context that ends well; without either nothing is."""
    with database.session() as db:
        _write(db, 1)
    if ends == "commit":
        with database.session() as db:
            _write(db, 2)
            db.commit()
    else:
        with database.session() as db, db.begin():
            _write(db, 2)
    with database.reading() as db:
        assert db.scalars(select(InstallationSecret.version)).all() == [2]


def test_prepared_statements_and_the_session_are_one_transaction(database: Database) -> None:
    """Whichever comes first: what one wrote the other reads, and both are undone."""
    with database.session() as db:
        _write(db, 1)
        db.add(secret(2))
        db.flush()
        _write(db, 3)
        assert sorted(db.scalars(select(InstallationSecret.version))) == [1, 2, 3]
        db.rollback()
        db.add(secret(4))
        db.flush()
        _write(db, 5)
        db.commit()
        assert sorted(db.scalars(select(InstallationSecret.version))) == [4, 5]


def test_a_reading_session_begins_nothing(database: Database) -> None:
    """What is written by it all the same is kept at once."""
    if database.dialect == "sqlite":
        return
    with database.reading() as db:
        _write(db, 1)
        Prepared(select(InstallationSecret.version).with_for_update()).rows(db)
        driver = db.connection().connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert driver.info.transaction_status == TransactionStatus.IDLE
    with database.reading() as db:
        assert db.scalars(select(InstallationSecret.version)).all() == [1]


def test_what_waits_is_undone_with_the_rest(database: Database) -> None:
    """What is sent with the next statement was done before it, and is not done after a rollback."""
    with database.session() as db:
        _write(db, 1)
        db.rollback()
        _write(db, 2)
        assert Prepared(select(InstallationSecret.version)).rows(db) == [(2,)]
        _write(db, 3)
        db.commit()
        _write(db, 4)
    with database.session() as db:
        assert sorted(db.scalars(select(InstallationSecret.version))) == [2, 3]
        with pytest.raises(DBAPIError):
            _write_and_commit(db, 2)
        db.rollback()
        _write(db, 5)
        db.commit()
    with database.reading() as db:
        assert sorted(db.scalars(select(InstallationSecret.version))) == [2, 3, 5]


def test_an_error_of_what_waits_stays_in_its_savepoint(database: Database) -> None:
    """Nothing waits inside of one; what was done before it stays."""
    with database.session() as db:
        _write(db, 1)
        with pytest.raises(DBAPIError), db.begin_nested():
            _write(db, 1)
        _write(db, 2)
        db.commit()
    with database.reading() as db:
        assert sorted(db.scalars(select(InstallationSecret.version))) == [1, 2]


def test_a_savepoint_undoes_no_more_than_itself(database: Database) -> None:
    """What was prepared before it stays, whether it is undone or kept."""
    with database.session() as db:
        _write(db, 1)
        with db.begin_nested() as savepoint:
            _write(db, 2)
            savepoint.rollback()
        with db.begin_nested():
            _write(db, 3)
        _write(db, 4)
        db.commit()
    with database.reading() as db:
        assert sorted(db.scalars(select(InstallationSecret.version))) == [1, 3, 4]


def test_a_transaction_begins_with_the_first_write(database: Database) -> None:
    """Reads before it hold nothing; to hold a row, by the session or a prepared statement, is a write."""

    def in_transaction(db: Session) -> bool:
        driver = db.connection().connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            return driver.in_transaction
        return (
            isinstance(driver, psycopg.Connection)
            and driver.info.transaction_status == TransactionStatus.INTRANS
        )

    held = select(InstallationSecret.version).with_for_update()
    for begin in (lambda db: db.execute(held), Prepared(held).rows, _write_and_look):
        with database.session() as db:
            db.scalars(select(InstallationSecret.version)).all()
            Prepared(select(InstallationSecret.version)).rows(db)
            assert not in_transaction(db)
            begin(db)
            assert in_transaction(db)
            db.commit()
            assert not in_transaction(db)


def test_a_unit_of_work_gives_its_connection_back(database: Database) -> None:
    """After a commit, a rollback and its end, so that a few connections serve all."""
    with database.session() as db:
        for end in (db.commit, db.rollback, db.close):
            _write(db, 1)
            assert _borrowed(database) == 1
            end()
            assert _borrowed(database) == 0
            with database.session() as other:
                other.execute(delete(InstallationSecret))
                other.commit()


@pytest.mark.parametrize("through", ["session", "prepared"])
def test_a_commit_that_is_lost_can_be_rolled_back(database: Database, through: str) -> None:
    """Who answers 503 for it rolls back first, and may go on. SQLite has no server to lose."""
    if database.dialect == "sqlite":
        return
    with database.session() as db:
        if through == "session":
            db.add(secret(1))
            db.flush()
        else:
            _write(db, 1)
        own = db.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with database.reading() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        with pytest.raises(DBAPIError):
            db.commit()
        db.rollback()
        assert db.scalars(select(InstallationSecret.version)).all() == []
        _write(db, 2)
        db.commit()
    with database.reading() as db:
        assert db.scalars(select(InstallationSecret.version)).all() == [2]


def test_what_a_connection_was_to_write_is_dropped_by_its_rollback(database: Database) -> None:
    """As everything that was sent; the next transaction of the same connection is another."""
    with database.engine.connect() as connection:
        first = connection.begin()
        _INSERT.run(connection, id="s.1", purpose="s", version=1, sealed=b"x", created_at=MOMENT)
        first.rollback()
        with connection.begin():
            assert Prepared(select(InstallationSecret.version)).rows(connection) == []


def test_an_answer_that_nobody_can_give_any_more(database: Database) -> None:
    """The error is SQLAlchemy's. SQLite has answered before."""
    if database.dialect == "sqlite":
        return
    with database.session() as db:
        asked = Prepared(select(InstallationSecret.version)).soon(db)
    with pytest.raises(DBAPIError):
        asked()


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_a_unit_that_is_one_transaction_is_kept_as_a_whole(database: Database, ends: str) -> None:
    """What prepared statements wrote, what the session was given, and what a savepoint held."""
    with ExitStack() as stack:
        if ends == "badly":
            stack.enter_context(pytest.raises(ZeroDivisionError))
        db = stack.enter_context(database.transaction())
        _write(db, 1)
        db.add(secret(2))
        db.flush()
        savepoint = db.begin_nested()
        _write(db, 3)
        savepoint.rollback()
        _write(db, 4)
        db.add(secret(5))
        if ends == "badly":
            raise ZeroDivisionError
    with database.reading() as db:
        found = db.scalars(select(InstallationSecret.version).order_by(InstallationSecret.version)).all()
        assert found == ([1, 2, 4, 5] if ends == "well" else [])


@pytest.fixture
def own(database: Database) -> Iterator[Database]:
    """The same database by connections of this test alone."""
    made = Database(database.url.render_as_string(hide_password=False))
    yield made
    made.dispose()


def test_a_unit_that_is_one_transaction_opens_a_connection_when_it_needs_one(own: Database) -> None:
    """What needs none, or another unit before it, takes none from the pool."""
    with own.transaction() as db:
        assert _borrowed(own) == 0
        _write(db, 1)
        assert _borrowed(own) == 1


def test_a_unit_that_is_one_transaction_may_begin_with_the_session(own: Database) -> None:
    """Then prepared statements are part of the session's own."""
    with own.transaction() as db:
        db.add(secret(1))
        db.flush()
        _write(db, 2)
        assert _borrowed(own) == 1
    with own.reading() as db:
        found = db.scalars(select(InstallationSecret.version).order_by(InstallationSecret.version)).all()
        assert found == [1, 2]


def test_what_commits_itself_is_left_out_where_a_transaction_has_begun(database: Database) -> None:
    """Else it would be kept, or undone, with what it has nothing to do with."""
    values = {"purpose": "s", "sealed": b"x", "created_at": MOMENT}
    with database.session() as db:
        _INSERT.alone(db, id="s.1", version=1, **values)
        _write(db, 2)
        _INSERT.alone(db, id="s.3", version=3, **values)
        db.rollback()
        _write(db, 4)
        _INSERT.alone(db, id="s.5", version=5, **values)
        db.commit()
    with database.reading() as db:
        found = db.scalars(select(InstallationSecret.version).order_by(InstallationSecret.version)).all()
        assert found == [1, 4]


def test_nothing_is_kept_after_a_failure_in_a_unit_that_is_one_transaction(database: Database) -> None:
    """The failure undid the transaction: what comes next must not commit itself."""
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(PendingRollbackError))
        db = stack.enter_context(database.transaction())
        _write(db, 1)
        db.add(secret(1))
        with pytest.raises(DBAPIError):
            db.flush()
        _write(db, 2)
    with database.reading() as db:
        assert db.scalars(select(InstallationSecret.version)).all() == []


def test_what_is_asked_and_held_belongs_into_the_transaction(database: Database) -> None:
    """Also where it travels alone: outside of one it would be let go at once."""
    with database.session() as db:
        Prepared(select(InstallationSecret.version).with_for_update()).soon(db)()
        driver: Any = db.connection().connection.driver_connection
        if database.dialect == "sqlite":
            assert driver.in_transaction
        else:
            assert driver.info.transaction_status.name == "INTRANS"


def test_a_commit_of_what_has_failed_says_so(database: Database) -> None:
    """PostgreSQL keeps nothing of such a transaction; SQLite undoes the one statement."""
    if database.dialect == "sqlite":
        return
    with database.session() as db:
        _write(db, 1)
        with pytest.raises(DBAPIError):
            Prepared(select(text("1 / 0"), InstallationSecret.version)).rows(db)
        with pytest.raises(DBAPIError):
            db.commit()
    with database.reading() as db:
        assert db.scalars(select(InstallationSecret.version)).all() == []
