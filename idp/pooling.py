"""Pooled connections: each has its wire, and none is used whose server went away."""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, StatementError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from idp.wire import Wire

_READ_ONLY: Final = "25006"
WIRE: Final = "lotse.wire"
_SINCE: Final = "lotse.since"
_USED: Final = "lotse.used"
RESTED_SECONDS: Final = 1.0
"""After what time without use a connection is looked at before it is used again."""
#: when a connection of an engine was last found dead
_went_away: WeakKeyDictionary[Engine, float] = WeakKeyDictionary()


def open_wires(engine: Engine, open_wire: Callable[[Any], Wire]) -> None:
    """Give each connection its wire, and leave those alone whose server went away or takes no writes."""

    @event.listens_for(engine, "handle_error")
    def handle_error(context: ExceptionContext) -> None:
        if takes_no_writes(context.original_exception):
            context.is_disconnect = True

    @event.listens_for(engine, "connect")
    def connect(driver_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info.update({WIRE: open_wire(driver_connection), _SINCE: time.monotonic()})

    @event.listens_for(engine, "checkout")
    def checkout(_driver_connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if entry.info[_SINCE] < _went_away.get(engine, 0):
            raise DisconnectionError  # the pool makes a new one


def look_at_rested(engine: Engine) -> None:
    """Leave alone what the server closed while nobody used it: its restart then fails no later request.

    It says nothing unasked, so whatever can be read is its farewell; to look is no journey.
    """

    @event.listens_for(engine, "checkout")
    def checkout(driver_connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        now = time.monotonic()
        if now - entry.info.get(_USED, now) >= RESTED_SECONDS:
            said = select.poll()
            said.register(driver_connection.fileno(), select.POLLIN)
            if said.poll(0):
                raise DisconnectionError  # the pool makes a new one
        entry.info[_USED] = now


def takes_no_writes(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL refused a write as such: what was the primary is a standby now."""
    return getattr(error, "sqlstate", None) == _READ_ONLY


def wire_of(connection: Connection | PoolProxiedConnection) -> Wire:
    """Return what hot statements of a connection are sent by; it stays with it in the pool."""
    wire: Wire = connection.info[WIRE]
    return wire


@contextmanager
def reported(connection: Connection, words: str) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy's."""
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        raise wrapped(connection, words, error) from error


def wrapped(connection: Connection, words: str, error: Exception) -> StatementError:
    """Return SQLAlchemy's exception for the driver's, without values; a dead connection leaves the pool."""
    lost = not connection.closed and _is_lost(connection.connection, connection.engine, error)
    if lost:
        connection.invalidate(error)
    return DBAPIError.instance(
        words,
        None,
        error,
        connection.dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=connection.dialect,
    )


def forget(connection: PoolProxiedConnection, engine: Engine, error: BaseException) -> None:
    """Take a connection out of its pool, which tries none before it is used."""
    _is_lost(connection, engine, error)
    connection.invalidate(error)


def _is_lost(connection: PoolProxiedConnection, engine: Engine, error: BaseException) -> bool:
    """Tell whether the database, or its primary, went away: no connection made before is used then."""
    # typed for the driver's errors and connections, to which a pooled one passes all on
    gone = engine.dialect.is_disconnect(error, connection, None)  # type: ignore[arg-type]  # see above
    lost = gone or takes_no_writes(error)
    if lost:
        _went_away[engine] = time.monotonic()
    return lost
