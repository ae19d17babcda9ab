"""Token introspection (RFC 7662): the authorization is read every time, a cached signature is not enough."""

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError, UnauthorizedClientError

from idp.accounts.principal import principal_may_act
from idp.crypto import sha256
from idp.oidc.clients import RegisteredClient
from idp.oidc.provider import Provider
from idp.oidc.request import Exchange, ProtocolRequest
from idp.oidc.signing import TokenRefused
from idp.oidc.tokens import is_opaque, read_access_token

INACTIVE = {"active": False}
_SHOWN = ("scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti", "auth_time", "acr", "amr", "cnf")
_SHOWN_PERSON = ("organization", "permissions")


def introspect(provider: Provider, request: ProtocolRequest) -> dict[str, Any]:
    """Return what an access token is worth now, to the client it was made for or issued to (req 27).

    :raises OAuth2Error: ``invalid_client``, ``invalid_request``, ``unauthorized_client``.
    """
    client = provider.authenticate(request)
    if client.public:
        # RFC 7662 §2.1: else anyone could scan for valid tokens
        raise UnauthorizedClientError("introspection needs a client that proves who it is")
    token = request.form.get("token")
    if not token:
        raise InvalidRequestError("token is missing")
    claims = _worth(provider, request.exchange, client, token)
    if claims is None:
        return dict(INACTIVE)
    answer = {name: claims[name] for name in (*_SHOWN, *_SHOWN_PERSON) if name in claims}
    return {"active": True, "token_type": "DPoP" if "cnf" in claims else "Bearer", **answer}


def _concerns(claims: dict[str, Any], client: RegisteredClient) -> bool:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    return client.client_id in named or claims.get("client_id") == client.client_id


def _worth(
    provider: Provider, exchange: Exchange, client: RegisteredClient, token: str
) -> dict[str, Any] | None:
    """Return the claims of a token that is worth something now and concerns the client."""
    if is_opaque(token):
        return _stored(provider, exchange, client, token)
    try:
        claims = read_access_token(
            exchange.snapshot.keys, token, issuer=provider.issuer, now=exchange.seconds
        )
    except TokenRefused:
        return None
    return claims if _concerns(claims, client) and _alive(provider, exchange, claims, token) else None


def _stored(
    provider: Provider, exchange: Exchange, client: RegisteredClient, token: str
) -> dict[str, Any] | None:
    found = provider.statements.opaque(sha256(token), exchange.micros)
    if found is None:
        return None
    claims, facts = found
    known = claims["client_id"] in exchange.snapshot.clients and _concerns(claims, client)
    return claims if known and (facts is None or principal_may_act(facts.standing)) else None


def _alive(provider: Provider, exchange: Exchange, claims: dict[str, Any], token: str) -> bool:
    owner = exchange.snapshot.clients.get(claims["client_id"])
    if owner is None:
        return False
    authorization = claims.get("authorization_id")
    if authorization is None:
        if owner.strict_revocation:
            return provider.statements.strict_stands(sha256(token), claims["jti"])
        return not provider.statements.jti_revoked(claims["jti"])
    found = provider.statements.authorization(authorization, claims["jti"])
    return found is not None and not found[1] and principal_may_act(found[0].standing)
