"""Server-side sessions: start, prove, end (ASVS 7.2–7.4, NIST SP 800-63B-4 §5; req 40, 43, 44).

The browser holds an opaque value, the table its hash.  The value changes whenever somebody proves something;
the row, and with it the ``sid`` that clients know, stays.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import bindparam, func, literal_column, select, update

from idp.accounts.models import ACTIVE, Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication.assurance import FIRST_FACTORS, Proof
from idp.authentication.devices import KnownDevice
from idp.authentication.live_sessions import ACCOUNT, AccountFacts, LiveSession, SessionFacts, again, snapshot
from idp.authentication.models import AuthenticationEvent, Authenticator, Device, Session
from idp.context import Context
from idp.crypto import random_token, sha256
from idp.db import Base, new_id
from idp.errors import Refusal
from idp.installation import Installation
from idp.prepared import Prepared, insert_rows

SIGNED_OUT: Final = "signed_out"
OTHER_PERSON: Final = "other_person"
TOO_MANY: Final = "too_many_sessions"
WRONG_CODES: Final = "wrong_codes"

Methods = Iterable[tuple[str, str | None]]
"""Proven factors: amr value and the authenticator's id, None for the password."""


class Owner(Protocol):
    """Whose session begins."""

    @property
    def id(self) -> str:
        """The account's table key."""
        ...

    @property
    def epoch(self) -> int:
        """The account's epoch when the person proved to be its owner."""
        ...


_OPEN_IDS = Prepared(
    select(Session.id)
    .where(
        Session.account_id == bindparam("account_id"),
        Session.ended_at.is_(None),
        Session.expires_at > bindparam("now"),
    )
    .order_by(Session.last_seen_at.desc(), Session.id.desc())
)
_KINDS = Prepared(select(Authenticator.kind).where(Authenticator.account_id == bindparam("account_id")))
_OWNER = Prepared(
    select(Account.id).where(Account.id == bindparam("account_id")).with_for_update(key_share=True)
)
_ITS_ACCOUNT = select(Session.account_id).where(Session.id == bindparam("session_id")).scalar_subquery()
_OWNER_OF = Prepared(select(Account.id).where(Account.id == _ITS_ACCOUNT).with_for_update(key_share=True))
_USE_DEVICE = Prepared(
    update(Session).where(Session.id == bindparam("key")).values(device_id=bindparam("device"))
)
_PROVE = Prepared(
    update(Session)
    .where(
        Session.id == bindparam("key"), Session.cookie_hash == bindparam("known"), Session.ended_at.is_(None)
    )
    .values(
        cookie_hash=bindparam("fresh"),
        last_seen_at=bindparam("now"),
        active_since=bindparam("since"),
        expires_at=bindparam("expires"),
    )
    .returning(Session.id)
)
_SIGN_IN = (
    update(Account)
    .where(Account.id == bindparam("key"), Account.epoch == bindparam("epoch"), Account.status == ACTIVE)
    .values(last_sign_in_at=bindparam("now"))
)
_SIGNED_IN = Prepared(_SIGN_IN)
# with all that a new session has to know: the epoch, until when the device is remembered, kinds of factors,
# and how many others are open
_BEGIN = Prepared(
    _SIGN_IN.returning(
        *ACCOUNT,
        select(Installation.epoch).where(Installation.id == 1).scalar_subquery(),
        select(Device.trusted_until)
        .where(
            Device.id == bindparam("device"),
            Device.account_id == bindparam("key"),
            Device.trust_hash.is_not(None),
        )
        .scalar_subquery(),
        # a column of its own: a plain word is rendered at each execution, which a prepared one skips
        select(
            func.aggregate_strings(Authenticator.kind, literal_column("' '"))  # type: ignore[arg-type]  # see above
        )
        .where(Authenticator.account_id == bindparam("key"))
        .scalar_subquery(),
        select(func.count())
        .select_from(Session)
        .where(
            Session.account_id == bindparam("key"),
            Session.ended_at.is_(None),
            Session.expires_at > bindparam("now"),
        )
        .scalar_subquery(),
    )
)


def start(
    ctx: Context, account: Owner, *, methods: Methods, device: KnownDevice | None = None
) -> tuple[LiveSession, str, list[str]]:
    """Begin a session and return it with the cookie's value and the ids of those over the limit.

    The caller ends these: they are the longest unused.

    :param methods: what was proven just now; a first factor is among it.
    :param device: this browser's row, None without a device cookie.
    :raises Refusal: ``principal.may_not_act`` when the account may not act any more.
    """
    ctx.db.flush()
    # holds the account: a block that has committed is seen, one that has not waits and ends this session too
    begun = _BEGIN.first(
        ctx.db, key=account.id, epoch=account.epoch, now=ctx.now, device=device.id if device else None
    )
    if begun is None:
        raise Refusal("principal.may_not_act")
    *owner, installation_epoch, trusted_until, kinds, others = begun
    room = ctx.settings.session.max_sessions - 1
    surplus = open_ids(ctx, account.id)[room:] if others > room else []
    value = random_token()
    session = SessionFacts(
        id=new_id(),
        cookie_hash=sha256(value),
        account_epoch=account.epoch,
        installation_epoch=installation_epoch,
        membership_id=None,
        device_id=device.id if device else None,
        last_seen_at=ctx.now,
        active_since=ctx.now,
        expires_at=_expiry(ctx),
    )
    proven = tuple(methods)
    more = {"account_id": account.id, "user_agent": ctx.origin.user_agent[:255], "created_at": ctx.now}
    insert_rows(ctx.db, (Session, session._asdict() | more), *_events(ctx, session.id, proven))
    record(ctx, Event.SESSION_STARTED, target=("account", account.id), session=session.id)
    proofs = tuple(Proof(method, ctx.now) for method, _ in proven)
    factors: list[str | None] = [*kinds.split()] if kinds else [None]
    rows = [(trusted_until is not None, trusted_until, kind) for kind in factors]
    return snapshot(ctx, session, AccountFacts(*owner), proofs, rows), value, surplus


def prove(ctx: Context, live: LiveSession, methods: Methods) -> tuple[LiveSession, str] | None:
    """Add freshly proven factors to a session under a new cookie value; the old value is dead (req 40).

    A first factor among them starts the absolute limit again; without any, the cookie alone changes.  None
    when the session ended meanwhile or another request changed its cookie first.
    """
    value = random_token()
    proven = list(methods)
    afresh = any(method in FIRST_FACTORS for method, _ in proven)
    # held before a session, as by all who change both; a new device's row refers to it as well
    _OWNER.soon(ctx.db, account_id=live.account.id)
    changed = _PROVE.first(
        ctx.db,
        key=live.session.id,
        known=live.session.cookie_hash,
        fresh=sha256(value),
        now=ctx.now,
        since=live.session.active_since,  # a pause may be noted here alone
        expires=_expiry(ctx) if afresh else live.session.expires_at,
    )
    if changed is None:
        return None
    if proven:
        insert_rows(ctx.db, *_events(ctx, live.session.id, proven))
    if afresh:
        _SIGNED_IN.run(ctx.db, key=live.account.id, epoch=live.account.epoch, now=ctx.now)
    stronger = again(ctx, live.session.id)
    return None if stronger is None else (stronger, value)


def second_factors(ctx: Context, account_id: str) -> tuple[str, ...]:
    """Return the kinds of second factors an account has, each once, in alphabetical order."""
    return ask_second_factors(ctx, account_id)()


def ask_second_factors(ctx: Context, account_id: str) -> Callable[[], tuple[str, ...]]:
    """Ask for what :func:`second_factors` returns, with what comes next; returns how to get it."""
    get = _KINDS.soon(ctx.db, account_id=account_id)
    return lambda: tuple(sorted({row[0] for row in get()}))


def use_device(ctx: Context, live: LiveSession, device: KnownDevice) -> None:
    """Note the browser a session is used in, where it had none yet or this one is new."""
    _USE_DEVICE.run(ctx.db, key=live.session.id, device=device.id)


def choose_membership(ctx: Context, session_id: str, membership_id: str | None) -> None:
    """Note the organisation the person acts for; the caller has checked that it is the person's own."""
    ctx.db.execute(update(Session).where(Session.id == session_id).values(membership_id=membership_id))


def end(ctx: Context, session_id: str, reason: str) -> bool:
    """End a session; False when it had ended before.

    Its owner is held first, as by whoever ends all sessions of an account.

    Only the row: what was issued in it ends through ``idp.oidc.logout.end_session``, which calls this.

    :param reason: a word of at most 32 characters.
    """
    ctx.db.flush()
    _OWNER_OF.run(ctx.db, session_id=session_id)
    ended = ctx.db.execute(
        update(Session)
        .where(Session.id == session_id, Session.ended_at.is_(None))
        .values(ended_at=ctx.now, end_reason=reason)
        .returning(Session.id)
    ).first()
    return ended is not None


def open_ids(ctx: Context, account_id: str) -> list[str]:
    """Return the ids of an account's sessions that have not ended or expired, the last used first."""
    return [row[0] for row in _OPEN_IDS.rows(ctx.db, account_id=account_id, now=ctx.now)]


def _expiry(ctx: Context) -> datetime:
    return ctx.now + timedelta(days=ctx.settings.session.aal1_days)


def _events(ctx: Context, session_id: str, methods: Methods) -> list[tuple[type[Base], dict[str, Any]]]:
    return [
        (
            AuthenticationEvent,
            {
                "id": new_id(),
                "session_id": session_id,
                "method": method,
                "authenticator_id": authenticator_id,
                "at": ctx.now,
            },
        )
        for method, authenticator_id in methods
    ]
