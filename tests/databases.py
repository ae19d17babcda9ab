"""Databases for one test after another: each begins without rows, and no statement is compiled anew for it.

SQLAlchemy keeps compiled statements with an engine, of which a process of the product has two for its whole
life.  Tests that make an engine each spend half of their time on compiling the same statements again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Engine, event

from idp.db import Base, Database
from tests.infrastructure import PostgreSQL

#: this process's first engine for a SQLite file; the later ones share its dialect and compiled statements
_first: dict[str, Engine] = {}

_END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@contextmanager
def apart(postgresql: PostgreSQL, name: str) -> Iterator[Database]:
    """Make a database on PostgreSQL that one test has for itself, whose connections it may end."""
    database = Database(postgresql.create_database(name))
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()
    postgresql.drop_database(name)


@contextmanager
def on_file(template: Path, path: Path) -> Iterator[Database]:
    """Open a copy of a SQLite file: a test's own, with connections of its own; only statements are shared."""
    path.write_bytes(template.read_bytes())
    database = Database(f"sqlite:///{path}", pool_wait=20)  # a busy machine is no error
    engine = database.engine
    first = _first.setdefault(database.dialect, engine)
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    event.listen(engine, "connect", _wait_for_no_disk)
    yield database
    database.dispose()


def _wait_for_no_disk(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


class OnServer:
    """A worker's own PostgreSQL database with all tables; tests share its connections, too."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, pool_wait=20)  # a busy machine is no error
        Base.metadata.create_all(self._database.engine)
        self._connection = psycopg.connect(url, autocommit=True)
        # without the triggers of foreign keys the order does not matter
        self._connection.execute("SET session_replication_role = replica")
        names = map(sql.Identifier, Base.metadata.tables)
        self._empty = sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(name) for name in names)

    def emptied(self) -> Database:
        """Return the database without rows; what a test did not give back is no connection any longer."""
        pools = [engine.pool for engine in (self._database.engine, self._database.reader)]
        # PostgreSQL's pools count, which the type they have in common does not
        if any(pool.checkedout() for pool in pools):  # type: ignore[attr-defined]
            self._connection.execute(_END_OTHERS)
            self._database.dispose()
        self._connection.execute(self._empty)
        return self._database

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()
        self._database.dispose()
