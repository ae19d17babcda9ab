"""Token introspection (RFC 7662): the authorization is read every time, a cached signature is not enough."""

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError, UnauthorizedClientError

from idp.accounts.principal import principal_may_act
from idp.crypto import sha256
from idp.oidc.claims import ORGANIZATIONAL
from idp.oidc.clients import RegisteredClient
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.provider import Provider
from idp.oidc.request import Exchange, ProtocolRequest
from idp.oidc.signing import TokenRefused
from idp.oidc.tokens import is_opaque, organization_claims, read_access_token

_Found = tuple[dict[str, Any], AuthorizationFacts | None]

INACTIVE = {"active": False}
_SHOWN = ("client_id", "exp", "iat", "sub", "aud", "iss", "jti", "auth_time", "acr", "amr", "cnf")


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
    found = _worth(provider, request.exchange, client, token)
    if found is None:
        return dict(INACTIVE)
    claims, facts = found
    answer = {name: claims[name] for name in _SHOWN if name in claims}
    answer |= _allowed_now(provider, request.exchange, claims, facts)
    return {"active": True, "token_type": "DPoP" if "cnf" in claims else "Bearer", **answer}


def _allowed_now(
    provider: Provider, exchange: Exchange, claims: dict[str, Any], facts: AuthorizationFacts | None
) -> dict[str, Any]:
    """Return scope, organisation and permissions as they stand now, not as they stood in the token."""
    scope = exchange.snapshot.clients[claims["client_id"]].still_allowed(claims.get("scope", ""))
    answer: dict[str, Any] = {"scope": scope} if scope else {}
    names = ORGANIZATIONAL.intersection(scope.split())
    if facts is not None and names:
        permissions = provider.statements.permissions(facts, exchange.snapshot.version)
        answer |= organization_claims(names, facts, permissions)
    return answer


def _worth(provider: Provider, exchange: Exchange, client: RegisteredClient, token: str) -> _Found | None:
    """Return the claims of a token that is worth something now and concerns the client."""
    found = (_stored if is_opaque(token) else _read)(provider, exchange, client, token)
    if found is None:
        return None
    claims, facts = found
    if facts is None:
        return found
    issued_to = exchange.snapshot.clients[claims["client_id"]]
    return found if issued_to.lets_stand(facts) and principal_may_act(facts.standing) else None


def _stored(provider: Provider, exchange: Exchange, client: RegisteredClient, token: str) -> _Found | None:
    found = provider.statements.opaque(sha256(token), exchange.micros)
    return found if found is not None and _concerns(exchange, found[0], client) else None


def _read(provider: Provider, exchange: Exchange, client: RegisteredClient, token: str) -> _Found | None:
    """Return what a JWT says that was not revoked, and the authorization of one that speaks for a person."""
    try:
        claims = read_access_token(
            exchange.snapshot.keys, token, issuer=provider.issuer, now=exchange.seconds
        )
    except TokenRefused:
        return None
    if not _concerns(exchange, claims, client):
        return None
    authorization = claims.get("authorization_id")
    if authorization is None:
        return (claims, None) if _own_stands(provider, exchange, claims, token) else None
    found = provider.statements.authorization(authorization, claims["jti"])
    return None if found is None or found[1] else (claims, found[0])


def _concerns(exchange: Exchange, claims: dict[str, Any], client: RegisteredClient) -> bool:
    """Tell whether a token of a client that there still is was issued to the one that asks, or is for it.

    For it is a token that names it, as long as the registration of whose token it is does so too.
    """
    issued_to = exchange.snapshot.clients.get(claims["client_id"])
    if issued_to is None:
        return False
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    made_for = client.client_id in named and client.client_id in issued_to.audiences
    return made_for or issued_to.client_id == client.client_id


def _own_stands(provider: Provider, exchange: Exchange, claims: dict[str, Any], token: str) -> bool:
    """Tell whether a token that a client got for itself was not revoked."""
    if exchange.snapshot.clients[claims["client_id"]].strict_revocation:
        return provider.statements.strict_stands(sha256(token), claims["jti"])
    return not provider.statements.jti_revoked(claims["jti"])
