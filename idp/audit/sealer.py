"""The chain over committed events, made afterwards so that no writer waits for the head (design §2).

Writers commit in any order and leave ``position`` empty.  The sealer takes what is committed in order of
time and id, gives it the next positions without gaps, and stores in each row ``SHA-256(chain of the row
before | row)``. Each run ends with a seal signed with HMAC-SHA256 under the installation's audit key, which
is itself sealed under the master key: who can write the database but has not that key cannot make a chain
that verifies.
"""

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    String,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from idp.audit.events import Event
from idp.audit.log import record
from idp.audit.models import AuditEvent, AuditPersonal, AuditSeal
from idp.context import Context
from idp.db import to_micros, try_lock
from idp.installation import AUDIT_KEY, Vault
from idp.logging import get_logger

GENESIS = bytes(32)
BATCH = 500
"""Events a transaction seals: on SQLite writers wait for it, so it stays within milliseconds."""
EVENTS_PER_SEAL = 1000

_EVENTS = AuditEvent.metadata.tables["audit_event"]
_COVERED = tuple(
    sorted(column.name for column in _EVENTS.columns if column.name not in {"position", "chain"})
)
_LINK_ONE = (
    update(_EVENTS)
    .where(_EVENTS.c.id == bindparam("event_id"))
    .values(position=bindparam("next_position"), chain=bindparam("next_chain"))
)
_given = (
    func.unnest(
        bindparam("event_id", type_=ARRAY(String)),
        bindparam("next_position", type_=ARRAY(BigInteger)),
        bindparam("next_chain", type_=ARRAY(LargeBinary)),
    )
    .table_valued("id", "position", "chain", name="given")
    .render_derived()
)
_LINK_ALL = (
    update(_EVENTS)
    .where(_EVENTS.c.id == _given.c.id)
    .values(position=_given.c.position, chain=_given.c.chain)
)
_BULK = {"synchronize_session": False}
_log = get_logger(__name__)


def link(before: bytes, position: int, values: dict[str, Any]) -> bytes:
    """Return the chain value of an event.

    Columns that are NULL do not take part, so a column added by a later release leaves old rows as they are.
    """
    text = json.dumps(
        {"position": position}
        | {name: _plain(values[name]) for name in _COVERED if values[name] is not None},
        separators=(",", ":"),
        sort_keys=True,
    )
    return hashlib.sha256(before + text.encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_micros(value)
    return value.hex() if isinstance(value, bytes) else value


def sign(vault: Vault, seal: AuditSeal) -> bytes:
    """Return the signature of a seal."""
    return _mac(vault, seal, "audit seal", seal.sealed_at)


def sign_cut(vault: Vault, seal: AuditSeal, cut_at: datetime) -> bytes:
    """Return the signature that makes a seal the point where retention cut the chain."""
    return _mac(vault, seal, "audit cut", cut_at)


def _mac(vault: Vault, seal: AuditSeal, purpose: str, at: datetime) -> bytes:
    facts = [purpose, seal.sequence, seal.first_position, seal.last_position, seal.chain.hex(), to_micros(at)]
    key = vault.secrets[AUDIT_KEY].get(seal.key_version, b"")
    return hmac.digest(key, json.dumps(facts).encode(), hashlib.sha256) if key else b""


def seal(ctx: Context) -> int:
    """Chain up to 500 committed events and sign the new head; returns how many.

    Needs a transaction of its own.  0 also means that another process is sealing at this moment.
    """
    if not try_lock(ctx.db, "audit.seal"):
        return 0
    waiting = (
        select(_EVENTS).where(_EVENTS.c.position.is_(None)).order_by(_EVENTS.c.at, _EVENTS.c.id).limit(BATCH)
    )
    rows = ctx.db.execute(waiting).mappings().all()
    if not rows:
        return 0
    last = ctx.db.scalars(select(AuditSeal).order_by(AuditSeal.sequence.desc()).limit(1)).first()
    position, chain = (last.last_position, last.chain) if last else (0, GENESIS)
    links = []
    for row in rows:
        position += 1
        chain = link(chain, position, dict(row))
        links.append({"event_id": row["id"], "next_position": position, "next_chain": chain})
    _store(ctx.db.connection(), links)
    _sign_head(ctx, last, position - len(rows) + 1, position, chain)
    return len(rows)


def _store(connection: Connection, links: list[dict[str, Any]]) -> None:
    """Give events their places: on PostgreSQL by one statement, which costs half of one for each."""
    if connection.dialect.name == "postgresql":
        columns = {name: [made[name] for made in links] for name in links[0]}
        connection.execute(_LINK_ALL, columns)
    else:
        connection.execute(_LINK_ONE, links)


def _sign_head(ctx: Context, last: AuditSeal | None, first: int, position: int, chain: bytes) -> None:
    """Sign the new head, with the last seal moved forward or with a new one.

    A seal covers an hour or a thousand events, so their number stays small and a cut never removes much at
    once.
    """
    head = last
    if head is None or not _has_room(head, position, ctx.now):
        head = AuditSeal(sequence=last.sequence + 1 if last else 1, first_position=first)
        ctx.db.add(head)
    head.last_position = position
    head.chain = chain
    head.sealed_at = ctx.now
    head.key_version = ctx.vault.newest(AUDIT_KEY)[0]
    head.signature = sign(ctx.vault, head)
    ctx.db.flush()
    # The head stands in the log stream too: a copy elsewhere shows when the newest rows were cut off.
    _log.info("audit log sealed", position=position, head=chain.hex())


def _has_room(seal: AuditSeal, position: int, now: datetime) -> bool:
    same_hour = seal.sealed_at.replace(minute=0, second=0, microsecond=0) == now.replace(
        minute=0, second=0, microsecond=0
    )
    return seal.cut_at is None and same_hour and position - seal.first_position < EVENTS_PER_SEAL


def purge(ctx: Context, limit: int) -> int:
    """Enforce retention on *limit* rows or a seal more; returns how many were erased or removed (req 111).

    Erases origins that are too old, of failed attempts sooner, then cuts the chain at a seal: events before
    it go, the seal is signed as the point of the cut, and the cut itself is an event.  Needs a transaction
    of its own.
    """
    if not try_lock(ctx.db, "audit.seal"):
        return 0
    keep = ctx.settings.retention
    old = AuditPersonal.at < _days_ago(ctx, keep.audit_origin_days)
    failed = AuditPersonal.failure.is_(True) & (AuditPersonal.at < _days_ago(ctx, keep.failed_sign_in_days))
    done = _erase_origins(ctx.db, old, limit) + _erase_origins(ctx.db, failed, limit)
    return done + _cut(ctx, _days_ago(ctx, keep.audit_days), limit)


def _days_ago(ctx: Context, days: int) -> datetime:
    return ctx.now - timedelta(days=days)


def _erase_origins(db: Session, stale: ColumnElement[bool], limit: int) -> int:
    chosen = select(AuditPersonal.event_id).where(AuditPersonal.origin.is_not(None), stale).limit(limit)
    gone = db.execute(
        update(AuditPersonal)
        .where(AuditPersonal.event_id.in_(chosen))
        .values(origin=None)
        .returning(AuditPersonal.event_id),
        execution_options=_BULK,
    )
    return len(gone.all())


def _cut(ctx: Context, before: datetime, limit: int) -> int:
    point = _cut_point(ctx.db, before, limit)
    if point is None:
        return 0
    point.cut_at = ctx.now
    point.cut_signature = sign_cut(ctx.vault, point, ctx.now)
    old = select(AuditEvent.id).where(AuditEvent.position <= point.last_position)
    ctx.db.execute(delete(AuditPersonal).where(AuditPersonal.event_id.in_(old)), execution_options=_BULK)
    removed = ctx.db.execute(
        delete(AuditEvent).where(AuditEvent.position <= point.last_position).returning(AuditEvent.id),
        execution_options=_BULK,
    )
    count = len(removed.all())
    ctx.db.execute(delete(AuditSeal).where(AuditSeal.sequence < point.sequence), execution_options=_BULK)
    record(ctx, Event.AUDIT_CUT, new={"position": point.last_position, "events": count})
    ctx.db.flush()
    return count


def _cut_point(db: Session, before: datetime, limit: int) -> AuditSeal | None:
    """Return the first old seal with *limit* events before it or more, else the newest old one.

    So fewer than *limit* means that nothing more is old; a seal covers little more than a thousand.
    """
    start = db.scalar(
        select(func.coalesce(func.max(AuditSeal.last_position), 0)).where(AuditSeal.cut_at.is_not(None))
    )
    point = None
    seals = select(AuditSeal).where(AuditSeal.last_position > start, AuditSeal.sealed_at < before)
    for candidate in db.scalars(seals.order_by(AuditSeal.sequence).limit(limit)):
        point = candidate
        if candidate.last_position - (start or 0) >= limit:
            break
    return point


def has_work(reader: Connection) -> bool:
    """Tell, without a transaction, whether events wait to be chained."""
    waiting = select(_EVENTS.c.id).where(_EVENTS.c.position.is_(None)).limit(1)
    return reader.execute(waiting).first() is not None


def oldest_unsealed(reader: Connection) -> datetime | None:
    """Return the time of the oldest event that waits to be chained: seconds ago, unless no worker runs."""
    waiting = select(AuditEvent.at).where(AuditEvent.position.is_(None)).order_by(AuditEvent.at).limit(1)
    return reader.execute(waiting).scalar_one_or_none()
