"""The outbox: messages are rows of the change that caused them, and leave after its commit (A6, req 47).

``enqueue`` belongs to operations.  ``claim`` and ``settle`` belong to the worker: claiming takes a lease in
one short transaction, sending happens outside any, settling counts only while the lease is still the
sender's own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, delete, or_, select, update
from sqlalchemy.orm import Session

from idp.crypto import KeyUnknown, SealBroken
from idp.db import new_id
from idp.delivery.mail_domain import mail_domain
from idp.delivery.models import EXPIRED, FAILED, OPEN, SENDING, SENT, WAITING, WITHHELD, OutboxMessage
from idp.installation import Vault
from idp.logging import get_logger
from idp.settings import Settings

MAIL, SMS, CALL, BACKCHANNEL_LOGOUT, EVENT = "mail", "sms", "call", "backchannel_logout", "event"
KINDS = frozenset({MAIL, SMS, CALL, BACKCHANNEL_LOGOUT, EVENT})

LEASE = timedelta(seconds=60)
"""How long a sender may take before the message counts as abandoned."""
FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(hours=24)
KEY_DELAY = timedelta(minutes=1)
"""How long a message waits for its master key, before it is looked at again."""
LONGEST_DELAY_AWAY = timedelta(seconds=60)
"""The same while the server for everybody's messages is away: it may be back at any moment (F5)."""

_log = get_logger(__name__)
_TABLE = OutboxMessage.__tablename__
_BULK = {"synchronize_session": False}


class Work(Protocol):
    """What the outbox needs of an operation's context."""

    @property
    def db(self) -> Session: ...
    @property
    def now(self) -> datetime: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def settings(self) -> Settings: ...


class Undeliverable(Exception):
    """Raised by a sender for what no later attempt can mend; the text goes into the receipt."""


class Unreachable(Exception):
    """Raised by a sender when the server for all messages is away: this one is no worse than others."""


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message, as its sender gets it."""

    id: str
    kind: str
    recipient: str
    payload: Mapping[str, Any]
    message_id: str
    attempts: int
    created_at: datetime
    expires_at: datetime
    reference: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far one recipient of a group is."""

    reference: str | None
    state: str


def enqueue(
    ctx: Work,
    kind: str,
    recipient: str,
    payload: Mapping[str, Any],
    *,
    expires_at: datetime,
    group: str | None = None,
    reference: str | None = None,
    withheld: bool = False,
) -> str:
    """Put a message into the outbox, in the current unit of work; returns its id.

    :param recipient: address, number or URL; stored sealed.
    :param payload: JSON facts the sender makes the message from; stored sealed.
    :param expires_at: not sent after this moment.
    :param group: id that binds the messages of one sign-out or block for ``receipt``.
    :param reference: whom the receipt names, such as a client_id; never an address.
    :param withheld: it is never sent, and only costs what others cost; recipient and facts are not kept.
    :raises ValueError: the kind is unknown.
    """
    values = row(ctx, kind, recipient, payload, expires_at=expires_at, withheld=withheld)
    ctx.db.add(OutboxMessage(**values, group_id=group, reference=reference))
    return str(values["id"])


def row(
    ctx: Work,
    kind: str,
    recipient: str,
    payload: Mapping[str, Any],
    *,
    expires_at: datetime,
    withheld: bool = False,
) -> dict[str, Any]:
    """Return a message's row, for operations that insert it together with their own; as :func:`enqueue`.

    :raises ValueError: the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"no messages of kind {kind}")
    key = new_id()
    sealed = (
        ctx.vault.seal(recipient.encode(), table=_TABLE, row=key),
        ctx.vault.seal_json(dict(payload), table=_TABLE, row=key),
    )
    return {
        "id": key,
        "kind": kind,
        "recipient": None if withheld else sealed[0],
        "payload": None if withheld else sealed[1],
        "message_id": f"{key}@{mail_domain(ctx.settings)}",
        "state": WITHHELD if withheld else WAITING,
        "finished_at": ctx.now if withheld else None,
        "attempts": 0,
        "next_attempt_at": ctx.now,
        "created_at": ctx.now,
        "expires_at": expires_at,
    }


def claim(ctx: Work, kinds: Collection[str], *, limit: int) -> list[Message]:
    """Lease up to *limit* due messages of these kinds; commit before sending any of them.

    Expired ones are dropped unsent.  Two workers never get the same message: PostgreSQL skips locked rows,
    SQLite lets one writer in at a time.
    """
    due = (
        select(OutboxMessage.id)
        .where(
            OPEN,
            OutboxMessage.next_attempt_at <= ctx.now,
            OutboxMessage.kind.in_(kinds),
        )
        .order_by(OutboxMessage.next_attempt_at, OutboxMessage.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    chosen = ctx.db.scalars(due).all()
    if not chosen:
        return []
    ctx.db.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(chosen), OutboxMessage.expires_at <= ctx.now)
        .values(state=EXPIRED, finished_at=ctx.now, recipient=None, payload=None),
        execution_options=_BULK,
    )
    leased = ctx.db.scalars(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(chosen), OutboxMessage.expires_at > ctx.now)
        .values(state=SENDING, attempts=OutboxMessage.attempts + 1, next_attempt_at=ctx.now + LEASE)
        .returning(OutboxMessage),
        execution_options=_BULK | {"populate_existing": True},
    ).all()
    opened = [_open(ctx, row) for row in sorted(leased, key=lambda row: row.id)]
    ctx.db.flush()
    return [message for message in opened if message is not None]


def _open(ctx: Work, row: OutboxMessage) -> Message | None:
    """Return a leased message; None where it does not open, which must not hold up the others."""
    try:
        return _opened(ctx.vault, row)
    except KeyUnknown as error:  # another machine has the new master key already, this one is still to get it
        _log.warning("message put off", message=row.id, kind=row.kind, why=str(error))
        row.state, row.next_attempt_at = WAITING, ctx.now + KEY_DELAY
        row.last_error = "its master key is not here yet"
    except SealBroken:
        row.state, row.finished_at, row.last_error = FAILED, ctx.now, "the content does not open"
    return None


def has_due(reader: Connection, kinds: Collection[str], now: datetime) -> bool:
    """Tell, without a transaction, whether ``claim`` would find something."""
    due = select(OutboxMessage.id).where(
        OPEN,
        OutboxMessage.next_attempt_at <= now,
        OutboxMessage.kind.in_(kinds),
    )
    return reader.execute(due.limit(1)).first() is not None


def settle(
    ctx: Work, message: Message, *, error: str | None = None, final: bool = False, away: bool = False
) -> str | None:
    """Write down how an attempt ended; returns the new state, None when the lease was lost meanwhile.

    Without *error* it was sent.  With one it waits for the next attempt (2 s, then twice as long each time,
    at most 24 h, or a minute while the server is *away*), and has failed for good when *final* or when it
    would expire before.
    """
    values: dict[str, Any] = {"last_error": error and error[:200]}
    pause = delay(message.attempts)
    again = ctx.now + (min(pause, LONGEST_DELAY_AWAY) if away else pause)
    if error is not None and not final and again < message.expires_at:
        values |= {"state": WAITING, "next_attempt_at": again}
    else:
        state = SENT if error is None else FAILED
        values |= {"state": state, "finished_at": ctx.now, "recipient": None, "payload": None}
    own_lease = (OutboxMessage.state == SENDING) & (OutboxMessage.attempts == message.attempts)
    done = ctx.db.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message.id, own_lease)
        .values(values)
        .returning(OutboxMessage.state),
        execution_options=_BULK,
    )
    return done.scalar_one_or_none()


def delay(attempts: int) -> timedelta:
    """Return the time to wait after the n-th failed attempt."""
    factor: int = 2 ** min(attempts - 1, 20)
    return min(FIRST_DELAY * factor, LONGEST_DELAY)


def receipt(db: Session, group: str) -> list[Receipt]:
    """Return the state of every message of a group, in the order they were made."""
    query = select(OutboxMessage.reference, OutboxMessage.state).where(OutboxMessage.group_id == group)
    return [Receipt(*row) for row in db.execute(query.order_by(OutboxMessage.created_at, OutboxMessage.id))]


def is_under_way(db: Session, group: str) -> bool:
    """Tell whether a message of a group has not been tried to its end yet."""
    untried = (OutboxMessage.state == SENDING) | (
        (OutboxMessage.state == WAITING) & OutboxMessage.last_error.is_(None)
    )
    query = select(OutboxMessage.id).where(OutboxMessage.group_id == group, untried)
    return db.execute(query.limit(1)).first() is not None


_READABLE = select(OutboxMessage).where(
    OutboxMessage.kind.in_((MAIL, SMS, CALL)), OutboxMessage.payload.is_not(None)
)


def list_messages(ctx: Work, limit: int) -> list[Message]:
    """Return the messages to people that are still readable, newest first: the demo's outbox."""
    query = _READABLE.order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc()).limit(limit)
    return [_opened(ctx.vault, row) for row in ctx.db.scalars(query)]


def find_message(ctx: Work, key: str) -> Message | None:
    """Return one of them, or None."""
    row = ctx.db.scalar(_READABLE.where(OutboxMessage.id == key))
    return None if row is None else _opened(ctx.vault, row)


def purge(ctx: Work, limit: int) -> int:
    """Remove up to *limit* messages that ended or expired too long ago; returns how many."""
    before = ctx.now - timedelta(days=ctx.settings.retention.sent_message_days)
    old = select(OutboxMessage.id).where(
        OutboxMessage.created_at < before,
        or_(OutboxMessage.finished_at < before, OutboxMessage.expires_at < before),
    )
    gone = ctx.db.execute(
        delete(OutboxMessage).where(OutboxMessage.id.in_(old.limit(limit))).returning(OutboxMessage.id),
        execution_options=_BULK,
    )
    return len(gone.all())


def oldest_due(reader: Connection, kinds: Collection[str], now: datetime) -> datetime | None:
    """Return since when the longest waiting message of these kinds is due, None where none is."""
    moment = OutboxMessage.next_attempt_at
    due = select(moment).where(OPEN, moment <= now, OutboxMessage.kind.in_(kinds))
    return reader.execute(due.order_by(moment).limit(1)).scalar_one_or_none()


def _opened(vault: Vault, row: OutboxMessage) -> Message:
    if row.recipient is None or row.payload is None:
        raise SealBroken("the content was removed")
    return Message(
        id=row.id,
        kind=row.kind,
        recipient=vault.open(row.recipient, table=_TABLE, row=row.id).decode(),
        payload=vault.open_json(row.payload, table=_TABLE, row=row.id),
        message_id=row.message_id,
        attempts=row.attempts,
        created_at=row.created_at,
        expires_at=row.expires_at,
        reference=row.reference,
        group=row.group_id,
    )
