"""What really goes to the database: statements and commits as the driver sees them, ours and SQLAlchemy's."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from idp.db import Database

_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE")


@dataclass
class Traffic:
    """What was sent since the count began."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0

    def note(self, statement: str) -> None:
        """Count one statement of SQLite's own trace."""
        word = statement.lstrip().split(maxsplit=1)[0].upper().rstrip(";")
        if word == "COMMIT":
            self.commits += 1
        elif word not in _CONTROL:
            self.statements.append(statement)


@contextmanager
def counted(database: Database) -> Iterator[Traffic]:
    """Count on all connections of a process; connections that stood before are closed."""
    traffic = Traffic()
    engines = {database.engine, database.reader}
    connect = _sqlite(traffic) if database.dialect == "sqlite" else _postgresql(traffic)
    name = "connect" if database.dialect == "sqlite" else "do_connect"
    for engine in engines:
        event.listen(engine, name, connect)
    database.dispose()
    try:
        _open(engines)
        traffic.statements.clear()
        traffic.commits = 0
        yield traffic
    finally:
        for engine in engines:
            event.remove(engine, name, connect)
        database.dispose()


def _open(engines: set[Engine]) -> None:
    """Connect once: what SQLAlchemy asks a new server does not count."""
    for engine in engines:
        engine.connect().close()


def _sqlite(traffic: Traffic) -> Any:
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(traffic.note)

    return connect


def _postgresql(traffic: Traffic) -> Any:
    class CountingCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **options: Any) -> Any:
            traffic.statements.append(str(query))
            return super().execute(query, *args, **options)

        def executemany(self, query: Any, params: Any, **options: Any) -> None:
            traffic.statements.append(str(query))
            super().executemany(query, params, **options)

    class CountingConnection(psycopg.Connection[Any]):
        def commit(self) -> None:
            if self.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                traffic.commits += 1
            super().commit()

    def connect(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        return CountingConnection.connect(*arguments, **options, cursor_factory=CountingCursor)

    return connect
