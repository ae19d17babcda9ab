"""K-09: where a person is signed in, which devices have access or are remembered; ending it (req 43, 44).

No network address is kept with a session, so no place is guessed from one (req 110).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices
from idp.authentication.models import Device, Session, SessionClient
from idp.context import Context
from idp.errors import Refusal
from idp.management import accounts
from idp.management.actors import require_person_or_operator
from idp.oidc.authorization import OF_DEVICES, revoke
from idp.oidc.client_fields import DEVICE
from idp.oidc.logout import end_session
from idp.oidc.models import Authorization, Client, RefreshToken

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


@dataclass(frozen=True, slots=True)
class ConnectedDevice:
    """A device that was let in with a code and has access now; its authorization is all we know it by."""

    id: str
    #: name of the program that runs on it
    program: str
    since: datetime
    #: when it last fetched tokens, None: it has not yet, or gets none to renew them with
    last_used_at: datetime | None


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


def connected(ctx: Context, account_id: str) -> list[ConnectedDevice]:
    """Return the devices that were let in with a code and have access now, the newest first.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    last_used = (
        select(func.max(RefreshToken.issued_at))
        .where(RefreshToken.authorization_id == Authorization.id)
        .scalar_subquery()
    )
    mine = (
        select(Authorization.id, Client.client_name, Authorization.created_at, last_used)
        .join(Client, Client.id == Authorization.client_id)
        .where(
            Authorization.account_id == account_id,
            Authorization.revoked_at.is_(None),
            Authorization.expires_at > ctx.now,
            OF_DEVICES,
        )
        .order_by(Authorization.created_at.desc(), Authorization.id.desc())
    )
    return [ConnectedDevice(*row) for row in ctx.db.execute(mine)]


def disconnect(ctx: Context, account_id: str, device_id: str) -> None:
    """End the access of one device with all its tokens; of one that has none any more it stays so.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``; ``connected_device.unknown``, also for
        others' and for what a browser has at a portal.
    """
    require_person_or_operator(ctx, account_id)
    accounts.locked(ctx, account_id)
    mine = (
        select(Client.client_id)
        .join(Authorization, Authorization.client_id == Client.id)
        .where(Authorization.id == device_id, Authorization.account_id == account_id, OF_DEVICES)
    )
    client_id = ctx.db.scalar(mine)
    if client_id is None:
        raise Refusal("connected_device.unknown")
    if revoke(ctx, ENDED_BY_OWNER, authorization_id=device_id):
        record(
            ctx,
            Event.DEVICE_DISCONNECTED,
            target=("account", account_id),
            client=client_id,
            new={"lineage": device_id},
        )


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
        # what runs on a device is no portal: it stands for itself, and may be disconnected
        .where(SessionClient.session_id.in_(list(session_ids)), Client.kind != DEVICE)
        .order_by(Client.client_name)
    )
    found: dict[str, list[str]] = {}
    for session_id, name in ctx.db.execute(taking_part):
        found.setdefault(session_id, []).append(name)
    return found
