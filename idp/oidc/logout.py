"""Signing out (OIDC RP-Initiated Logout 1.0) and telling the portals (OIDC Back-Channel Logout 1.0)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select

from idp import egress
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import sessions
from idp.authentication.live_sessions import LiveSession
from idp.authentication.models import Session, SessionClient
from idp.context import Context
from idp.crypto import random_token
from idp.db import new_id
from idp.delivery import outbox
from idp.oidc import subject
from idp.oidc.authorization import revoke
from idp.oidc.authorization_request import Received, RelyingPartyMistake
from idp.oidc.clients import RegisteredClient
from idp.oidc.models import Client
from idp.oidc.provider import Provider
from idp.oidc.request import Exchange
from idp.oidc.signing import ID_TOKEN, KeyRing, TokenRefused
from idp.settings import Settings

LOGOUT_TOKEN_SECONDS = 120
DELIVERY_PERIOD = timedelta(hours=24)
_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A checked request to end a session."""

    client_id: str | None = None
    #: compared with the registered ones; None: stay on our page
    post_logout_redirect_uri: str | None = None
    state: str | None = None
    #: from a valid hint; without one the person is asked (req 46)
    hinted_sub: str | None = None
    hinted_sid: str | None = None
    ui_locales: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the flow's row."""
        return asdict(self)


def read_logout_request(
    exchange: Exchange, issuer: str, parameters: Iterable[tuple[str, str]]
) -> LogoutRequest:
    """Check a request to the end session endpoint.

    :raises RelyingPartyMistake: hint not ours, unknown client, or a URI that is not registered.
    """
    received = Received.of(parameters)
    values = received.parameters
    if received.repeated:
        twice = received.repeated[0]
        raise _mistake(twice, values.get(twice, ""), "this parameter once")
    hint = _hint(exchange.snapshot.keys, issuer, values.get("id_token_hint"))
    client_id = values.get("client_id") or (hint or {}).get("aud")
    client = exchange.snapshot.clients.get(client_id) if isinstance(client_id, str) else None
    if client_id is not None and client is None:
        source = "client_id" if "client_id" in values else "id_token_hint"
        raise _mistake(source, f"{client_id}", "the client_id of a registered client")
    if hint is not None and client is not None and hint["aud"] != client.client_id:
        raise _mistake("id_token_hint", None, "an ID token issued to this client_id", client)
    uri = values.get("post_logout_redirect_uri")
    if uri is not None and client is None:
        raise _mistake("client_id", "", "client_id or id_token_hint: whose post_logout_redirect_uri it is")
    if uri is not None and client is not None and not client.check_post_logout_redirect_uri(uri):
        expected = "exactly one of the post-logout redirect URIs registered for the client that asks"
        raise _mistake("post_logout_redirect_uri", uri, expected, client)
    return LogoutRequest(
        client_id=client.client_id if client else None,
        post_logout_redirect_uri=uri,
        state=values.get("state"),
        hinted_sub=hint["sub"] if hint else None,
        hinted_sid=hint.get("sid") if hint else None,
        ui_locales=values.get("ui_locales"),
    )


def _mistake(
    parameter: str, received: str | None, expected: str, client: RegisteredClient | None = None
) -> RelyingPartyMistake:
    return RelyingPartyMistake("invalid_request", parameter, received, expected, client=client)


def _hint(keys: KeyRing, issuer: str, token: str | None) -> dict[str, Any] | None:
    """Return the claims of an ID token we issued; its time may be over (RP-Initiated Logout §4)."""
    if not token:
        return None
    expected = "an ID token issued by this server"
    try:
        claims = keys.verify(token, ID_TOKEN)
    except TokenRefused as refused:
        raise _mistake("id_token_hint", None, expected) from refused
    if claims.get("iss") != issuer or not isinstance(claims.get("aud"), str):
        raise _mistake("id_token_hint", None, expected)
    return claims


def hint_fits(
    ctx: Context, request: LogoutRequest, client: RegisteredClient | None, live: LiveSession
) -> bool:
    """Tell whether the hint names this very session, so that no question is needed.

    :param client: the one that asks, to which the hint was issued.
    """
    if client is None or request.hinted_sub != subject.seen_by(ctx.vault, client, live.account.sub):
        return False
    if request.hinted_sid is None:
        return True
    owner = ctx.db.scalar(select(SessionClient.session_id).where(SessionClient.id == request.hinted_sid))
    return owner == live.session.id


def other_portals(ctx: Context, session_id: str, client_id: str | None) -> list[str]:
    """Return the names of the clients of a session besides the asking one."""
    taking_part = (
        select(Client.client_id, Client.client_name)
        .join(SessionClient, SessionClient.client_id == Client.id)
        .where(SessionClient.session_id == session_id)
        .order_by(Client.client_name)
    )
    return [name for slug, name in ctx.db.execute(taking_part) if slug != client_id]


def end_session(ctx: Context, session_id: str, reason: str) -> str | None:
    """End a session with all that was issued in it, and put a logout token for each client into the outbox.

    Returns the outbox group that the receipt is asked by, or None when the session had ended before.
    """
    if not sessions.end(ctx, session_id, reason):
        return None
    revoke(ctx, f"session {reason}", session_id=session_id)
    group = new_id()
    taking_part = (
        select(SessionClient, Client.client_id, Client.backchannel_logout_uri, Account.sub)
        .join(Client, Client.id == SessionClient.client_id)
        .join(Session, Session.id == SessionClient.session_id)
        .join(Account, Account.id == Session.account_id)
        .where(SessionClient.session_id == session_id)
    )
    for link, client_id, uri, sub in ctx.db.execute(taking_part):
        if uri is None:
            continue
        link.logout_outbox_id = outbox.enqueue(
            ctx,
            outbox.BACKCHANNEL_LOGOUT,
            uri,
            {"client_id": client_id, "sub": sub, "sid": link.id},
            expires_at=ctx.now + DELIVERY_PERIOD,
            group=group,
            reference=client_id,
        )
    record(ctx, Event.SESSION_ENDED, session=session_id, target=("session", session_id), reason=reason)
    return group


def logout_token(provider: Provider, payload: Mapping[str, Any], *, now: datetime, jti: str) -> str:
    """Return a logout token (Back-Channel Logout §2.4): signed like the client's ID tokens, no nonce."""
    snapshot = provider.snapshots.current()
    client = snapshot.clients.get(payload["client_id"])
    if client is None:
        raise outbox.Undeliverable("the client is gone")
    seconds = int(now.timestamp())
    claims = {
        "iss": provider.issuer,
        "aud": client.client_id,
        "iat": seconds,
        "exp": seconds + LOGOUT_TOKEN_SECONDS,
        "jti": jti,
        "sub": subject.seen_by(provider.services.vault, client, payload["sub"]),
        "sid": payload["sid"],
        "events": {_EVENT: {}},
    }
    return snapshot.keys.sign(claims, alg=client.id_token_signed_response_alg, typ="logout+jwt")


def deliver_logout_token(provider: Provider, settings: Settings, message: outbox.Message) -> None:
    """Send one logout token; the worker calls it outside any transaction.

    :raises Undeliverable: the client refused the token (400) or is gone: no later attempt can mend it.
    """
    token = logout_token(provider, message.payload, now=datetime.now(UTC), jti=random_token(16))
    response = egress.fetch(
        message.recipient,
        settings=settings,
        method="POST",
        data=urlencode({"logout_token": token}).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        accept=None,
    )
    if response.status in (200, 204):
        return
    if response.status == 400:
        raise outbox.Undeliverable("the client refused the logout token")
    raise egress.EgressFailed(f"status {response.status}")
