"""Writing and reading the audit log (req 106; ASVS 16.2.1): one row in the change's own transaction.

No secret is ever written: field names that say one are refused.  ``old``, ``new`` and ``reason`` are plain
facts without personal data, for the chain covers them for good; what a person may have erased goes into
*personal*.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, TypedDict, Unpack

from sqlalchemy import Select, or_, select, update

from idp.audit.events import FAILURES, Event
from idp.audit.models import AuditEvent, AuditPersonal
from idp.context import Actor, Context
from idp.crypto import SealBroken
from idp.db import new_id
from idp.installation import Vault
from idp.logging import is_secret_name
from idp.prepared import insert_rows

SALT_BYTES = 16
_BATCH = 500

Fact = str | int | bool | list[str] | Mapping[str, Any] | None
"""What ``old`` and ``new`` hold: a word, a number, a list of words, or a few of them by name."""


class Facts(TypedDict, total=False):
    """What an event may tell."""

    #: who acts, else ``ctx.actor``
    actor: Actor | None
    #: kind and id of what it happened to, such as ``("account", id)``
    target: tuple[str, str] | None
    #: id of the organisation it concerns, else the actor's
    organization: str | None
    #: client_id
    client: str | None
    #: table key of the session, never its cookie
    session: str | None
    old: Fact
    new: Fact
    #: a word (``wrong_password``) or an operator's sentence
    reason: str | None
    #: details that erasure removes, such as a mail address
    personal: Mapping[str, Any] | None


def record(ctx: Context, event: Event, **facts: Unpack[Facts]) -> None:
    """Write an event in the current unit of work; nothing is committed.

    :raises ValueError: a field is called like a secret.
    """
    actor = facts.get("actor") or ctx.actor
    kind, target_id = facts.get("target") or (None, None)
    key = new_id()
    origin, origin_commitment = _commit_to(ctx.vault, key, _origin(ctx))
    details, details_commitment = _commit_to(ctx.vault, key, dict(facts.get("personal") or {}))
    row = {
        "id": key,
        "at": ctx.now,
        "event": event.value,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_role": actor.role,
        "organization": facts.get("organization") or actor.organization,
        "target_kind": kind,
        "target_id": target_id,
        "client": facts.get("client"),
        "session": facts.get("session"),
        "old": _fact(facts.get("old")),
        "new": _fact(facts.get("new")),
        "reason": facts.get("reason"),
        "request_id": ctx.origin.request_id or None,
        "origin_commitment": origin_commitment,
        "details_commitment": details_commitment,
    }
    insert_rows(ctx.db, (AuditEvent, row))
    if origin is None and details is None:
        return
    failure = event in FAILURES
    part = {"event_id": key, "at": ctx.now, "failure": failure, "origin": origin, "details": details}
    insert_rows(ctx.db, (AuditPersonal, part))


@lru_cache(maxsize=1024)
def shorten(ip: str) -> str | None:
    """Return the network an address is logged as, /24 or /48; None for what is no address."""
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def commitment(salted: bytes) -> bytes:
    """Return what the chain keeps of a personal part: SHA-256 of salt and text.

    The salt is erased with the part, so nobody can try all networks against the hash afterwards.
    """
    return hashlib.sha256(salted).digest()


def _origin(ctx: Context) -> dict[str, Any]:
    found = {
        "ip": shorten(ctx.origin.ip) if ctx.origin.ip else None,
        "user_agent": ctx.origin.user_agent[:200] or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _commit_to(vault: Vault, key: str, part: dict[str, Any]) -> tuple[bytes | None, bytes | None]:
    if not part:
        return None, None
    _refuse_secrets(part)
    salted = secrets.token_bytes(SALT_BYTES) + json.dumps(part, separators=(",", ":")).encode()
    return vault.seal(salted, table=AuditPersonal.__tablename__, row=key), commitment(salted)


def _fact(value: Fact) -> str | None:
    if value is None:
        return None
    _refuse_secrets(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _refuse_secrets(value: object) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if is_secret_name(str(name)):
                raise ValueError(f"the audit log takes no field called {name}")
            _refuse_secrets(inner)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is read; personal parts are None where there were none or they were erased."""

    id: str
    position: int | None
    at: datetime
    event: str
    actor_kind: str
    actor_id: str | None
    actor_role: str | None
    organization: str | None
    target_kind: str | None
    target_id: str | None
    client: str | None
    session: str | None
    old: Any
    new: Any
    reason: str | None
    request_id: str | None
    origin: Mapping[str, Any] | None
    details: Mapping[str, Any] | None
    chain: str | None
    #: parts that were damaged, and are None here
    unreadable: tuple[str, ...]

    def to_json(self) -> str:
        """Return the entry as one line of JSON."""
        fields = asdict(self) | {"at": self.at.isoformat()}
        return json.dumps(fields, separators=(",", ":"))


def tail(
    ctx: Context,
    *,
    limit: int = 50,
    organization: str | None = None,
    account: str | None = None,
    event: Event | None = None,
) -> list[Entry]:
    """Return the newest events, newest first.

    :param organization: only events that concern this organisation.
    :param account: only what this account did or what was done to it.
    """
    query = _rows().order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(limit)
    if organization is not None:
        query = query.where(AuditEvent.organization == organization)
    if account is not None:
        query = query.where(_concerns(account))
    if event is not None:
        query = query.where(AuditEvent.event == event.value)
    return [_entry(ctx.vault, *row) for row in ctx.db.execute(query)]


def about(
    ctx: Context,
    targets: Select[str],
    *,
    events: Collection[Event] | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Entry]:
    """Return what happened to an account, a session or a membership of one person, newest first.

    :param targets: selects their ids.
    :param events: only these.
    :param before: id of one of them: only what is older; an unknown one begins nowhere.
    """
    mine = AuditEvent.target_kind.in_(("account", "session", "membership")) & AuditEvent.target_id.in_(
        targets
    )
    query = _rows().where(mine).order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(limit)
    if events is not None:
        query = query.where(AuditEvent.event.in_([event.value for event in events]))
    if before is not None:
        last = ctx.db.scalar(select(AuditEvent.at).where(mine, AuditEvent.id == before))
        if last is None:
            return []
        query = query.where(or_(AuditEvent.at < last, (AuditEvent.at == last) & (AuditEvent.id < before)))
    return [_entry(ctx.vault, *row) for row in ctx.db.execute(query)]


@dataclass(frozen=True, slots=True)
class Period:
    """From *since* (None: the beginning) to just before *until*."""

    since: datetime | None
    until: datetime


def begin_export(ctx: Context, *, since: datetime | None = None, until: datetime | None = None) -> Period:
    """Record that a period is exported, by default all up to now; commit before handing out any of it."""
    period = Period(since, until or ctx.now)
    facts = {"since": since.isoformat() if since else None, "until": period.until.isoformat()}
    record(ctx, Event.AUDIT_EXPORTED, new=facts)
    return period


def export(ctx: Context, period: Period) -> Iterator[str]:
    """Yield the events of a period as JSON lines in order of time.

    Read on a session outside any transaction: whoever takes the lines slowly holds up nobody.
    """
    query = _rows().where(AuditEvent.at < period.until).order_by(AuditEvent.at, AuditEvent.id).limit(_BATCH)
    if period.since is not None:
        query = query.where(AuditEvent.at >= period.since)
    rows = ctx.db.execute(query).all()
    while rows:
        yield from (_entry(ctx.vault, *row).to_json() for row in rows)
        last = rows[-1][0]
        after = or_(AuditEvent.at > last.at, (AuditEvent.at == last.at) & (AuditEvent.id > last.id))
        rows = ctx.db.execute(query.where(after)).all()


def erase(ctx: Context, account: str) -> int:
    """Erase the personal parts of every event an account did or suffered; returns how many (GDPR Art. 17).

    The chain still verifies: it covers commitments only.
    """
    concerned = select(AuditEvent.id).where(_concerns(account))
    done = ctx.db.execute(
        update(AuditPersonal)
        .where(AuditPersonal.event_id.in_(concerned))
        .where(or_(AuditPersonal.origin.is_not(None), AuditPersonal.details.is_not(None)))
        .values(origin=None, details=None)
        .returning(AuditPersonal.event_id)
        .execution_options(synchronize_session=False)
    )
    count = len(done.all())
    record(ctx, Event.AUDIT_ERASED, target=("account", account), new=count)
    return count


def open_part(vault: Vault, key: str, sealed: bytes | None) -> bytes | None:
    """Return salt and text of a personal part, None where it was erased; raises SealBroken."""
    return None if sealed is None else vault.open(sealed, table=AuditPersonal.__tablename__, row=key)


def _concerns(account: str) -> Any:
    actor = (AuditEvent.actor_kind == "account") & (AuditEvent.actor_id == account)
    target = (AuditEvent.target_kind == "account") & (AuditEvent.target_id == account)
    return or_(actor, target)


def _rows() -> Select[AuditEvent, bytes | None, bytes | None]:
    return select(AuditEvent, AuditPersonal.origin, AuditPersonal.details).outerjoin(
        AuditPersonal, AuditPersonal.event_id == AuditEvent.id
    )


def _entry(vault: Vault, row: AuditEvent, origin: bytes | None, details: bytes | None) -> Entry:
    parts: dict[str, Callable[[], Any]] = {
        "old": lambda: _fact_of(row.old),
        "new": lambda: _fact_of(row.new),
        "origin": lambda: _readable(open_part(vault, row.id, origin)),
        "details": lambda: _readable(open_part(vault, row.id, details)),
    }
    read = _read(parts)
    return Entry(
        id=row.id,
        position=row.position,
        at=row.at,
        event=row.event,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_role=row.actor_role,
        organization=row.organization,
        target_kind=row.target_kind,
        target_id=row.target_id,
        client=row.client,
        session=row.session,
        old=read.get("old"),
        new=read.get("new"),
        reason=row.reason,
        request_id=row.request_id,
        origin=read.get("origin"),
        details=read.get("details"),
        chain=None if row.chain is None else row.chain.hex(),
        unreadable=tuple(name for name in parts if name not in read),
    )


def _read(parts: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return what can be read: one damaged event must not hide the others."""
    read = {}
    for name, part in parts.items():
        try:
            read[name] = part()
        except (SealBroken, ValueError):
            continue
    return read


def _fact_of(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _readable(salted: bytes | None) -> Mapping[str, Any] | None:
    if salted is None:
        return None
    found: Mapping[str, Any] = json.loads(salted[SALT_BYTES:])
    return found
