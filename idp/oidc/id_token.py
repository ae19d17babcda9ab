"""The ID token (OIDC Core §2, §3.1.3.6)."""

from collections.abc import Mapping
from hashlib import sha256, sha512
from typing import Any

from idp.crypto import b64url
from idp.oidc.clients import RegisteredClient
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.signing import KeyRing


def token_hash(token: str, alg: str) -> str:
    """Return ``at_hash``: the left half of the hash that the ID token's own algorithm uses.

    That is SHA-512 for ``EdDSA``, since Ed25519 is built on it (RFC 8032 §5.1), and SHA-256 for the others.
    """
    digest = (sha512 if alg == "EdDSA" else sha256)(token.encode("ascii")).digest()
    return b64url(digest[: len(digest) // 2])


def mint_id_token(
    keys: KeyRing,
    client: RegisteredClient,
    facts: AuthorizationFacts,
    *,
    issuer: str,
    now: int,
    lifetime: int,
    access_token: str,
    told: Mapping[str, Any],
    with_nonce: bool,
) -> str:
    """Return the signed ID token of an authorization.

    ``auth_time``, ``acr`` and ``amr`` are those of the authorization and never move (OIDC Core §12.2).

    :param told: claims about person and organisation; our own cannot be overwritten.
    :param with_nonce: the first ID token repeats the request's nonce, a refresh does not need to.
    """
    claims: dict[str, Any] = {
        **told,
        "iss": issuer,
        "sub": facts.sub,
        "aud": client.client_id,
        "azp": client.client_id,
        "iat": now,
        "exp": now + lifetime,
        "auth_time": facts.auth_time,
        "acr": facts.acr,
        "amr": facts.amr.split(),
        "at_hash": token_hash(access_token, client.id_token_signed_response_alg),
        "sid": facts.sid,
    }
    if with_nonce and facts.nonce is not None:
        claims["nonce"] = facts.nonce
    return keys.sign(claims, alg=client.id_token_signed_response_alg, typ="JWT")
