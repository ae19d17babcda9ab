"""The database: declarative base, column types, and the two engines every process has.

A unit of work begins its transaction before its first write, on both engines: on SQLite because the driver's
default loses updates silently (``BEGIN IMMEDIATE`` takes the write lock), on PostgreSQL because at READ
COMMITTED each statement sees the database anew anyway, and BEGIN and COMMIT are journeys.  See docs/decisions
for why times are integers.
"""

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    delete,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState, StaticPool
from sqlalchemy.types import TypeDecorator

from idp.pooling import WIRE, look_at_rested, open_wires, reported, wire_of
from idp.wire import SqliteWire, Wire

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ID_LENGTH = 32

OPEN: Final = "lotse.open"
"""What opens the connection of a unit of work that is one transaction."""
_SILENT_MS: Final = 10_000
"""How long what was sent to PostgreSQL may lie unacknowledged before the connection counts as lost."""

StorageError = SQLAlchemyError
"""What a database raises; surfaces, which build no queries, catch it by this name."""


def address_of(url: str) -> URL:
    """Return the parts of a database's URL, read as the connections of :class:`Database` read it."""
    return make_url(url)


def new_id() -> str:
    """Return a table key: 32 hexadecimal characters that grow from call to call (RFC 9562 §6.2, method 3).

    48 bits of milliseconds, 16 of what is left of the time, 64 random ones. The leading time keeps pages of
    an index warm, and in their order what an operation has written.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    return f"{milliseconds:012x}{nanoseconds >> 4:04x}{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Tell whether a text looks like a table key."""
    return len(text) == ID_LENGTH and all(sign in "0123456789abcdef" for sign in text)


def to_micros(moment: datetime) -> int:
    """Return microseconds since the epoch of an aware datetime."""
    if moment.tzinfo is None:
        raise ValueError("naive datetime")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the aware UTC datetime of microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=micros)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as microseconds since the epoch on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Refuse naive values: a time without a zone is a guess."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the moment as aware UTC."""
        return None if value is None else from_micros(value)


class Base(DeclarativeBase):
    """Base of all models; its metadata names every constraint so that migrations can."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Look(NamedTuple):
    """How a database was found."""

    at: datetime
    takes_writes: bool


class Database:
    """The engines of one process.

    :param url: SQLAlchemy URL; ``postgresql://`` means psycopg 3.
    :param pool_size: connections a process keeps for writing, and again for reading.
    :param pool_wait: seconds to wait for a free connection.
    :param statement_timeout_ms: PostgreSQL ``statement_timeout``; SQLite's busy timeout.
    """

    def __init__(
        self, url: str | URL, *, pool_size: int = 5, pool_wait: float = 1.0, statement_timeout_ms: int = 2000
    ) -> None:
        self.url = make_url(url)
        self.dialect = self.url.get_backend_name()
        if self.dialect == "sqlite":
            self.engine, self.reader = self._sqlite(pool_size, pool_wait, statement_timeout_ms)
        else:
            self.engine, self.reader = self._postgresql(pool_size, pool_wait, statement_timeout_ms)

    def session(self) -> Session:
        """Return a new unit of work on the writing engine."""
        return Session(self.engine, expire_on_commit=False, autoflush=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Return a unit of work that is kept as a whole, unless an exception leaves it.

        The first hot statement opens a connection; where such are all there is, the session never joins.
        """
        with ExitStack() as opened, self.session() as db:
            db.info[OPEN] = lambda: opened.enter_context(self.engine.begin())
            yield db
            if db.in_transaction():
                db.commit()  # where it has joined, it writes what it holds, and the connection commits

    def reading(self) -> Session:
        """Return a session on the reading engine, where no transaction ever begins."""
        return Session(self.reader, expire_on_commit=False, autoflush=False)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Return a session that only reads, and sees one state whatever others commit meanwhile."""
        with self.reader.connect() as connection:
            begin = "BEGIN DEFERRED" if self.dialect == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ"
            connection.exec_driver_sql(begin)
            try:
                with Session(connection, expire_on_commit=False, autoflush=False) as db:
                    yield db
            finally:
                connection.rollback()

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """Return a connection for one statement that commits itself: BEGIN and COMMIT are journeys too."""
        if self.dialect == "sqlite":  # whose writers wait for their lock first
            with self.engine.begin() as connection:
                yield connection
        else:
            with self.reader.connect() as connection:
                yield connection

    def dispose(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()
        self.reader.dispose()

    def look(self) -> Look:
        """Return the database server's time, on SQLite this machine's, and whether it takes writes."""
        if self.dialect == "sqlite":
            return Look(datetime.now(UTC), self._file_takes_writes())
        # a standby says so, as does a database that was set to it
        asked = "SELECT extract(epoch FROM clock_timestamp()), current_setting('transaction_read_only')"
        with self.reader.connect() as connection:
            seconds, read_only = connection.execute(text(asked)).one()
        return Look(datetime.fromtimestamp(float(seconds), UTC), read_only == "off")

    def _file_takes_writes(self) -> bool:
        """Change what nobody reads and take it back; who holds SQLite's lock meanwhile is not waited for."""
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            (patience,) = driver.execute("PRAGMA busy_timeout").fetchone()
            driver.execute("PRAGMA busy_timeout=0")
            try:
                driver.execute("BEGIN IMMEDIATE")  # succeeds on a file that can only be read, too
                driver.execute("PRAGMA user_version=1")
            except sqlite3.OperationalError as error:
                return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            finally:
                driver.rollback()
                driver.execute(f"PRAGMA busy_timeout={patience}")
        return True

    def _sqlite(self, size: int, wait: float, busy_timeout_ms: int) -> tuple[Engine, Engine]:
        memory = self.url.database in (None, "", ":memory:")
        options: Mapping[str, Any] = (
            {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
            if memory  # one connection for all
            else {"pool_size": 2 * size, "max_overflow": 0, "pool_timeout": wait}  # for both ways together
        )
        engine = create_engine(self.url, **options)

        @event.listens_for(engine, "do_connect")
        def do_connect(_dialect: Dialect, _record: object, arguments: Any, _more: object) -> None:
            if not memory and not arguments[0].startswith("file:"):
                _make_private(arguments[0])

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: object) -> None:
            # None: the driver opens no transaction of its own; BEGIN is ours, below.
            connection.isolation_level = None
            patience = max(busy_timeout_ms, 5000)
            connection.execute(f"PRAGMA busy_timeout={patience}")
            _use_wal(connection, patience / 1000)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")

        # Reads before the first write hold nothing, so that a unit of work may hash a password or count
        # a guess in a transaction of its own meanwhile; from the first write on it holds the write lock.
        open_wires(engine, SqliteWire)
        _share_wires(engine)
        return engine, engine

    def _postgresql(self, size: int, wait: float, timeout_ms: int) -> tuple[Engine, Engine]:
        options: Mapping[str, Any] = {
            "pool_size": size,
            "max_overflow": 0,
            "pool_timeout": wait,
            "pool_pre_ping": False,
            "pool_reset_on_return": None,  # by the wire, which knows whether there is anything to undo
            "isolation_level": "AUTOCOMMIT",
            "connect_args": {
                "options": f"-c statement_timeout={timeout_ms} -c timezone=UTC",
                "connect_timeout": max(1, round(wait)) + 1,
                # of a server that is gone without a word (tcp(7)): statement_timeout is its own to keep
                "tcp_user_timeout": _SILENT_MS,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                # the driver has the server forget all prepared statements, our own too, after each ROLLBACK
                "prepare_threshold": None,
            },
        }
        writer = create_engine(self.url, **options)
        reader = create_engine(self.url, **options)

        # loads the driver, which SQLite does without
        from idp.pipeline import PostgresqlReadingWire, PostgresqlWire

        open_wires(writer, PostgresqlWire)
        _share_wires(writer)
        open_wires(reader, PostgresqlReadingWire)
        look_at_rested(writer)
        look_at_rested(reader)
        return writer, reader


def _share_wires(engine: Engine) -> None:
    """Have hot and other statements use a connection by turns; the first write begins the transaction."""

    @event.listens_for(engine, "before_cursor_execute")
    def let_pass(  # noqa: PLR0917  (the signature of the event)
        connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        with reported(connection, statement):
            wire_of(connection).flush(begin=_writes(statement, context))

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        with reported(connection, "COMMIT"):
            wire_of(connection).commit()

    @event.listens_for(engine, "rollback")
    def rollback(connection: Connection) -> None:
        if not connection.invalidated:
            with reported(connection, "ROLLBACK"):
                wire_of(connection).rollback()

    @event.listens_for(engine, "reset")
    def reset(_driver_connection: Any, entry: ConnectionPoolEntry, state: PoolResetState) -> None:
        if not state.terminate_only:
            wire: Wire = entry.info[WIRE]
            wire.rollback()


def delete_batch(db: Session, model: type[Base], condition: ColumnElement[bool], limit: int) -> int:
    """Delete up to *limit* rows and return how many; tables that grow are purged so, batch by batch."""
    (key,) = inspect(model).primary_key
    chosen = select(key).where(condition).limit(limit)
    gone = db.execute(
        delete(model).where(key.in_(chosen)).returning(key), execution_options={"synchronize_session": False}
    )
    return len(gone.all())


def _writes(statement: str, context: Any) -> bool:
    """Tell whether a statement changes something or locks what it reads."""
    if statement.lstrip()[:6].upper() not in ("SELECT", "PRAGMA", "EXPLAI", "BEGIN "):
        return True
    compiled = getattr(context, "compiled", None)
    return getattr(getattr(compiled, "statement", None), "_for_update_arg", None) is not None


def _make_private(file: str) -> None:
    """Make a new database's file readable by its owner alone; SQLite gives its log the same rights."""
    with suppress(OSError):  # it exists, or cannot be made: SQLite says what it finds
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _use_wal(connection: sqlite3.Connection, seconds: float) -> None:
    """Switch a new file to write-ahead logging; where two do so at once, SQLite itself does not wait."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def begin_writing(connection: Connection) -> None:
    """Begin the transaction of a connection, unless it has begun: a write or a held row follows.

    On SQLite this waits for the write lock: what is read next still holds when the transaction writes.
    """
    with reported(connection, "BEGIN"):
        wire_of(connection).flush(begin=True)


def try_lock(db: Session, name: str) -> bool:
    """Take the installation-wide lock *name* until this transaction ends; False when another process has it.

    On SQLite a writing transaction excludes all others already, so the answer is always True.
    """
    connection = db.connection()
    begin_writing(connection)
    if connection.dialect.name != "postgresql":
        return True
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    return bool(db.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": key}).scalar_one())


__all__ = [
    "OPEN",
    "Base",
    "Database",
    "StorageError",
    "UtcDateTime",
    "begin_writing",
    "delete_batch",
    "from_micros",
    "new_id",
    "to_micros",
    "try_lock",
]
