"""Statements compiled once and run without the ORM, and rows inserted without a journey (design §6).

For the paths that every sign-in takes.  A statement stays the Core expression it is; what SQLAlchemy works
out anew at each execution (its cache key, the kinds of its parameters and columns) is worked out once.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Delete, Insert, Select, Table, Update, bindparam, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session, SessionTransaction

from idp.db import OPEN, Base
from idp.pooling import wire_of, wrapped
from idp.wire import Row, Words, words

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete
Result = TypeVar("Result")
_Convert = Callable[[Any], Any]

_CONNECTION: Final = "lotse.connection"

_DIALECTS: Mapping[str, Dialect] = {
    "postgresql": postgresql.psycopg.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy types no dialect
    "sqlite": sqlite.dialect(paramstyle="named"),
}


class _Text(NamedTuple):
    """A statement in one dialect's words, and how values go in and come out."""

    words: Words
    #: what the statement itself says
    constants: Mapping[str, Any]
    going_in: Mapping[str, _Convert | None]
    coming_out: Sequence[_Convert | None]
    #: it changes something, or locks what it reads
    writes: bool

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Row]:
        """Run with values as the columns' types take them, and return rows as the driver has them.

        Not through ``Connection.execute``: its result object costs as much as the statement.

        :raises DBAPIError: as every other statement does.
        """
        begin = self.writes and connection.in_transaction()  # outside of one it commits itself
        given = self._given(values)
        return self._told(connection, lambda: wire_of(connection).rows(self.words, given, begin=begin))

    def alone(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Run what returns nothing and commits itself, on a connection where no transaction has begun."""
        given = self._given(values)
        self._told(connection, lambda: wire_of(connection).rows(self.words, given))

    def later(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Run what returns nothing, at the latest with what comes next in the transaction.

        :raises DBAPIError: or what comes next raises it.
        """
        # outside of a transaction nothing comes next, and an error in a savepoint has to be undone with it
        if not connection.in_transaction() or connection.in_nested_transaction():
            self.rows(connection, values)
            return
        given = self._given(values)
        self._told(connection, lambda: wire_of(connection).later(self.words, given))

    def soon(self, connection: Connection, values: Mapping[str, Any]) -> Callable[[], list[Row]]:
        """Ask for rows as the driver has them, at the latest with what comes next; returns how to get them.

        :raises DBAPIError: to get them does where what they went along with has failed.
        """
        begin = self.writes and connection.in_transaction()
        given = self._given(values)
        get = self._told(connection, lambda: wire_of(connection).soon(self.words, given, begin=begin))
        return lambda: self._told(connection, get)

    def read(self, found: list[Row]) -> list[Row]:
        """Return rows as the ORM would have them."""
        if not any(self.coming_out):
            return found
        return [[_read(*cell) for cell in zip(row, self.coming_out, strict=True)] for row in found]

    def _told(self, connection: Connection, action: Callable[[], Result]) -> Result:
        """Do something with the wire; errors are SQLAlchemy's."""
        try:
            return action()
        except connection.dialect.loaded_dbapi.Error as error:
            raise wrapped(connection, self.words.text, error) from error

    def _given(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        given = dict(self.constants)
        for name, convert in self.going_in.items():
            given[name] = values[name] if convert is None else convert(values[name])
        return given


class Prepared:
    """A Core statement with ``bindparam`` for what varies; it has no ``IN`` over a list."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def rows(self, db: Session | Connection, **values: Any) -> list[Row]:
        """Run in the transaction of a session or connection and return the rows."""
        connection = _connection(db)
        text = self._text(connection)
        return text.read(text.rows(connection, values))

    def first(self, db: Session | Connection, **values: Any) -> Row | None:
        """Return the first row, or None."""
        found = self.rows(db, **values)
        return found[0] if found else None

    def soon(self, db: Session | Connection, **values: Any) -> Callable[[], list[Row]]:
        """Ask for rows that change nothing, at the latest with what comes next; returns how to get them.

        Where the database can, several questions are one journey.
        """
        connection = _connection(db)
        text = self._text(connection)
        get = text.soon(connection, values)
        return lambda: text.read(get())

    def alone(self, db: Session | Connection, **values: Any) -> None:
        """Run a statement that commits itself; nothing is done where a transaction has begun."""
        connection = _connection(db)
        if not wire_of(connection).begun:
            self._text(connection).alone(connection, values)

    def run(self, db: Session | Connection, **values: Any) -> None:
        """Run a statement that returns nothing, at the latest with what comes next in the transaction."""
        connection = _connection(db)
        self._text(connection).later(connection, values)

    def _text(self, connection: Connection) -> _Text:
        name = connection.dialect.name
        if name not in self._texts:
            self._texts[name] = _compile(self._statement, name)
        return self._texts[name]


def _connection(db: Session | Connection) -> Connection:
    """Return the connection of a unit of work; a session is asked for it once a transaction or savepoint."""
    if isinstance(db, Connection):
        return db
    if OPEN in db.info and not db.in_transaction():
        db.bind = db.info.pop(OPEN)()
    if isinstance(db.bind, Connection) and db.bind.in_transaction() and db.get_nested_transaction() is None:
        return db.bind
    held: tuple[SessionTransaction | None, Connection] | None = db.info.get(_CONNECTION)
    transaction = _transaction(db)
    if held is None or held[0] is not transaction or transaction is None or not transaction.is_active:
        connection = db.connection()  # begins the session's transaction, or sets the savepoint
        db.info[_CONNECTION] = _transaction(db), connection
        return connection
    return held[1]


def _transaction(db: Session) -> SessionTransaction | None:
    return db.get_nested_transaction() or db.get_transaction()


def insert_rows(db: Session, *rows: tuple[type[Base], Mapping[str, Any]]) -> None:
    """Insert rows of one or several tables; where the database can, they travel with what comes next.

    :param rows: model and values by column; columns left out, and those given as None, get their default.  A
        later row may refer to an earlier one.
    """
    connection = _connection(db)
    for model, row in rows:
        given = {name: value for name, value in row.items() if value is not None}
        _insert(connection.dialect.name, model, tuple(given)).later(connection, given)


@lru_cache(maxsize=256)
def _insert(dialect: str, model: type[Base], columns: tuple[str, ...]) -> _Text:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101  (models are tables, not joins)
    values: dict[str, Any] = {name: bindparam(name, type_=table.c[name].type) for name in columns}
    for column in table.columns:
        if column.name not in values and column.default is not None and column.default.is_scalar:
            values[column.name] = bindparam(column.name, column.default.arg, type_=column.type)
    return _compile(insert(table).values(values).inline(), dialect)


def _compile(statement: Statement, dialect_name: str) -> _Text:
    dialect = _DIALECTS[dialect_name]
    compiled = statement.compile(dialect=dialect)
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    going_in = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in binds.items()}
    constants = {
        name: bind.effective_value if (convert := going_in[name]) is None else convert(bind.effective_value)
        for name, bind in binds.items()
        if not bind.required
    }
    return _Text(
        words=words(str(compiled), dialect_name),
        constants=constants,
        going_in={name: convert for name, convert in going_in.items() if name not in constants},
        coming_out=tuple(
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in statement.exported_columns
        ),
        writes=not isinstance(statement, Select) or statement._for_update_arg is not None,
    )


def _read(value: Any, convert: _Convert | None) -> Any:
    return value if convert is None else convert(value)
