"""What hot statements are sent by, below the drivers' cursors, alike for both databases (design §6)."""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

Row = Sequence[Any]
Values = Mapping[str, Any]

_PLACE: Final = re.compile(r"%\((\w+)\)s")


class Words(NamedTuple):
    """A statement as its database takes it, and whose values stand in its places."""

    text: str
    names: tuple[str, ...]


def words(text: str, dialect: str) -> Words:
    """Return a statement with parameters in the style of the dialect's driver, ready to be sent."""
    if dialect != "postgresql":
        return Words(text, ())
    names: dict[str, int] = {}
    numbered = _PLACE.sub(lambda place: f"${names.setdefault(place[1], len(names) + 1)}", text)
    return Words(numbered.replace("%%", "%"), tuple(names))


class Wire(Protocol):
    """One database connection.  Errors are the driver's."""

    def rows(self, statement: Words, values: Values, *, begin: bool = False) -> list[Row]:
        """Run a statement and return its rows.

        :param begin: in a transaction, which begins with it unless it has begun.
        """
        ...

    def later(self, statement: Words, values: Values) -> None:
        """Run a statement that returns nothing, in the transaction; at the latest before what comes next."""
        ...

    def soon(self, statement: Words, values: Values, *, begin: bool = False) -> Callable[[], list[Row]]:
        """Ask for rows that change nothing, at the latest with what comes next; returns how to get them.

        To get them raises an error where what they went along with did.

        :param begin: as for :meth:`rows`: what is read is held until the transaction ends.
        """
        ...

    def flush(self, *, begin: bool = False) -> None:
        """Run what waits; others are about to use the connection."""
        ...

    @property
    def begun(self) -> bool:
        """Whether a transaction has begun, or begins with what waits."""
        ...

    def commit(self) -> None:
        """Run what waits, and end the transaction: it is undone where it cannot be kept."""
        ...

    def rollback(self) -> None:
        """Drop what waits, and undo what was done in the transaction."""
        ...


class SqliteWire:
    """SQLite has no journeys: everything is done where it is asked for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: Words, values: Values, *, begin: bool = False) -> list[Row]:
        """As :meth:`Wire.rows`; to begin waits for the write lock, so that what is read next still holds."""
        self.flush(begin=begin)
        return self._connection.execute(statement.text, values).fetchall()

    def later(self, statement: Words, values: Values) -> None:
        """As :meth:`Wire.later`."""
        self.rows(statement, values, begin=True)

    def soon(self, statement: Words, values: Values, *, begin: bool = False) -> Callable[[], list[Row]]:
        """As :meth:`Wire.soon`."""
        found = self.rows(statement, values, begin=begin)
        return lambda: found

    def flush(self, *, begin: bool = False) -> None:
        """As :meth:`Wire.flush`."""
        if begin and not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    @property
    def begun(self) -> bool:
        """As :attr:`Wire.begun`."""
        return self._connection.in_transaction

    def commit(self) -> None:
        """As :meth:`Wire.commit`."""
        try:
            self._connection.commit()
        except sqlite3.Error:
            self._connection.rollback()
            raise

    def rollback(self) -> None:
        """As :meth:`Wire.rollback`."""
        self._connection.rollback()
