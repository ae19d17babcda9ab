"""Runs Alembic on one connection inside one transaction: all steps or none (data model)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from idp.db import Database
from idp.errors import NotReady
from idp.migrations.models import metadata

# Any number of this program's own; the same in every release, or two of them would migrate at once.
_ADVISORY_LOCK = 0x10_75E
_LOCK_NOT_AVAILABLE = "55P03"


def run_upgrade(database: Database, revision: str) -> None:
    """See :func:`idp.migrations.upgrade`."""
    _run(database, lambda config: command.upgrade(config, revision))


def run_downgrade(database: Database, revision: str) -> None:
    """See :func:`idp.migrations.downgrade`."""
    _run(database, lambda config: command.downgrade(config, revision))


def script_head() -> str | None:
    """Return the newest revision among the scripts."""
    return ScriptDirectory.from_config(make_config()).get_current_head()


def differences(database: Database) -> list[str]:
    """See :func:`idp.migrations.check`."""
    with database.reader.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [_in_words(found) for found in compare_metadata(context, metadata)]


def make_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _run(database: Database, step: Callable[[Config], None]) -> None:
    hold = _sqlite_transaction if database.dialect == "sqlite" else _postgresql_transaction
    try:
        with hold(database) as connection:
            step(make_config(connection))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise NotReady("another transaction holds a table; nothing was changed, run it again") from error
        raise


@contextmanager
def _postgresql_transaction(database: Database) -> Iterator[Connection]:
    with database.engine.begin() as connection:
        # First wait, as long as it takes, for another process that migrates; then never queue behind a
        # long transaction for more than two seconds, since everyone else would queue behind us.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '2s'"))
        yield connection


@contextmanager
def _sqlite_transaction(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        # Rebuilding a table drops the old one, and with foreign keys on that deletes the rows that point
        # to it; the switch works only outside a transaction.
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                # before Alembic looks which tables there are: another process may be making them
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise NotReady(
                        f"table {broken[0]} would point to rows that do not exist; nothing was changed"
                    )
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _in_words(difference: Any) -> str:
    """Return what Alembic found as ``missing table account`` or ``surplus index ix_name``."""
    if isinstance(difference, list):  # several changes of one column
        return "; ".join(_in_words(part) for part in difference)
    verb, *details = difference
    action, _, thing = verb.partition("_")
    if action == "modify":
        _, table, column, _, here, wanted = details
        return f"{table}.{column} has {thing} {here!r}, not {wanted!r}"
    subject = details[-1]
    name = subject.name or type(subject).__name__
    place = f" of {details[-2]}" if thing == "column" else ""
    # what Alembic would add is missing here
    return f"{'missing' if action == 'add' else 'surplus'} {thing} {name}{place}"
