"""What really goes to the database: statements and commits as they leave, ours and SQLAlchemy's."""

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import Trace
from sqlalchemy import Engine, event

from idp.db import Database

_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE")
_MESSAGE = re.compile(
    r"^F\t\d+\t(Parse|Bind|Execute|Query|Sync)(?:\t (.*?))?\n*(?=^[FB]\t|\Z)", re.MULTILINE | re.DOTALL
)
_NAMED = re.compile(r'"(.*?)" "(.*)" \d+', re.DOTALL)


class Traffic:
    """What was sent since the count began."""

    def __init__(self) -> None:
        self._statements: list[str] = []
        self._commits = 0
        self._journeys = 0
        self.lines: list[_Line] = []

    @property
    def statements(self) -> list[str]:
        """Everything but what begins and ends transactions."""
        self._listen()
        return self._statements

    @property
    def commits(self) -> int:
        """How many transactions were committed."""
        self._listen()
        return self._commits

    @property
    def journeys(self) -> int:
        """How often the database was waited for; SQLite has none."""
        self._listen()
        return self._journeys

    def clear(self) -> None:
        """Count anew."""
        self._listen()
        self._statements.clear()
        self._commits = self._journeys = 0

    def end(self) -> None:
        """Listen to no connection any more."""
        self._listen()
        while self.lines:
            self.lines.pop().close()

    def note(self, statement: str) -> None:
        """Count one statement."""
        word = statement.lstrip().split(maxsplit=1)[0].upper().rstrip(";")
        if word == "COMMIT":
            self._commits += 1
        elif word not in _CONTROL:
            self._statements.append(statement)

    def _listen(self) -> None:
        for line in self.lines:
            statements, journeys = line.heard()
            self._journeys += journeys
            for statement in statements:
                self.note(statement)


class _Line:
    """A connection to PostgreSQL, overheard by libpq itself (PQtrace)."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the connections)
        self._heard = 0
        self._prepared: dict[str, str] = {}
        self._bound = ""
        connection.pgconn.trace(self._file.fileno())
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

    def close(self) -> None:
        """Listen no more."""
        self._file.close()

    def heard(self) -> tuple[list[str], int]:
        """Return the statements that were run since the last time, and how often an answer was waited for."""
        size = os.fstat(self._file.fileno()).st_size
        text = os.pread(self._file.fileno(), size - self._heard, self._heard).decode()
        self._heard = size
        statements: list[str] = []
        journeys = 0
        for kind, content in _MESSAGE.findall(text):
            journeys += kind in ("Query", "Sync")
            if kind == "Query":
                statements.append(content.strip().strip('"'))
            elif kind == "Execute":
                statements.append(self._prepared[self._bound])
            elif kind == "Parse":
                name, words = _NAMED.match(content).groups()  # type: ignore[union-attr]  # libpq's form
                self._prepared[name] = words
            elif kind == "Bind":
                self._bound = content.split('"')[3]
        return statements, journeys


@contextmanager
def counted(database: Database) -> Iterator[Traffic]:
    """Count on all connections of a process; connections that stood before are closed."""
    traffic = Traffic()
    engines = {database.engine, database.reader}
    overhear = _sqlite(traffic) if database.dialect == "sqlite" else _postgresql(traffic)
    for engine in engines:
        event.listen(engine, "connect", overhear)
    database.dispose()
    try:
        _open(engines)
        traffic.clear()
        yield traffic
    finally:
        for engine in engines:
            event.remove(engine, "connect", overhear)
        database.dispose()
        traffic.end()


def _open(engines: set[Engine]) -> None:
    """Connect once: what SQLAlchemy asks a new server does not count."""
    for engine in engines:
        engine.connect().close()


def _sqlite(traffic: Traffic) -> Any:
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(traffic.note)

    return connect


def _postgresql(traffic: Traffic) -> Any:
    def connect(connection: psycopg.Connection[Any], _record: object) -> None:
        traffic.lines.append(_Line(connection))

    return connect
