"""K-09: where a person is signed in, which browsers are remembered; ending one or all others (req 43, 44).

No network address is kept with a session, so no place is guessed from one (req 110).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices
from idp.authentication.models import Device, Session, SessionClient
from idp.context import Context
from idp.errors import Refusal
from idp.management import accounts
from idp.management.actors import require_person_or_operator
from idp.oidc.authorization import OF_DEVICES, revoke
from idp.oidc.logout import end_session
from idp.oidc.models import Authorization, Client

ENDED_BY_OWNER: Final = "ended_by_owner"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One sign-in that counts now."""

    id: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    #: names of the portals that were used in it
    portals: tuple[str, ...]
    #: its browser skips the second factor until then, None: it does not
    remembered_until: datetime | None


@dataclass(frozen=True, slots=True)
class RememberedDevice:
    """A browser that may skip the second factor, whether somebody is signed in there or not."""

    id: str
    user_agent: str
    known_since: datetime
    last_seen_at: datetime
    remembered_until: datetime


def list_all(ctx: Context, account_id: str) -> list[OpenSession]:
    """Return an account's sessions that count now, the last used first.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    idle = timedelta(hours=ctx.settings.session.aal1_idle_hours)
    mine = (
        select(Session, Device.trusted_until)
        .outerjoin(
            Device,
            (Device.id == Session.device_id)
            & (Device.account_id == Session.account_id)
            & devices.remembered(ctx),
        )
        .where(
            Session.account_id == account_id,
            Session.ended_at.is_(None),
            Session.expires_at > ctx.now,
            Session.last_seen_at > ctx.now - idle,
        )
        .order_by(Session.last_seen_at.desc(), Session.id.desc())
    )
    rows = ctx.db.execute(mine).all()
    portals = _portals(ctx, [row.id for row, _ in rows])
    return [
        OpenSession(
            id=row.id,
            user_agent=row.user_agent,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            portals=tuple(portals.get(row.id, ())),
            remembered_until=until,
        )
        for row, until in rows
    ]


def remembered(ctx: Context, account_id: str) -> list[RememberedDevice]:
    """Return the browsers that may skip the second factor, the last used first.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    mine = (
        select(Device.id, Device.user_agent, Device.known_since, Device.last_seen_at, Device.trusted_until)
        .where(Device.account_id == account_id, devices.remembered(ctx))
        .order_by(Device.last_seen_at.desc(), Device.id.desc())
    )
    return [
        RememberedDevice(key, agent, since, seen, until)
        for key, agent, since, seen, until in ctx.db.execute(mine)
        if until is not None
    ]


def end(ctx: Context, account_id: str, session_id: str) -> None:
    """End one session, with notice to its portals; one that has ended stays as it is.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``; ``session.unknown``, also for others'.
    """
    require_person_or_operator(ctx, account_id)
    accounts.locked(ctx, account_id)
    mine = select(Session.id).where(Session.id == session_id, Session.account_id == account_id)
    if ctx.db.scalar(mine) is None:
        raise Refusal("session.unknown")
    end_session(ctx, session_id, ENDED_BY_OWNER)


def connected(ctx: Context, account_id: str) -> list[str]:
    """Return the names of the programs that a device was let in with and that have access now.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    mine = (
        select(Client.client_name)
        .join(Authorization, Authorization.client_id == Client.id)
        .where(
            Authorization.account_id == account_id,
            Authorization.revoked_at.is_(None),
            Authorization.expires_at > ctx.now,
            OF_DEVICES,
        )
        .distinct()
        .order_by(Client.client_name)
    )
    return list(ctx.db.scalars(mine))


def end_others(ctx: Context, account_id: str, keep: str) -> int:
    """End every session of an account but one, with notice to their portals; returns how many there were.

    Devices that were let in lose their access, in whichever session that was.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``.
    """
    require_person_or_operator(ctx, account_id)
    accounts.locked(ctx, account_id)
    others = [found.id for found in list_all(ctx, account_id) if found.id != keep]
    ended = [end_session(ctx, session_id, ENDED_BY_OWNER) for session_id in others]
    count = sum(group is not None for group in ended)
    revoke(ctx, ENDED_BY_OWNER, account_id=account_id, of_devices=True)
    if count:
        record(ctx, Event.SESSIONS_ENDED, target=("account", account_id), new={"sessions": count})
    return count


def forget_device(ctx: Context, account_id: str, device_id: str) -> None:
    """Have a browser asked for the second factor again.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``; ``known_device.unknown``, also for others'.
    """
    require_person_or_operator(ctx, account_id)
    accounts.locked(ctx, account_id)
    mine = select(Device.id).where(Device.id == device_id, Device.account_id == account_id)
    if ctx.db.scalar(mine) is None:
        raise Refusal("known_device.unknown")
    if devices.forget_one(ctx, account_id, device_id):
        record(ctx, Event.DEVICE_FORGOTTEN, target=("account", account_id))


def _portals(ctx: Context, session_ids: Iterable[str]) -> dict[str, list[str]]:
    taking_part = (
        select(SessionClient.session_id, Client.client_name)
        .join(Client, Client.id == SessionClient.client_id)
        .where(SessionClient.session_id.in_(list(session_ids)))
        .order_by(Client.client_name)
    )
    found: dict[str, list[str]] = {}
    for session_id, name in ctx.db.execute(taking_part):
        found.setdefault(session_id, []).append(name)
    return found
