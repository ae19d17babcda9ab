"""A PostgreSQL connection by libpq itself: statements stay prepared, several make one journey (libpq 34.5).

A journey is what a statement costs.  What needs no answer before the next is sent goes along with it: BEGIN
with the first write, rows that are only inserted with the next statement or with COMMIT, and a question with
the next one.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, NamedTuple

from psycopg import Connection, Error, InterfaceError, OperationalError, errors, generators, pq
from psycopg.adapt import PyFormat, Transformer

from idp.wire import Row, Values, Words

_GOOD: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
_IDLE: Final = pq.TransactionStatus.IDLE
_MOST: Final = 500
"""How many statements wait at most: a server that is slow to read a long journey would count as lost."""


class _Asked:
    """A question that may still wait for its answer."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[Row] | None = None


class _Ready(NamedTuple):
    """A statement as it is sent."""

    words: Words
    values: Sequence[Any] = ()
    #: who waits for its rows
    asked: _Asked | None = None
    #: belongs into a transaction
    begins: bool = False


_BEGIN: Final = _Ready(Words("BEGIN", ()))
_COMMIT: Final = _Ready(Words("COMMIT", ()))
_ROLLBACK: Final = _Ready(Words("ROLLBACK", ()))


class PostgresqlWire:
    """Statements stay prepared for as long as the connection lives: there are as many as the product has."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._values = Transformer(connection)
        self._prepared: dict[str, bytes] = {}
        self._waiting: list[_Ready] = []

    def rows(self, statement: Words, values: Values, *, begin: bool = False) -> list[Row]:
        """As :meth:`Wire.rows`."""
        begin = begin or self._begins()
        return self._rows_of(self._run([*self._waiting, self._ready(statement, values)], begin=begin))

    def later(self, statement: Words, values: Values) -> None:
        """As :meth:`Wire.later`."""
        self._waiting.append(self._ready(statement, values)._replace(begins=True))
        if len(self._waiting) >= _MOST:
            self.flush()

    def soon(self, statement: Words, values: Values, *, begin: bool = False) -> Callable[[], list[Row]]:
        """As :meth:`Wire.soon`."""
        asked = _Asked()
        self._waiting.append(self._ready(statement, values)._replace(asked=asked, begins=begin))

        def rows() -> list[Row]:
            if any(waiting.asked is asked for waiting in self._waiting):
                self.flush()
            if asked.rows is None:
                raise InterfaceError("what was asked for went along with what failed or was dropped")
            return asked.rows

        return rows

    def flush(self, *, begin: bool = False) -> None:
        """As :meth:`Wire.flush`."""
        if self._waiting or (begin and self._pgconn.transaction_status == _IDLE):
            self._run(self._waiting, begin=begin or self._begins())

    @property
    def begun(self) -> bool:
        """As :attr:`Wire.begun`."""
        return self._begins() or self._pgconn.transaction_status != _IDLE

    def commit(self) -> None:
        """As :meth:`Wire.commit`."""
        if not self._waiting and self._pgconn.transaction_status == _IDLE:
            return
        try:
            result = self._run([*self._waiting, _COMMIT], begin=True)
            if result.command_status == b"ROLLBACK":  # no error to the server
                raise errors.InFailedSqlTransaction("a statement had failed: nothing was kept")
        except Error:
            if self._pgconn.status == pq.ConnStatus.OK:
                self.rollback()
            raise

    def rollback(self) -> None:
        """As :meth:`Wire.rollback`."""
        self._waiting = []
        if self._pgconn.transaction_status != _IDLE:
            self._run([_ROLLBACK], begin=False)

    def _begins(self) -> bool:
        return any(waiting.begins for waiting in self._waiting)

    def _rows_of(self, result: pq.abc.PGresult) -> list[Row]:
        if not result.ntuples:
            return []
        self._values.set_pgresult(result)
        return self._values.load_rows(0, result.ntuples, tuple)

    def _run(self, statements: Sequence[_Ready], *, begin: bool) -> pq.abc.PGresult:
        """Run statements in one journey and return the last one's result."""
        self._waiting = []
        if begin and self._pgconn.transaction_status == _IDLE:
            if all(statement.words.text in self._prepared for statement in statements):
                statements = [_BEGIN, *statements]
            else:  # what cannot be prepared has to fail within the transaction
                self._send([_BEGIN])
        return self._send(statements)

    def _send(self, statements: Sequence[_Ready]) -> pq.abc.PGresult:
        named = [(self._name(statement.words), statement.values) for statement in statements]
        try:
            results = self._sent(named)
        except BaseException:
            self._pgconn.finish()  # nobody knows what it would answer next
            raise
        for statement, result in zip(statements, results, strict=True):
            if result.status not in _GOOD:
                raise self._error(result)
            if statement.asked is not None:
                statement.asked.rows = self._rows_of(result)
        return results[-1]

    def _sent(self, named: Sequence[tuple[bytes, Sequence[Any]]]) -> Sequence[pq.abc.PGresult]:
        pgconn = self._pgconn
        if len(named) == 1:
            return [pgconn.exec_prepared(*named[0])]
        pgconn.enter_pipeline_mode()
        for name, values in named:
            pgconn.send_query_prepared(name, values)
        pgconn.pipeline_sync()
        results = self._connection.wait(_answers(pgconn, len(named)))
        pgconn.exit_pipeline_mode()
        return results

    def _name(self, statement: Words) -> bytes:
        """Return what the server knows a statement by; the types of its values are for the server to find."""
        name = self._prepared.get(statement.text)
        if name is None:
            name = b"lotse_%d" % len(self._prepared)
            result = self._pgconn.prepare(name, statement.text.encode())
            if result.status not in _GOOD:
                raise self._error(result)
            self._prepared[statement.text] = name
        return name

    def _ready(self, statement: Words, values: Values) -> _Ready:
        """Return a statement with its values as they are now: what waits does not change any more."""
        given = [values[name] for name in statement.names]
        return _Ready(statement, self._values.dump_sequence(given, [PyFormat.TEXT] * len(given)))

    def _error(self, result: pq.abc.PGresult) -> Error:
        if self._pgconn.status == pq.ConnStatus.BAD:
            return OperationalError(result.get_error_message())
        return errors.error_from_result(result)


class PostgresqlReadingWire(PostgresqlWire):
    """For connections on which no transaction begins, so that nothing waits for its end either."""

    def rows(self, statement: Words, values: Values, *, begin: bool = False) -> list[Row]:
        """As :meth:`Wire.rows`, but for the beginning."""
        return super().rows(statement, values)

    def later(self, statement: Words, values: Values) -> None:
        """As :meth:`Wire.later`, but now."""
        self.rows(statement, values)

    def soon(self, statement: Words, values: Values, *, begin: bool = False) -> Callable[[], list[Row]]:
        """As :meth:`Wire.soon`, but now."""
        found = self.rows(statement, values)
        return lambda: found


def _answers(pgconn: pq.abc.PGconn, count: int) -> Generator[Any, Any, list[pq.abc.PGresult]]:
    """Read the results of that many statements and of the synchronisation that ends them."""
    results: list[pq.abc.PGresult] = []
    yield from generators.send(pgconn)
    for _ in range(count + 1):
        results += yield from generators.fetch_many(pgconn)
    return results[:-1]
