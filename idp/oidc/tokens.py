"""Access tokens: JWTs as RFC 9068 has them, or opaque, where the database keeps the same claims."""

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

from idp.crypto import random_token, sha256
from idp.oidc.clients import RegisteredClient
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.signing import ACCESS_TOKEN, KeyRing, TokenRefused
from idp.oidc.statements import Transaction

ACCESS_TOKEN_ALG = "ES256"  # noqa: S105  (an algorithm)
JWT, OPAQUE = "jwt", "opaque"
_OPAQUE_PREFIX: Final = "at_"
"""Tells an opaque access token from anything else without a look into the database."""
_OPAQUE_TOKEN: Final = re.compile(_OPAQUE_PREFIX + "[A-Za-z0-9_-]{43}")
_MICROS: Final = 1_000_000


def mint_access_token(
    keys: KeyRing,
    client: RegisteredClient,
    *,
    issuer: str,
    now: int,
    lifetime: int,
    scope: str,
    audiences: Sequence[str],
    facts: AuthorizationFacts | None = None,
    permissions: Sequence[str] = (),
    transaction: Transaction | None,
    jkt: str | None = None,
) -> str:
    """Return an access token; without *facts* the client acts for itself (RFC 9068 §2.2).

    :param now: seconds since the epoch.
    :param lifetime: seconds.
    :param audiences: client ids of resource servers; none: the issuer.
    :param transaction: the grant's own, for a token that has a row.
    :param jkt: thumbprint of the key without which the token is worth nothing (RFC 9449 §6.1).
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": facts.sub if facts else client.client_id,
        "aud": _audience(audiences, issuer),
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
    return _issued(keys, client, claims, transaction)


def _issued(
    keys: KeyRing, client: RegisteredClient, claims: dict[str, Any], transaction: Transaction | None
) -> str:
    """Sign the claims, or keep them and return what they are found by."""
    authorization = claims.get("authorization_id")
    opaque = client.access_token_format == OPAQUE
    if opaque:
        token = _OPAQUE_PREFIX + random_token()
    else:
        token = keys.sign(claims, alg=ACCESS_TOKEN_ALG, typ="at+jwt")
    if opaque or (client.strict_revocation and authorization is None):
        assert transaction is not None  # noqa: S101  (create_token_response opened it)
        kept = claims if opaque else {}  # the row of a JWT only says that it stands
        expires = claims["exp"] * _MICROS
        transaction.insert_access_token(sha256(token), client.row_id, authorization, kept, expires)
    return token


def is_opaque(token: str) -> bool:
    """Tell whether a text has the form of an opaque access token of ours."""
    return _OPAQUE_TOKEN.fullmatch(token) is not None


def token_answer(token: str, jkt: str | None, lifetime: int, scope: str) -> dict[str, Any]:
    """Return what each token answer begins with (RFC 6749 §5.1); an empty scope is none (§3.3).

    :param jkt: thumbprint of the token's key; the type says how to present it (RFC 9449 §5).
    :param lifetime: seconds.
    """
    kind = "Bearer" if jkt is None else "DPoP"
    answer = {"access_token": token, "token_type": kind, "expires_in": lifetime}
    return answer | {"scope": scope} if scope else answer


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
    names: Collection[str], facts: AuthorizationFacts, permissions: Sequence[str]
) -> dict[str, Any]:
    """Return those of the claims ``organization`` and ``permissions`` that are named (design §5)."""
    claims: dict[str, Any] = {}
    if "organization" in names and facts.organization_id is not None:
        claims["organization"] = {
            "id": facts.organization_id,
            "name": facts.organization_name,
            "customer_number": facts.customer_number,
            "role": facts.role,
        }
    if "permissions" in names:
        claims["permissions"] = list(permissions)
    return claims


def _audience(audiences: Sequence[str], issuer: str) -> str | list[str]:
    if not audiences:
        return issuer
    return audiences[0] if len(audiences) == 1 else list(audiences)
