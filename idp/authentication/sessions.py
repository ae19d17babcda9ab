"""Server-side sessions: start, find, prove, end (ASVS 7.2–7.4, NIST SP 800-63B-4 §5; req 40, 43, 44).

The browser holds an opaque value, the table its hash.  The value changes whenever somebody proves something;
the row, and with it the ``sid`` that clients know, stays.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, null, select, type_coerce, update

from idp.accounts.models import Account
from idp.accounts.principal import Standing, principal_may_act
from idp.authentication.assurance import FIRST_FACTORS, Assurance, Limits, Proof, assess
from idp.authentication.models import AuthenticationEvent, Authenticator, Device, Session
from idp.context import Context
from idp.crypto import random_token, sha256
from idp.db import UtcDateTime, new_id
from idp.installation import Installation

TOUCH_EVERY: Final = timedelta(minutes=1)

SIGNED_OUT: Final = "signed_out"
OTHER_PERSON: Final = "other_person"
TOO_MANY: Final = "too_many_sessions"

Methods = Iterable[tuple[str, str | None]]
"""Proven factors: amr value and the authenticator's id, None for the password."""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that counts now.  A snapshot: :func:`prove` returns a new one."""

    session: Session
    account: Account
    assurance: Assurance
    proofs: tuple[Proof, ...]
    #: kinds of second factors the account has, such as ``totp``
    second_factors: tuple[str, ...]
    #: the device is remembered: the second factor may be left out where nothing demands aal2
    device_trusted: bool


def find(ctx: Context, cookie_value: str) -> LiveSession | None:
    """Return the session of a cookie, or None when there is none that counts now (req 43, 44)."""
    row = ctx.db.execute(
        select(Session, Account, Device, Installation.epoch)
        .join(Account, Account.id == Session.account_id)
        .join(Installation, Installation.id == 1)
        .outerjoin(Device, and_(Device.id == Session.device_id, Device.account_id == Session.account_id))
        .where(Session.cookie_hash == sha256(cookie_value), Session.ended_at.is_(None))
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        return None
    session, account, device, installation_epoch = row
    if not _within_limits(ctx, session) or not principal_may_act(
        Standing(
            account_status=account.status,
            account_epoch=account.epoch,
            issued_account_epoch=session.account_epoch,
            installation_epoch=installation_epoch,
            issued_installation_epoch=session.installation_epoch,
        )
    ):
        return None
    _touch(ctx, session)
    return _live(ctx, session, account, device)


def start(
    ctx: Context, account: Account, *, methods: Methods, device: Device | None = None
) -> tuple[LiveSession, str]:
    """Begin a session and return it with the cookie's value; call :func:`surplus` after it.

    :param methods: what was proven just now; a first factor is among it.
    :param device: this browser's row, None without a device cookie.
    """
    value = random_token()
    epoch = ctx.db.scalar(select(Installation.epoch).where(Installation.id == 1))
    session = Session(
        id=new_id(),
        cookie_hash=sha256(value),
        account_id=account.id,
        account_epoch=account.epoch,
        installation_epoch=epoch or 0,
        device_id=device.id if device else None,
        user_agent=ctx.origin.user_agent[:255],
        created_at=ctx.now,
        last_seen_at=ctx.now,
        active_since=ctx.now,
        expires_at=_expiry(ctx),
    )
    ctx.db.add(session)
    ctx.db.flush()
    _add_events(ctx, session, methods)
    account.last_sign_in_at = ctx.now
    ctx.db.flush()
    return _live(ctx, session, account, device), value


def prove(ctx: Context, live: LiveSession, methods: Methods) -> tuple[LiveSession, str] | None:
    """Add freshly proven factors to a session under a new cookie value; the old value is dead (req 40).

    A first factor among them starts the absolute limit again.  None when the session ended meanwhile or
    another request changed its cookie first.
    """
    value = random_token()
    proven = list(methods)
    changed = ctx.db.execute(
        update(Session)
        .where(
            Session.id == live.session.id,
            Session.cookie_hash == live.session.cookie_hash,
            Session.ended_at.is_(None),
        )
        .values(cookie_hash=sha256(value), last_seen_at=ctx.now)
        .returning(Session.id)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is None:
        return None
    session = live.session
    ctx.db.refresh(session)
    _add_events(ctx, session, proven)
    if any(method in FIRST_FACTORS for method, _ in proven):
        session.expires_at = _expiry(ctx)
        live.account.last_sign_in_at = ctx.now
    ctx.db.flush()
    device = ctx.db.get(Device, session.device_id) if session.device_id else None
    return _live(ctx, session, live.account, device), value


def second_factors(ctx: Context, account_id: str) -> tuple[str, ...]:
    """Return the kinds of second factors an account has, each once, in alphabetical order."""
    kinds = ctx.db.scalars(
        select(Authenticator.kind).where(Authenticator.account_id == account_id).distinct()
    )
    return tuple(sorted(kinds))


def use_device(ctx: Context, live: LiveSession, device: Device) -> None:
    """Note the browser a session is used in, where it had none yet or this one is new."""
    live.session.device_id = device.id
    ctx.db.flush()


def choose_membership(ctx: Context, session_id: str, membership_id: str | None) -> None:
    """Note the organisation the person acts for; the caller has checked that it is the person's own."""
    ctx.db.execute(update(Session).where(Session.id == session_id).values(membership_id=membership_id))


def end(ctx: Context, session_id: str, reason: str) -> bool:
    """End a session; False when it had ended before.

    Only the row: what was issued in it ends through ``idp.oidc.logout.end_session``, which calls this.

    :param reason: a word of at most 32 characters.
    """
    ended = ctx.db.execute(
        update(Session)
        .where(Session.id == session_id, Session.ended_at.is_(None))
        .values(ended_at=ctx.now, end_reason=reason)
        .returning(Session.id)
    ).first()
    return ended is not None


def open_ids(ctx: Context, account_id: str) -> list[str]:
    """Return the ids of an account's sessions that have not ended or expired, the last used first."""
    return list(
        ctx.db.scalars(
            select(Session.id)
            .where(Session.account_id == account_id, Session.ended_at.is_(None), Session.expires_at > ctx.now)
            .order_by(Session.last_seen_at.desc(), Session.id.desc())
        )
    )


def surplus(ctx: Context, account_id: str) -> list[str]:
    """Return the ids of the sessions over the limit, the longest unused; the caller ends them."""
    return open_ids(ctx, account_id)[ctx.settings.session.max_sessions :]


def _expiry(ctx: Context) -> datetime:
    return ctx.now + timedelta(days=ctx.settings.session.aal1_days)


def _within_limits(ctx: Context, session: Session) -> bool:
    idle = timedelta(hours=ctx.settings.session.aal1_idle_hours)
    return ctx.now < session.expires_at and ctx.now - session.last_seen_at < idle


def _touch(ctx: Context, session: Session) -> None:
    """Move the time of last use, at most once a minute; a long pause ends what aal2 was built on."""
    pause = ctx.now - session.last_seen_at
    if pause < TOUCH_EVERY:
        return
    values: dict[str, datetime] = {"last_seen_at": ctx.now}
    if pause >= timedelta(minutes=ctx.settings.session.aal2_idle_minutes):
        values["active_since"] = ctx.now
    ctx.db.execute(
        update(Session)
        .where(Session.id == session.id, Session.last_seen_at == session.last_seen_at)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    ctx.db.refresh(session)


def _add_events(ctx: Context, session: Session, methods: Methods) -> None:
    for method, authenticator_id in methods:
        ctx.db.add(
            AuthenticationEvent(
                id=new_id(),
                session_id=session.id,
                method=method,
                authenticator_id=authenticator_id,
                at=ctx.now,
            )
        )
    ctx.db.flush()


def _live(ctx: Context, session: Session, account: Account, device: Device | None) -> LiveSession:
    # the second column is NULL for what the account owns
    proved_at = type_coerce(AuthenticationEvent.at, UtcDateTime())
    proven = select(AuthenticationEvent.method, proved_at).where(AuthenticationEvent.session_id == session.id)
    owned = select(Authenticator.kind, type_coerce(null(), UtcDateTime())).where(
        Authenticator.account_id == account.id
    )
    proofs: list[Proof] = []
    kinds: set[str] = set()
    # one round trip: every page asks for both
    rows: Iterable[Any] = ctx.db.execute(proven.union_all(owned))
    for word, at in rows:
        if at is None:
            kinds.add(word)
        else:
            proofs.append(Proof(word, at))
    trusted_until = device.trusted_until if device and device.trust_hash else None
    return LiveSession(
        session=session,
        account=account,
        assurance=assess(
            proofs,
            now=ctx.now,
            limits=Limits.of(ctx.settings.session),
            active_since=session.active_since,
        ),
        proofs=tuple(sorted(proofs, key=lambda proof: proof.at)),
        second_factors=tuple(sorted(kinds)),
        device_trusted=trusted_until is not None and trusted_until > ctx.now,
    )
