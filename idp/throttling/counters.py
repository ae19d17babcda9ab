"""The table of counts and the atomic statements on it (NIST SP 800-63B-4 §3.2.2; ASVS 5.0 15.4.2).

Every change is one ``INSERT … ON CONFLICT DO UPDATE … RETURNING``: who gets a row back has a try, however
many processes ask at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Index,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.db import Base, Database, UtcDateTime
from idp.prepared import Prepared
from idp.throttling.limits import Limit, Rule

#: how long failures of an account, or of a name that is none, are remembered after the last try
KEEP_FAILURES = timedelta(days=90)


class ThrottleRow(Base):
    """Counts under a keyed hash: no name and no address stands here."""

    __tablename__ = "throttle"
    __table_args__ = (Index("ix_throttle_expires_at", "expires_at"),)

    key: Mapped[str] = mapped_column(String(43), primary_key=True)
    window_start: Mapped[datetime]
    hits: Mapped[int] = mapped_column(Integer)
    #: tries since the last success
    failures: Mapped[int] = mapped_column(Integer)
    locked_until: Mapped[datetime | None]
    expires_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Window:
    """A count and the moment it begins anew."""

    count: int
    ends: datetime


@dataclass(frozen=True, slots=True)
class Try:
    """What came of asking for a try at an account.

    :param failures: consecutive tries, this one included; 0 where it was refused.
    :param until: a refused one may be repeated then; None where only recovery helps.
    """

    failures: int
    until: datetime | None = None

    @property
    def granted(self) -> bool:
        """Whether the try may be made."""
        return self.failures > 0


class Windows(Protocol):
    """Counts that end by themselves."""

    def hit(self, wanted: Sequence[tuple[str, Limit]], now: datetime) -> list[Window]:
        """Count once under each key and return the counts."""
        ...


_table = cast(Table, ThrottleRow.__table__)
_c = _table.c


class DatabaseWindows:
    """Windows in the table, each call in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hit(self, wanted: Sequence[tuple[str, Limit]], now: datetime) -> list[Window]:
        """Count once under each key and return the counts."""
        with self._database.engine.begin() as connection:
            return [hit(connection, key, limit, now) for key, limit in wanted]


def hit(connection: Connection, key: str, limit: Limit, now: datetime) -> Window:
    """Count once under a key, beginning a new window where the last has ended."""
    found = _hit(connection.dialect.name).first(
        connection, key=key, now=now, before=now - limit.period, expires=now + limit.period
    )
    assert found is not None  # noqa: S101  (nothing refuses a hit)
    hits, window_start = found
    return Window(hits, window_start + limit.period)


@lru_cache
def _hit(dialect: str) -> Prepared:
    fresh = _is_over(bindparam("expires", type_=UtcDateTime()))
    changes = {
        "hits": case((fresh, 1), else_=_c.hits + 1),
        "window_start": case((fresh, _now()), else_=_c.window_start),
        "expires_at": case((fresh, bindparam("expires", type_=UtcDateTime())), else_=_c.expires_at),
    }
    first = {"hits": 1, "failures": 0, "expires_at": bindparam("expires")}
    return Prepared(_upsert(dialect, first, changes).returning(_c.hits, _c.window_start))


def reserve(connection: Connection, key: str, rule: Rule, now: datetime, *, waits: bool = True) -> Try:
    """Take one try, counted as failed until :func:`clear` says otherwise.

    :param waits: False for the lane that the delays do not hold.
    """
    ends = {f"until_{number}": now + delay for number, delay in enumerate(rule.delays)}
    if rule.window is not None:
        ends |= {"before": now - rule.window.period, "after": now + rule.window.period}
    delay = rule.delay(1)
    found = _reserve(connection.dialect.name, rule, waits).first(
        connection,
        key=key,
        now=now,
        expires=now + KEEP_FAILURES,
        first_until=None if delay is None else now + delay,
        **ends,
    )
    return _refused(connection, key, rule, now) if found is None else Try(found[0])


@lru_cache
def _reserve(dialect: str, rule: Rule, waits: bool) -> Prepared:
    allowed: ColumnElement[bool] = _c.failures < rule.hard_stop
    if waits and rule.delays:
        allowed = and_(allowed, or_(_c.locked_until.is_(None), _c.locked_until <= _now()))
    fresh: ColumnElement[bool] = true()
    if rule.window is not None:
        fresh = _is_over(bindparam("after", type_=UtcDateTime()))
        allowed = and_(allowed, or_(fresh, _c.hits < rule.window.count))
    changes = {
        "hits": case((fresh, 1), else_=_c.hits + 1),
        "window_start": case((fresh, _now()), else_=_c.window_start),
        "failures": _c.failures + 1,
        "locked_until": _locked_until(rule),
        "expires_at": bindparam("expires"),
    }
    first = {
        "hits": 1,
        "failures": 1,
        "locked_until": bindparam("first_until"),
        "expires_at": bindparam("expires"),
    }
    return Prepared(_upsert(dialect, first, changes, allowed).returning(_c.failures))


def _refused(connection: Connection, key: str, rule: Rule, now: datetime) -> Try:
    row = connection.execute(select(_table).where(_c.key == key)).one_or_none()
    if row is None:  # cleared since by a success
        return Try(0, now)
    if row.failures >= rule.hard_stop:
        return Try(0)
    ends = [now if row.locked_until is None else row.locked_until]
    if rule.window is not None and row.hits >= rule.window.count:
        ends.append(row.window_start + rule.window.period)
    return Try(0, max(ends))


def _locked_until(rule: Rule) -> ColumnElement[Any] | None:
    if not rule.delays:
        return None
    until = [bindparam(f"until_{number}", type_=UtcDateTime()) for number in range(len(rule.delays))]
    steps = [(_c.failures + 1 == rule.free + number, moment) for number, moment in enumerate(until[:-1])]
    return case((_c.failures + 1 < rule.free, None), *steps, else_=until[-1])


def give_back(connection: Connection, key: str) -> None:
    """Undo one try that was never made: its count, and the wait that it began."""
    fewer = case((_c.failures > 0, _c.failures - 1), else_=0)
    lower = case((_c.hits > 0, _c.hits - 1), else_=0)
    connection.execute(
        update(_table).where(_c.key == key).values(failures=fewer, hits=lower, locked_until=None)
    )


_CLEAR = Prepared(delete(_table).where(_c.key == bindparam("key")))


def clear(db: Session, keys: Sequence[str]) -> None:
    """Forget the failures under some keys, one after the other, within the caller's transaction."""
    for key in keys:
        _CLEAR.run(db, key=key)


class HasUnitOfWork(Protocol):
    """The part of an operation's context that removing old rows needs."""

    @property
    def db(self) -> Session:
        """The unit of work."""
        ...

    @property
    def now(self) -> datetime:
        """The operation's time."""
        ...


def purge(ctx: HasUnitOfWork, limit: int) -> int:
    """Remove up to *limit* rows that nothing counts any more; returns how many."""
    old = select(_c.key).where(_c.expires_at <= ctx.now).limit(limit)
    return len(ctx.db.execute(delete(_table).where(_c.key.in_(old)).returning(_c.key)).all())


def _is_over(after: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Tell whether a window has ended, or begins a whole period from now: the clock was ahead then.

    By less it may be another machine's, or a request that has waited: that opens no window anew.
    """
    return or_(_c.window_start <= bindparam("before", type_=UtcDateTime()), _c.window_start >= after)


def _now() -> ColumnElement[datetime]:
    return bindparam("now", type_=UtcDateTime())


def _upsert(
    dialect: str,
    first: dict[str, Any],
    changes: dict[str, Any],
    allowed: ColumnElement[bool] | None = None,
) -> postgresql.Insert | sqlite.Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return (
        insert(_table)
        .values(first | {"key": bindparam("key"), "window_start": _now()})
        .on_conflict_do_update(index_elements=[_c.key], set_=changes, where=allowed)
    )
