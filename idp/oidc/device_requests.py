"""A device's request from its making to its end (RFC 8628 §3.2-3.5, req 22, 30).

Its two codes are stored as hashes: the device's as SHA-256, the person's keyed, as it has 34 bit.  The grant
consumes the row (``oidc.grants.device_code``); here it is made, found, polled, allowed and denied.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import AccessDeniedError, InvalidGrantError
from authlib.oauth2.rfc8628 import AuthorizationPendingError, ExpiredTokenError, SlowDownError
from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, or_, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.accounts import identifiers
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import live_sessions
from idp.authentication.live_sessions import LiveSession
from idp.context import Context
from idp.crypto import random_token, sha256
from idp.db import Database, new_id, to_micros
from idp.errors import Refusal
from idp.installation import Vault
from idp.oidc import consent, user_codes
from idp.oidc.authorization import accepted, require_standing
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import RegisteredClient
from idp.oidc.models import Authorization, DeviceRequest
from idp.prepared import Prepared, insert_rows

SECONDS: Final = 600
"""How long a person has to find a browser, type the code and sign in."""
INTERVAL: Final = 5
"""Seconds between two polls, and what ``slow_down`` adds (RFC 8628 §3.2, §3.5)."""

_TRIES: Final = 10
_MICROS: Final = 1_000_000


class Codes(NamedTuple):
    """What a new request is known by: to the device, and to the person."""

    device: str
    user: str


class Waiting(NamedTuple):
    """A request that a person may still decide."""

    id: str
    client_row_id: str
    scope: str
    #: client ids of the resource servers it named (RFC 8707)
    resources: list[str] | None
    network: str | None
    created_at: datetime
    expires_at: datetime
    #: seconds between two polls, by now
    interval: int


_COLUMNS: Final = (
    DeviceRequest.id,
    DeviceRequest.client_id,
    DeviceRequest.scope,
    DeviceRequest.resources,
    DeviceRequest.network,
    DeviceRequest.created_at,
    DeviceRequest.expires_at,
    DeviceRequest.interval,
    DeviceRequest.authorization_id,
    DeviceRequest.denied_at,
)
_BY_CODE: Final = Prepared(select(*_COLUMNS).where(DeviceRequest.user_code_hash == bindparam("hash")))
_BY_ID: Final = Prepared(select(*_COLUMNS).where(DeviceRequest.id == bindparam("key")))
_HOLD: Final = Prepared(select(*_COLUMNS).where(DeviceRequest.id == bindparam("key")).with_for_update())
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


def store(
    database: Database,
    vault: Vault,
    client: RegisteredClient,
    *,
    scope: str,
    resources: Sequence[str],
    network: str | None,
    now: datetime,
) -> Codes:
    """Keep a new request and return its codes; a user code that is taken already is drawn again."""
    insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert
    for _ in range(_TRIES):
        codes = Codes(random_token(), user_codes.new_code())
        row = {
            "id": new_id(),
            "hash": sha256(codes.device),
            "user_code_hash": _keyed(vault, codes.user),
            "client_id": client.row_id,
            "scope": scope,
            "resources": list(resources) or None,
            "network": network,
            "interval": INTERVAL,
            "created_at": now,
            "expires_at": now + timedelta(seconds=SECONDS),
        }
        making = insert(DeviceRequest).values(row).on_conflict_do_nothing().returning(DeviceRequest.id)
        with database.session() as db:
            made = db.execute(making).first()
            db.commit()
        if made is not None:
            return codes
    raise RuntimeError("no user code is free")


def polled(database: Database, client: RegisteredClient, device_code: str, now: datetime) -> OAuth2Error:
    """Note a poll that brought no tokens, and return what the device has to hear (RFC 8628 §3.5).

    Each state is left by one statement, so that of parallel polls one is in time and the others slow the
    device down.
    """
    mine = (DeviceRequest.hash == sha256(device_code), DeviceRequest.client_id == client.row_id)
    pending = (
        *mine,
        DeviceRequest.authorization_id.is_(None),
        DeviceRequest.denied_at.is_(None),
        DeviceRequest.expires_at > now,
    )
    in_time = update(DeviceRequest).where(*pending, _due(now)).values(polled_at=now)
    too_early = (
        update(DeviceRequest)
        .where(*pending)
        .values(polled_at=now, interval=DeviceRequest.interval + INTERVAL)
    )
    with database.session() as db:
        for noting, error in ((in_time, AuthorizationPendingError), (too_early, SlowDownError)):
            noted = db.execute(noting.returning(DeviceRequest.id), execution_options=_UNSYNCHRONIZED)
            if noted.first() is not None:
                db.commit()
                return error("the person has not decided yet")
        row = db.execute(
            select(DeviceRequest.denied_at, DeviceRequest.used_at, DeviceRequest.expires_at).where(*mine)
        ).first()
    return _over(row, now)


def find(ctx: Context, user_code: str) -> Waiting:
    """Return the request of a user code as :func:`idp.oidc.user_codes.read` gives it.

    :raises Refusal: ``device.unknown``, ``device.expired``, ``device.used``.
    """
    return _undecided(ctx, _BY_CODE.first(ctx.db, hash=_keyed(ctx.vault, user_code)))


def load(ctx: Context, request_id: str) -> Waiting:
    """Return a request again; raises as :func:`find`."""
    return _undecided(ctx, _BY_ID.first(ctx.db, key=request_id))


def connect(
    ctx: Context,
    request_id: str,
    *,
    wanted: AuthorizationRequest,
    client: RegisteredClient,
    live: LiveSession,
    membership_id: str | None,
) -> None:
    """Let the device have tokens for who is signed in; the row is held, so one decision counts.

    :raises Refusal: as :func:`find`; ``principal.may_not_act`` as the code's issue has it.
    """
    waiting = _undecided(ctx, _HOLD.first(ctx.db, key=request_id))
    everything = consent.asked(client, wanted.scope, wanted.claims)
    decided = consent.rests_on_decision(client, everything.scopes)
    if decided:
        identifiers.locked_account(ctx, live.account.id)  # it is shared below, and written to afterwards
    held = live_sessions.hold(ctx, live.session.id, client.row_id)
    _, membership = require_standing(held, membership_id)
    if decided:
        # the question listed it all: a standing decision like any other, which the person can withdraw
        shown = membership.organization_id if membership else None
        consent.decide(ctx, live.account.id, client, everything, everything, organization_id=shown)
    authorization, organization_id = accepted(ctx, wanted, client, held, membership_id)
    insert_rows(ctx.db, (Authorization, authorization))
    record(
        ctx,
        Event.DEVICE_REQUEST_CONNECTED,
        target=("account", live.account.id),
        organization=organization_id,
        client=client.client_id,
        session=live.session.id,
        new={
            "lineage": authorization["id"],
            "scope": authorization["scope"],
            "acr": live.assurance.acr,
        },
        personal=_place(waiting),
    )
    # of a yes in the last moment the device hears with its next poll, or the one after
    to_fetch = timedelta(seconds=min(2 * waiting.interval, SECONDS))
    expires_at = max(waiting.expires_at, ctx.now + to_fetch)
    _decide(ctx, request_id, authorization_id=authorization["id"], expires_at=expires_at)


def deny(ctx: Context, request_id: str, client: RegisteredClient, live: LiveSession) -> None:
    """Refuse the device for good; raises as :func:`find`."""
    waiting = _undecided(ctx, _HOLD.first(ctx.db, key=request_id))
    _decide(ctx, request_id, denied_at=ctx.now)
    record(
        ctx,
        Event.DEVICE_REQUEST_DENIED,
        target=("account", live.account.id),
        client=client.client_id,
        session=live.session.id,
        personal=_place(waiting),
    )


def _decide(ctx: Context, request_id: str, **values: Any) -> None:
    deciding = update(DeviceRequest).where(DeviceRequest.id == request_id).values(values)
    ctx.db.execute(deciding, execution_options=_UNSYNCHRONIZED)


def _undecided(ctx: Context, row: Any) -> Waiting:
    if row is None:
        raise Refusal("device.unknown")
    *facts, authorization_id, denied_at = row
    waiting = Waiting(*facts)
    if authorization_id is not None or denied_at is not None:
        raise Refusal("device.used")
    if waiting.expires_at <= ctx.now:
        raise Refusal("device.expired")
    return waiting


def _over(row: Any, now: datetime) -> OAuth2Error:
    if row is None:
        return InvalidGrantError("device_code is unknown or was issued to another client")
    if row.denied_at is not None:
        return AccessDeniedError("the person refused the device")
    if row.used_at is not None:
        return InvalidGrantError("device_code was used before")
    if row.expires_at <= now:
        return ExpiredTokenError("device_code has expired: begin with a new one")
    # allowed since the grant looked: the next poll brings the tokens
    return AuthorizationPendingError("the person has decided just now")


def _due(now: datetime) -> ColumnElement[bool]:
    # as a big integer: the interval of a device that never slows down grows
    pause = cast(DeviceRequest.interval, BigInteger) * _MICROS
    last = type_coerce(DeviceRequest.polled_at, BigInteger)
    return or_(DeviceRequest.polled_at.is_(None), last + pause <= to_micros(now))


def _place(waiting: Waiting) -> dict[str, str] | None:
    return {"network": waiting.network} if waiting.network else None


def _keyed(vault: Vault, user_code: str) -> bytes:
    return vault.keyed_hash("user code", user_code)
