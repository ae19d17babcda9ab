"""Sessions as requests read them: found, or held for an answer to a portal (ASVS 7.2-7.4; req 23, 43, 44).

What is held cannot change before the transaction ends: who blocks the account, or signs out, waits for it or
was seen by it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, select, update
from sqlalchemy.orm import aliased

from idp.accounts.models import Account
from idp.accounts.principal import Standing, principal_may_act
from idp.authentication.assurance import Assurance, Limits, Proof, assess
from idp.authentication.models import AuthenticationEvent, Authenticator, Device, Session, SessionClient
from idp.context import Context
from idp.crypto import sha256
from idp.installation import Installation
from idp.organizations import memberships
from idp.organizations.memberships import MembershipFacts
from idp.organizations.models import Membership
from idp.prepared import Prepared
from idp.wire import Row

TOUCH_EVERY: Final = timedelta(minutes=1)


class SessionFacts(NamedTuple):
    """A session's row, as far as requests read it."""

    id: str
    cookie_hash: bytes
    account_epoch: int
    installation_epoch: int
    membership_id: str | None
    device_id: str | None
    last_seen_at: datetime
    active_since: datetime
    expires_at: datetime


class AccountFacts(NamedTuple):
    """The account of a session, as far as requests read it."""

    id: str
    sub: str
    status: str
    epoch: int
    username: str | None
    name: str | None
    locale: str | None
    #: a recovery password has to be saved before a portal gets an answer
    recovery_due: bool


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that counts now.  A snapshot: ``sessions.prove`` returns a new one."""

    session: SessionFacts
    account: AccountFacts
    assurance: Assurance
    proofs: tuple[Proof, ...]
    #: kinds of second factors the account has, such as ``totp``
    second_factors: tuple[str, ...]
    #: the device is remembered: the second factor may be left out where nothing demands aal2
    device_trusted: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A session that counts; with account and memberships it stays as it is until this transaction ends."""

    live: LiveSession
    #: what the person belongs to
    memberships: Sequence[MembershipFacts]
    #: the ``sid`` that the asking client sees of the session, once it has one
    sid: str | None


class _Hold(NamedTuple):
    """Statements that hold a person, sent in this order: account, memberships, session, as blocks have it.

    Each sees the database as it is once the one before has its rows: after a wait, too.
    """

    account: Prepared
    memberships: Prepared
    session: Prepared


_SESSION = tuple(getattr(Session, name) for name in SessionFacts._fields)
ACCOUNT = tuple(getattr(Account, name) for name in AccountFacts._fields)
_TRUST = (Device.trust_hash.is_not(None), Device.trusted_until)

# One round trip, a row for each pair of proven factor and owned authenticator: there are few of either.
_OPEN = (
    select(
        *_SESSION,
        *ACCOUNT,
        Installation.epoch,
        *_TRUST,
        AuthenticationEvent.id,
        AuthenticationEvent.method,
        AuthenticationEvent.at,
        Authenticator.kind,
    )
    .join(Account, Account.id == Session.account_id)
    .join(Installation, Installation.id == 1)
    .join(AuthenticationEvent, AuthenticationEvent.session_id == Session.id)
    .outerjoin(Device, and_(Device.id == Session.device_id, Device.account_id == Session.account_id))
    .outerjoin(Authenticator, Authenticator.account_id == Session.account_id)
    .where(Session.ended_at.is_(None))
)
_THIS_COOKIE: Final = Session.cookie_hash == bindparam("cookie_hash")
_THIS_ID: Final = Session.id == bindparam("id")


def _owner(session: ColumnElement[bool]) -> ColumnElement[str]:
    return select(Session.account_id).where(session).scalar_subquery()


def _holding(session: ColumnElement[bool]) -> _Hold:
    told = and_(SessionClient.session_id == Session.id, SessionClient.client_id == bindparam("client"))
    facts = _OPEN.add_columns(SessionClient.id).outerjoin(SessionClient, told).where(session)
    return _Hold(
        account=Prepared(
            select(Account.id).where(Account.id == _owner(session)).with_for_update(read=True, of=Account)
        ),
        memberships=Prepared(memberships.of_owner(_owner(session)).with_for_update(read=True, of=Membership)),
        session=Prepared(facts.with_for_update(read=True, of=Session)),
    )


_BY_COOKIE = Prepared(_OPEN.where(_THIS_COOKIE))
_BY_ID = Prepared(_OPEN.where(_THIS_ID))
_MEMBERSHIPS = Prepared(memberships.of_owner(_owner(_THIS_COOKIE)))
_HOLD_BY_COOKIE = _holding(_THIS_COOKIE)
_HOLD_BY_ID = _holding(_THIS_ID)

_used = aliased(Session)
# Of two requests that hold a session, none could write before the other lets go.
_TOUCH = Prepared(
    update(Session)
    .where(
        Session.id
        == select(_used.id)
        .where(_used.id == bindparam("key"), _used.last_seen_at == bindparam("seen"))
        .with_for_update(key_share=True, skip_locked=True)
        .scalar_subquery()
    )
    .values(last_seen_at=bindparam("now"), active_since=bindparam("since"))
)


def find(ctx: Context, cookie_value: str) -> LiveSession | None:
    """Return the session of a cookie, or None when there is none that counts now (req 43, 44)."""
    live = _live(ctx, _BY_COOKIE.rows(ctx.db, cookie_hash=sha256(cookie_value)))
    return None if live is None else _touched(ctx, live, _TOUCH.alone)


def ask_memberships(ctx: Context, cookie_value: str) -> Callable[[], list[MembershipFacts]]:
    """Ask what a cookie's owner belongs to, by one journey with :func:`find`; returns how to get it."""
    get = _MEMBERSHIPS.soon(ctx.db, cookie_hash=sha256(cookie_value))
    return lambda: memberships.facts(get())


def again(ctx: Context, session_id: str) -> LiveSession | None:
    """Return a session that has just changed."""
    return _live(ctx, _BY_ID.rows(ctx.db, id=session_id))


def hold(ctx: Context, session_id: str, client_row_id: str) -> Held | None:
    """Hold a session for an answer to a client; None when it does not count any more (req 23)."""
    return _held(ctx, _HOLD_BY_ID, client_row_id, id=session_id)


def hold_by_cookie(ctx: Context, cookie_value: str, client_row_id: str) -> Held | None:
    """Hold the session of a cookie likewise."""
    return _held(ctx, _HOLD_BY_COOKIE, client_row_id, cookie_hash=sha256(cookie_value))


def _held(ctx: Context, statements: _Hold, client_row_id: str, **session: Any) -> Held | None:
    statements.account.soon(ctx.db, **session)
    mine = statements.memberships.soon(ctx.db, **session)
    rows = statements.session.rows(ctx.db, **session, client=client_row_id)
    live = _live(ctx, [row[:-1] for row in rows])
    if live is None:
        return None
    return Held(_touched(ctx, live, _TOUCH.run), memberships.facts(mine()), rows[0][-1])


def _within_limits(ctx: Context, session: SessionFacts) -> bool:
    idle = timedelta(hours=ctx.settings.session.aal1_idle_hours)
    return ctx.now < session.expires_at and ctx.now - session.last_seen_at < idle


def _touched(ctx: Context, live: LiveSession, note: Callable[..., None]) -> LiveSession:
    """Move the time of last use, at most once a minute; a long pause ends what aal2 was built on.

    A later request notes it where this one cannot.  Who only reads must keep no session's row from others: an
    account's row is held before it, never after (:class:`_Hold`).
    """
    session = live.session
    pause = ctx.now - session.last_seen_at
    if pause < TOUCH_EVERY:
        return live
    paused = pause >= timedelta(minutes=ctx.settings.session.aal2_idle_minutes)
    since = ctx.now if paused else session.active_since
    note(ctx.db, key=session.id, seen=session.last_seen_at, now=ctx.now, since=since)
    return replace(
        live,
        session=session._replace(last_seen_at=ctx.now, active_since=since),
        assurance=_assess(ctx, live.proofs, since),
    )


def _live(ctx: Context, rows: Sequence[Row]) -> LiveSession | None:
    """Return the session that rows of :data:`_OPEN` tell of, if it counts now."""
    if not rows:
        return None
    width = len(SessionFacts._fields), len(SessionFacts._fields) + len(AccountFacts._fields)
    session, account = SessionFacts(*rows[0][: width[0]]), AccountFacts(*rows[0][width[0] : width[1]])
    installation_epoch, trusted, trusted_until = rows[0][width[1] : width[1] + 3]
    standing = Standing(
        account_status=account.status,
        account_epoch=account.epoch,
        issued_account_epoch=session.account_epoch,
        installation_epoch=installation_epoch,
        issued_installation_epoch=session.installation_epoch,
    )
    if not (_within_limits(ctx, session) and principal_may_act(standing)):
        return None
    proven = {row[-4]: Proof(row[-3], row[-2]) for row in rows}
    proofs = tuple(sorted(proven.values(), key=lambda proof: proof.at))
    return snapshot(ctx, session, account, proofs, [(trusted, trusted_until, row[-1]) for row in rows])


def snapshot(
    ctx: Context,
    session: SessionFacts,
    account: AccountFacts,
    proofs: tuple[Proof, ...],
    rows: Sequence[tuple[bool | None, datetime | None, str | None]],
) -> LiveSession:
    """Put a session together.

    :param rows: whether the device is remembered and until when, and one by one the kinds of authenticators.
    """
    trusted, trusted_until, _ = rows[0]
    return LiveSession(
        session=session,
        account=account,
        assurance=_assess(ctx, proofs, session.active_since),
        proofs=proofs,
        second_factors=tuple(sorted({kind for *_, kind in rows if kind is not None})),
        # switched off since, it ends for all
        device_trusted=bool(trusted and ctx.settings.remember_device.days)
        and trusted_until is not None
        and trusted_until > ctx.now,
    )


def _assess(ctx: Context, proofs: Iterable[Proof], active_since: datetime) -> Assurance:
    return assess(proofs, now=ctx.now, limits=Limits.of(ctx.settings.session), active_since=active_since)
