"""Column types, keys, and what a transaction holds on each engine (design §2, Storage)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.db import Database, StorageError, delete_batch, from_micros, new_id, to_micros, try_lock
from idp.installation import Installation, InstallationSecret

MOMENT = datetime(2026, 11, 22, 21, 30, 0, 123456, tzinfo=UTC)


def secret(number: int, at: datetime = MOMENT) -> InstallationSecret:
    return InstallationSecret(id=f"s.{number}", purpose="s", version=number, sealed=b"x", created_at=at)


def test_keys_are_unique_and_grow() -> None:
    """A key is 32 hexadecimal characters, beginning with the time: within a millisecond in order as well."""
    keys = [new_id() for _ in range(1000)]

    assert len(set(keys)) == 1000
    assert {len(key) for key in keys} == {32}
    assert keys == sorted(keys)
    assert abs(int(keys[-1][:12], 16) / 1000 - time.time()) < 60
    assert all(int(key, 16) for key in keys)


@pytest.mark.parametrize(
    "moment", [MOMENT, datetime(1969, 7, 20, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
)
def test_times_keep_their_microseconds(moment: datetime) -> None:
    """No float stands between a time and its column."""
    assert from_micros(to_micros(moment)) == moment


def test_time_is_aware_utc_on_each_engine(database: Database) -> None:
    """What another zone wrote is read as the same moment in UTC."""
    local = MOMENT.astimezone(timezone(timedelta(hours=2)))
    with database.session() as db:
        db.add(secret(1, local))
        db.commit()
    with database.session() as db:
        read = db.scalars(select(InstallationSecret.created_at)).one()

    assert read == MOMENT
    assert read.tzinfo is UTC


def test_naive_time_is_refused(database: Database) -> None:
    """A time without a zone is a guess, also as a parameter."""
    naive = MOMENT.replace(tzinfo=None)
    with database.session() as db, pytest.raises(StatementError, match="naive datetime"):
        db.scalars(select(InstallationSecret).where(InstallationSecret.created_at < naive)).all()


def test_no_update_is_lost(database: Database) -> None:
    """Four threads that read, add one and write under a lock of the row end at the sum (stack §3.3)."""
    with database.session() as db:
        db.add(Installation(id=1, epoch=0, snapshot_version=0))
        db.commit()

    def count() -> None:
        for _ in range(10):
            with database.session() as db:
                row = db.scalars(select(Installation).with_for_update()).one()
                row.epoch += 1
                db.commit()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.reading() as db:
        assert db.scalars(select(Installation.epoch)).one() == 40


def test_unit_of_work_that_fails_leaves_nothing(database: Database) -> None:
    """Without a commit nothing stays."""
    with database.session() as db:
        db.add(secret(1))
        db.flush()
    with database.session() as db:
        assert db.scalars(select(InstallationSecret)).all() == []


def test_reading_sees_commits_at_once(database: Database) -> None:
    """A reading session holds no snapshot: a change committed elsewhere is seen by its next statement."""
    with database.session() as writer, database.reading() as reader:
        writer.add(Installation(id=1, epoch=1, snapshot_version=1))
        writer.commit()
        assert reader.scalars(select(Installation.epoch)).one() == 1
        writer.execute(update(Installation).values(epoch=2))
        writer.commit()
        assert reader.scalars(select(Installation.epoch)).one() == 2


def test_purge_goes_by_batches(database: Database) -> None:
    """At most the limit goes at once, and only what the condition names."""
    with database.session() as db:
        db.add_all([secret(number) for number in range(5)])
        db.flush()
        old = InstallationSecret.version < 3

        assert [delete_batch(db, InstallationSecret, old, 2) for _ in range(3)] == [2, 1, 0]
        assert sorted(db.scalars(select(InstallationSecret.version))) == [3, 4]


def test_constraints_hold_on_each_engine(database: Database) -> None:
    """Keys are unique, and what the database raises is a StorageError."""
    with database.session() as db:
        db.add(secret(1))
        db.flush()
        with pytest.raises(StorageError) as refused:
            db.execute(
                InstallationSecret.__table__.insert().values(
                    id="s.1", purpose="s", version=1, sealed=b"x", created_at=MOMENT
                )
            )
    assert isinstance(refused.value, IntegrityError)


def test_foreign_keys_are_enforced(database: Database) -> None:
    """SQLite checks them only when told to."""
    insert = text(
        "INSERT INTO one_time_secret (id, purpose, hash, target, attempts, created_at, expires_at, flow_id)"
        " VALUES ('a', 'p', :hash, 't', 0, 0, 0, 'nowhere')"
    )
    with database.session() as db, pytest.raises(DBAPIError):
        db.execute(insert, {"hash": b"h"})


def test_lock_excludes_the_second_holder(database: Database) -> None:
    """A job's lock has one holder, until the transaction ends; another name is another lock on PostgreSQL."""
    with database.session() as first:
        assert try_lock(first, "sealer")
        if database.dialect == "postgresql":
            with database.session() as second:
                assert not try_lock(second, "sealer")
                assert try_lock(second, "purge")
        first.commit()
    with database.session() as second:
        assert try_lock(second, "sealer")


def test_a_look_tells_the_database_server_s_time(database: Database) -> None:
    """It is aware UTC; tests run on one machine, so both agree; and the database takes writes."""
    seen = database.look()
    assert abs(seen.at - datetime.now(UTC)) < timedelta(seconds=60)
    assert seen.takes_writes


def test_a_look_waits_for_no_writer(tmp_path: Path) -> None:
    """On SQLite whoever holds the write lock is proof enough that the file takes writes."""
    database = Database(f"sqlite:///{tmp_path}/busy.db", statement_timeout_ms=600_000)
    with database.session() as db:
        assert try_lock(db, "any")
        assert database.look().takes_writes
    database.dispose()


def test_a_file_has_as_many_connections_as_are_set(tmp_path: Path) -> None:
    """For writing and for reading together; who gets none is told so, and does not hang."""
    database = Database(f"sqlite:///{tmp_path}/lotse.db", pool_size=1, pool_wait=0.01)
    with database.engine.connect(), database.reader.connect():
        for engine in (database.engine, database.reader):
            with pytest.raises(PoolTimeout):
                engine.connect()
    with database.engine.connect():
        pass
    database.dispose()


def test_database_in_memory_is_one_for_all_sessions() -> None:
    """Without a file every session sees the same tables."""
    database = Database("sqlite://")
    InstallationSecret.metadata.create_all(database.engine)
    with database.session() as db:
        db.add(secret(1))
        db.commit()
    with database.reading() as db:
        assert db.scalars(select(InstallationSecret.id)).all() == ["s.1"]
    database.dispose()


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    """A commit is durable before it is answered: write-ahead log, synchronous FULL (design §2)."""
    database = Database(f"sqlite:///{tmp_path}/lotse.db")
    with database.engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    database.dispose()

    assert found == ["wal", 2]


def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Processes that start beside each other on an empty SQLite file all get their connection."""

    def opened(path: Path, barrier: threading.Barrier) -> None:
        database = Database(f"sqlite:///{path}")
        barrier.wait()
        with database.engine.connect():
            pass
        database.dispose()

    with ThreadPoolExecutor(8) as pool:
        for number in range(60):
            barrier = threading.Barrier(8)
            waiting = [pool.submit(opened, tmp_path / f"{number}.db", barrier) for _ in range(8)]
            assert [each.exception() for each in waiting] == [None] * 8
