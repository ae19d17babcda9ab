"""What a database that cannot be used makes of a command: a sentence that says what it is (F2, F8)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from idp.cli.failures import Unready, in_a_sentence
from idp.db import Database
from tests.cli.terminal import Terminal, environment_of
from tests.infrastructure import PostgreSQL
from tests.infrastructure import _until as until

CREATE = ("organization", "create", "Muster GmbH", "100200300")


def test_a_standby_takes_no_writes(postgresql: PostgreSQL, worker_number: int, tmp_path: Path) -> None:
    """Commands and the doctor say so, and where to go."""
    name = f"standby_of_commands_{worker_number}"
    url = postgresql.create_database(name)
    terminal = Terminal(environment_of(tmp_path) | {"LOTSE_DATABASE__URL": url})
    terminal.ok("db", "upgrade")
    terminal.ok("keys", "list")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    result = terminal.run(*CREATE)
    assert (result.exit_code, result.stderr) == (
        5,
        "idp: the database takes no writes: it is a standby; let database.url name the primary\n",
    )
    found = terminal.run("doctor")
    assert found.exit_code == 5
    assert f"problem  database: postgresql {name} on 127.0.0.1 answers, and takes no writes" in found.stdout
    postgresql.drop_database(name)


def test_a_file_that_takes_no_writes(terminal: Terminal) -> None:
    """The doctor tries SQLite's write lock."""
    path = terminal.environment["LOTSE_DATABASE__URL"].removeprefix("sqlite:///")
    only_read = f"sqlite:///file:{path}?mode=ro&uri=true"
    found = terminal.run("doctor", LOTSE_DATABASE__URL=only_read)
    assert "answers, and takes no writes" in found.stdout
    result = terminal.run(*CREATE, LOTSE_DATABASE__URL=only_read)
    assert (result.exit_code, "cannot be written by this user" in result.stderr) == (5, True), result.stderr


def test_a_busy_database(postgresql: PostgreSQL, worker_number: int, tmp_path: Path) -> None:
    """Somebody else holds the table: that passes, and its address is right."""
    name = f"busy_for_commands_{worker_number}"
    url = postgresql.create_database(name)
    terminal = Terminal(environment_of(tmp_path) | {"LOTSE_DATABASE__URL": url})
    terminal.ok("db", "upgrade")
    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE installation IN ACCESS EXCLUSIVE MODE")
        result = terminal.run(*CREATE, LOTSE_DATABASE__STATEMENT_TIMEOUT_MS="100")
    assert (result.exit_code, result.stderr) == (
        5,
        "idp: the database is busy: a statement took too long; try again\n",
    )
    postgresql.drop_database(name)


def test_a_deadlock(postgresql: PostgreSQL, worker_number: int) -> None:
    """Who is told to give way reads that it passes, and not that the address is wrong."""
    name = f"deadlock_of_commands_{worker_number}"
    url = postgresql.create_database(name)
    database = Database(url, statement_timeout_ms=60_000)
    with psycopg.connect(url) as holder, database.engine.begin() as ours, ThreadPoolExecutor(1) as other:
        ours.exec_driver_sql("SET deadlock_timeout = '10ms'")  # so that it is this one that finds it
        holder.execute("SET deadlock_timeout = '60s'")
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        ours.exec_driver_sql("SELECT pg_advisory_xact_lock(2)")
        waiting = other.submit(holder.execute, "SELECT pg_advisory_xact_lock(2)")
        asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        assert until(lambda: ours.exec_driver_sql(asked).scalar_one() == 1, seconds=20)
        with pytest.raises(Unready) as told, in_a_sentence():
            ours.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")
        ours.rollback()
        waiting.result(20)
    assert str(told.value) == "the database is busy: two transactions waited for each other; try again"
    database.dispose()
    postgresql.drop_database(name)


def test_a_full_disk(tmp_path: Path) -> None:
    """It is named as such."""
    database = Database(f"sqlite:///{tmp_path}/full.db")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
        with pytest.raises(Unready, match="no room left on its disk"), in_a_sentence():
            connection.exec_driver_sql("CREATE TABLE one (id INTEGER)")
    database.dispose()
