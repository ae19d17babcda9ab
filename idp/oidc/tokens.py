"""Access tokens as RFC 9068 has them, and the answer they travel in (RFC 6749 §5.1)."""

from collections.abc import Sequence
from typing import Any

from idp.crypto import random_token
from idp.oidc.clients import RegisteredClient
from idp.oidc.signing import ACCESS_TOKEN, KeyRing, TokenRefused
from idp.oidc.statements import AuthorizationFacts

ACCESS_TOKEN_ALG = "ES256"  # noqa: S105  (an algorithm)


def mint_access_token(
    keys: KeyRing,
    client: RegisteredClient,
    *,
    issuer: str,
    now: int,
    lifetime: int,
    scope: str,
    facts: AuthorizationFacts | None = None,
    permissions: Sequence[str] = (),
    jkt: str | None = None,
) -> str:
    """Return a signed access token; without *facts* the client acts for itself (RFC 9068 §2.2).

    :param now: seconds since the epoch.
    :param lifetime: seconds.
    :param jkt: thumbprint of the key without which the token is worth nothing (RFC 9449 §6.1).
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": facts.sub if facts else client.client_id,
        "aud": _audience(client, issuer),
        "client_id": client.client_id,
        "iat": now,
        "exp": now + lifetime,
        "jti": random_token(16),
    }
    if scope:
        claims["scope"] = scope
    if jkt is not None:
        claims["cnf"] = {"jkt": jkt}
    if facts is not None:
        claims |= {
            "authorization_id": facts.authorization_id,
            "auth_time": facts.auth_time,
            "acr": facts.acr,
            "amr": facts.amr.split(),
        }
        claims |= organization_claims(scope.split(), facts, permissions)
    return keys.sign(claims, alg=ACCESS_TOKEN_ALG, typ="at+jwt")


def token_answer(token: str, jkt: str | None, lifetime: int) -> dict[str, Any]:
    """Return what each token answer begins with; the type says how to present it (RFC 9449 §5)."""
    kind = "Bearer" if jkt is None else "DPoP"
    return {"access_token": token, "token_type": kind, "expires_in": lifetime}


def read_access_token(keys: KeyRing, token: str, *, issuer: str, now: int) -> dict[str, Any]:
    """Return the claims of an access token of ours whose time has not run out.

    :raises TokenRefused: anything else, an ID token or logout token included (req 24).
    """
    claims = keys.verify(token, ACCESS_TOKEN)
    if claims.get("iss") != issuer:
        raise TokenRefused("another issuer")
    if claims["exp"] <= now:
        raise TokenRefused("expired")
    return claims


def organization_claims(
    scopes: Sequence[str], facts: AuthorizationFacts, permissions: Sequence[str]
) -> dict[str, Any]:
    """Return the claims of the scopes ``organization`` and ``permissions`` (design §5)."""
    claims: dict[str, Any] = {}
    if "organization" in scopes and facts.organization_id is not None:
        claims["organization"] = {
            "id": facts.organization_id,
            "name": facts.organization_name,
            "customer_number": facts.customer_number,
            "role": facts.role,
        }
    if "permissions" in scopes:
        claims["permissions"] = list(permissions)
    return claims


def _audience(client: RegisteredClient, issuer: str) -> str | list[str]:
    if not client.audiences:
        return issuer
    return client.audiences[0] if len(client.audiences) == 1 else list(client.audiences)
