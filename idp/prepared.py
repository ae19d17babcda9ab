"""Statements compiled once and run without the ORM, and rows inserted in one round trip (design §6).

For the paths that every sign-in takes.  A statement stays the Core expression it is; what SQLAlchemy works
out anew at each execution (its cache key, the kinds of its parameters and columns) is worked out once.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Delete, Insert, Select, Table, Update, bindparam, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session, SessionTransaction

from idp.db import Base, begin_writing, wrapped

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete
Row = Sequence[Any]
_Convert = Callable[[Any], Any]

_CONNECTION: Final = "lotse.connection"
_CURSOR: Final = "lotse.cursor"

_DIALECTS: Mapping[str, Dialect] = {
    "postgresql": postgresql.psycopg.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy types no dialect
    "sqlite": sqlite.dialect(paramstyle="named"),
}


class _Text(NamedTuple):
    """A statement in one dialect's words, and how values go in and come out."""

    words: str
    #: what the statement itself says
    constants: Mapping[str, Any]
    going_in: Mapping[str, _Convert | None]
    coming_out: Sequence[_Convert | None]
    #: it changes something, or locks what it reads
    writes: bool

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Execute with values as the columns' types take them, and return the driver's cursor.

        Not through ``Connection.execute``: its result object costs as much as the statement.

        :raises DBAPIError: as every other statement does.
        """
        given = dict(self.constants)
        for name, convert in self.going_in.items():
            given[name] = values[name] if convert is None else convert(values[name])
        cursor = _cursor(connection)
        try:
            if self.writes and connection.in_transaction():  # outside of one it commits itself
                begin_writing(cursor.connection)
            cursor.execute(self.words, given)
        except connection.dialect.loaded_dbapi.Error as error:
            raise wrapped(connection, cursor, self.words, error) from error
        return cursor


def _cursor(connection: Connection) -> Any:
    """Return the one cursor of a database connection, which is as dear to make as a statement is to run.

    Rows are fetched before the next statement, so that one is enough.
    """
    kept = connection.info
    found = kept.get(_CURSOR)
    if found is None:
        found = kept[_CURSOR] = connection.connection.cursor()
    return found


class Prepared:
    """A Core statement with ``bindparam`` for what varies; it has no ``IN`` over a list."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def rows(self, db: Session | Connection, **values: Any) -> list[Row]:
        """Run in the transaction of a session or connection and return the rows."""
        connection = _connection(db)
        text = self._text(connection)
        found = text.run(connection, values).fetchall()
        if not any(text.coming_out):
            return list(found)
        return [[_read(*cell) for cell in zip(row, text.coming_out, strict=True)] for row in found]

    def first(self, db: Session | Connection, **values: Any) -> Row | None:
        """Return the first row, or None."""
        found = self.rows(db, **values)
        return found[0] if found else None

    def run(self, db: Session | Connection, **values: Any) -> None:
        """Run a statement that returns nothing."""
        connection = _connection(db)
        self._text(connection).run(connection, values)

    def _text(self, connection: Connection) -> _Text:
        name = connection.dialect.name
        if name not in self._texts:
            self._texts[name] = _compile(self._statement, name)
        return self._texts[name]


def _connection(db: Session | Connection) -> Connection:
    """Return the connection of a unit of work; a session is asked for it once a transaction or savepoint."""
    if isinstance(db, Connection):
        return db
    held: tuple[SessionTransaction | None, Connection] | None = db.info.get(_CONNECTION)
    if held is None or held[0] is not _transaction(db):
        connection = db.connection()  # begins the session's transaction, or sets the savepoint
        db.info[_CONNECTION] = _transaction(db), connection
        return connection
    return held[1]


def _transaction(db: Session) -> SessionTransaction | None:
    return db.get_nested_transaction() or db.get_transaction()


def insert_rows(db: Session, *rows: tuple[type[Base], Mapping[str, Any]]) -> None:
    """Insert rows of one or several tables, in one round trip where the database can.

    :param rows: model and values by column; columns left out, and those given as None, get their default.  A
        later row may refer to an earlier one.
    """
    connection = _connection(db)
    # without what is NULL anyway: the driver keeps only statements with fewer than fifty parameters
    given = [
        (model, {name: value for name, value in row.items() if value is not None}) for model, row in rows
    ]
    values = {f"{column}_{number}": row[column] for number, (_, row) in enumerate(given) for column in row}
    for text in _inserts(connection.dialect.name, tuple((model, tuple(row)) for model, row in given)):
        text.run(connection, values)


@lru_cache(maxsize=256)
def _inserts(dialect: str, shape: tuple[tuple[type[Base], tuple[str, ...]], ...]) -> list[_Text]:
    texts = [_insert(dialect, number, model, columns) for number, (model, columns) in enumerate(shape)]
    if dialect != "postgresql":
        return texts
    *first, last = texts
    words = ", ".join(f"i{number} AS ({text.words})" for number, text in enumerate(first))
    return [
        _Text(
            words=f"WITH {words} {last.words}" if first else last.words,
            constants={name: value for text in texts for name, value in text.constants.items()},
            going_in={name: convert for text in texts for name, convert in text.going_in.items()},
            coming_out=(),
            writes=True,
        )
    ]


def _insert(dialect: str, number: int, model: type[Base], columns: tuple[str, ...]) -> _Text:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101  (models are tables, not joins)
    values: dict[str, Any] = {
        name: bindparam(f"{name}_{number}", type_=table.c[name].type) for name in columns
    }
    for column in table.columns:
        if column.name not in values and column.default is not None and column.default.is_scalar:
            values[column.name] = bindparam(f"{column.name}_{number}", column.default.arg, type_=column.type)
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
        words=str(compiled),
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
