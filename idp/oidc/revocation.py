"""Token revocation (RFC 7009): a refresh token ends its whole family, an access token itself."""

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError
from sqlalchemy import delete, select

from idp.audit.events import Event
from idp.audit.log import record
from idp.crypto import sha256
from idp.db import from_micros
from idp.installation import insert_once
from idp.oidc.authorization import revoke
from idp.oidc.clients import RegisteredClient
from idp.oidc.models import AccessToken, Authorization, RefreshToken, RevokedJti
from idp.oidc.provider import Provider
from idp.oidc.request import ProtocolRequest
from idp.oidc.signing import TokenRefused
from idp.oidc.tokens import is_opaque, read_access_token


def revoke_token(provider: Provider, request: ProtocolRequest) -> dict[str, Any]:
    """End what the client presents; an unknown token is no error (RFC 7009 §2.2).

    :raises OAuth2Error: ``invalid_client``, ``invalid_request``; ``invalid_grant``: another client's token.
    """
    client = provider.authenticate(request)
    token = request.form.get("token")
    if not token:
        raise InvalidRequestError("token is missing")
    if is_opaque(token):
        _revoke_opaque_token(provider, request, client, token)
    elif token.count(".") == 2:
        _revoke_access_token(provider, request, client, token)
    else:
        _revoke_refresh_token(provider, request, client, token)
    return {}


def _revoke_refresh_token(
    provider: Provider, request: ProtocolRequest, client: RegisteredClient, token: str
) -> None:
    with provider.services.database.session() as db:
        owner = db.execute(
            select(Authorization.id, Authorization.client_id)
            .join(RefreshToken, RefreshToken.authorization_id == Authorization.id)
            .where(RefreshToken.hash == sha256(token))
        ).first()
        if owner is None:
            return
        if owner.client_id != client.row_id:
            raise InvalidGrantError("token was issued to another client")
        revoke(provider.context(db, request.exchange, client), "revoked by client", authorization_id=owner.id)
        db.commit()


def _revoke_opaque_token(
    provider: Provider, request: ProtocolRequest, client: RegisteredClient, token: str
) -> None:
    here = AccessToken.hash == sha256(token)
    own = delete(AccessToken).where(here, AccessToken.client_id == client.row_id)
    with provider.services.database.session() as db:
        gone = db.execute(
            own.returning(AccessToken.claims), execution_options={"synchronize_session": False}
        ).scalar_one_or_none()
        if gone is not None:
            ctx = provider.context(db, request.exchange, client)
            record(ctx, Event.TOKEN_REVOKED, target=("access_token", gone["jti"]), client=client.client_id)
            db.commit()
        elif db.scalar(select(AccessToken.client_id).where(here)) is not None:
            raise InvalidGrantError("token was issued to another client")


def _revoke_access_token(
    provider: Provider, request: ProtocolRequest, client: RegisteredClient, token: str
) -> None:
    exchange = request.exchange
    try:
        claims = read_access_token(
            exchange.snapshot.keys, token, issuer=provider.issuer, now=exchange.seconds
        )
    except TokenRefused:
        return
    if claims["client_id"] != client.client_id:
        raise InvalidGrantError("token was issued to another client")
    with provider.services.database.session() as db:
        ctx = provider.context(db, exchange, client)
        values = {"jti": claims["jti"], "expires_at": from_micros(claims["exp"] * 1_000_000)}
        if insert_once(db, RevokedJti.metadata.tables["revoked_jti"], values):
            record(ctx, Event.TOKEN_REVOKED, target=("access_token", claims["jti"]), client=client.client_id)
        db.commit()
