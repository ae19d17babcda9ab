"""JWTs that clients sign: one verifier, with a named profile per purpose (RFC 7515 §5.2, RFC 8725 §3).

The key and the algorithms come from the client's registration; of the header only ``alg`` and ``kid`` choose
among them, and ``jwk``, ``jku``, ``x5u`` and ``x5c`` are never looked at (req 35, 36).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from idp.oidc.client_keys import ClientKeys
from idp.oidc.clients import RegisteredClient
from idp.oidc.public_jwks import CLIENT_ALGORITHMS
from idp.oidc.signing import REGISTRY, JwtProfile

CLIENT_ASSERTION: Final = JwtProfile(frozenset({"jwt", "client-authentication+jwt", None}))
REQUEST_OBJECT: Final = JwtProfile(frozenset({"jwt", "oauth-authz-req+jwt", None}))

MAX_JWT: Final = 8192
"""Characters of a JWT that a client signs."""
SKEW: Final = 30
"""Seconds by which the clock of a client may differ from ours."""

#: what changes how a JWS is read (RFC 7515 §4.1.11, RFC 7797), and what belongs to a JWE alone
_EXTENSIONS: Final = frozenset({"crit", "b64", "zip"})
#: seconds beyond which a time is nobody's clock
_LEGIBLE: Final = 1e12
#: one answer for every form, key and algorithm, so that a key id tells nothing (req 36)
_NOT_SIGNED: Final = (
    f"must be a JWT of at most {MAX_JWT} characters, signed by this client "
    "with a registered key and algorithm"
)


class ClientJwtRefused(Exception):
    """A JWT that is not what its purpose accepts; the text is for the portal's developer."""


def verify(
    token: str,
    client: RegisteredClient,
    keys: ClientKeys,
    profile: JwtProfile,
    *,
    alg: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the claims of a JWT that the client signed; what they say is the caller's to compare.

    :param alg: the registered algorithm; None: any that a client may use.
    :raises ClientJwtRefused: another form, type, algorithm or key, changed, or longer than 8 KiB.
    """
    try:
        header = read_header(token, REGISTRY)
        if _type(header.get("typ")) not in profile.typ:
            raise ValueError("type")
        kid, named = header.get("kid"), header["alg"]
        allowed = CLIENT_ALGORITHMS if alg is None else (alg,)
        if named not in allowed or not isinstance(kid, str | None):
            raise ValueError("algorithm or key id")
        key = keys.find(client, kid, named, now)
        if key is None:
            raise ValueError("no such key")
        return claims_object(jws.deserialize_compact(token, key, registry=REGISTRY).payload)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise ClientJwtRefused(_NOT_SIGNED) from error


def unverified_claims(token: str) -> Mapping[str, Any]:
    """Return what a JWT says of itself; only to learn whose key to verify it with.

    :raises ClientJwtRefused: it cannot be read.
    """
    try:
        if len(token) > MAX_JWT:
            raise ValueError("too long")
        _, payload, _ = token.split(".")
        return claims_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise ClientJwtRefused(_NOT_SIGNED) from error


def check_times(claims: Mapping[str, Any], now: datetime, *, longest: int) -> float:
    """Compare ``exp``, ``nbf`` and ``iat`` with the time and return ``exp``, in seconds (RFC 7519 §4.1).

    :param longest: seconds that ``exp`` may lie ahead.
    :raises ClientJwtRefused: expired, not yet valid, too long valid, or without ``exp``.
    """
    seconds = now.timestamp()
    expires = number(claims.get("exp"))
    # written so that NaN, which JSON readers take, is refused
    if expires is None or not seconds - SKEW < expires <= seconds + longest + SKEW:
        raise ClientJwtRefused(
            f"exp must be a time in the future, at most {longest} seconds ahead; {compared(expires, seconds)}"
        )
    for name in ("nbf", "iat"):
        since = number(claims.get(name, 0))
        if since is None or not since <= seconds + SKEW:
            raise ClientJwtRefused(f"{name} must be a time in the past; {compared(since, seconds)}")
    return expires


def compared(received: float | None, here: float) -> str:
    """Tell a developer whose clock may be wrong what was read, and what time it is here."""
    shown = f"{received:.0f}" if received is not None and abs(received) < _LEGIBLE else "no such number"
    return f"received {shown}, it is {here:.0f} here"


def read_header(token: str, registry: JWSRegistry) -> dict[str, Any]:
    """Return the header of a compact JWT; raises JoseError, ValueError, TypeError, RecursionError."""
    if len(token) > MAX_JWT or token.count(".") != 2:
        raise ValueError("not a compact JWT")
    header = jws.extract_compact(token.encode("ascii"), registry=registry).headers()
    if not _EXTENSIONS.isdisjoint(header):
        raise ValueError("an extension that nobody here knows")
    return header


def _type(value: object) -> str | None:
    """Return a media type without ``application/``, in small letters (RFC 7515 §4.1.9)."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError("typ is no text")
    return value.lower().removeprefix("application/")


def claims_object(payload: bytes) -> dict[str, Any]:
    """Return the claims of a payload; raises ValueError, RecursionError."""
    claims = json.loads(payload.decode(), object_pairs_hook=_once)  # UTF-8 alone (RFC 7519 §7.2)
    if not isinstance(claims, dict):
        raise ValueError("the payload is no object")
    json.dumps(claims, ensure_ascii=False).encode()  # half a surrogate pair, which no answer could carry
    return claims


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: two readers would see two values (RFC 7519 §4)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def number(value: object) -> float | None:
    """Return a NumericDate (RFC 7519 §2), None where it is no number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
