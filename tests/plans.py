"""How the database answers the queries that something makes: by an index, or by reading a table (F11)."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from idp.context import Services
from idp.db import Database


@contextmanager
def selects(
    database: Database, kinds: tuple[str, ...] = ("SELECT", "UPDATE", "DELETE"), *, elsewhere: bool = False
) -> Iterator[list[tuple[str, Any]]]:
    """The statements of some kinds that are run meanwhile, with their parameters.

    :param elsewhere: only those of other threads, such as a server's.
    """
    found: list[tuple[str, Any]] = []
    mine = threading.get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if elsewhere and threading.get_ident() == mine:
            return
        if statement.lstrip().startswith(kinds) and "pg_try" not in statement:
            found.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def plan(services: Services, statement: str, parameters: Any) -> str:
    """Return the plan; on PostgreSQL with sequential scans as dear as a large table makes them."""
    with services.database.engine.begin() as connection:
        if services.database.dialect == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return "\n".join(str(row[-1]) for row in rows)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return "\n".join(
            str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        )


def scanned(text: str, tables: Collection[str]) -> set[str]:
    """Return those of *tables* that a plan reads as a whole rather than by part of an index."""
    found = set()
    for line in text.splitlines():
        for table in tables:
            if f"Seq Scan on {table}" in line or f'Seq Scan on "{table}"' in line:
                found.add(table)
            if line.strip().split()[:2] == ["SCAN", table] and "INDEX" not in line:
                found.add(table)
    return found
