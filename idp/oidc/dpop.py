"""DPoP proofs: a JWT by which the sender of a request shows that it holds a key (RFC 9449 §4).

Pure: a header goes in, what it proves comes out.  Decided here, since the specification leaves it open:

- ``iat`` may lie 60 seconds back and 10 seconds ahead (RFC 9449 §11.1), with a nonce as without one.
- A ``nonce`` must be one of ours wherever there is one; whether there must be one is a setting.
- ``htu`` is compared with the public URL of the settings, never with what the request says of its host.

The key is the one in the header, for a proof says nothing but that its sender holds it (req 26, 35).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from idp.crypto import b64url, sha256
from idp.oidc.client_jwt import claims_object, compared, number, read_header
from idp.oidc.public_jwks import CLIENT_ALGORITHMS, FULLY_SPECIFIED, presented_key, usual_name
from idp.oidc.signing import Admitted

TYPE: Final = "dpop+jwt"
ALGORITHMS: Final = (*CLIENT_ALGORITHMS, *FULLY_SPECIFIED)

MAX_AGE: Final = 60
"""Seconds after ``iat`` for which a proof counts."""
SKEW: Final = 10
"""Seconds by which ``iat`` may lie ahead of our clock."""

_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}


class ProofRefused(OAuth2Error):
    """``invalid_dpop_proof`` (RFC 9449 §5, §7.1); the text is for the portal's developer."""

    error = "invalid_dpop_proof"


class NonceWanted(OAuth2Error):
    """``use_dpop_nonce`` (RFC 9449 §8): the answer's ``DPoP-Nonce`` belongs into the next proof."""

    error = "use_dpop_nonce"


class _Registry(Admitted):
    """Reads headers that hold a key; unknown parameters are ignored, as RFC 7515 §4 says."""

    max_header_length = 4096


_REGISTRY: Final = _Registry(strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Presented:
    """A DPoP header as it came, and the request that it must speak of."""

    header: str
    method: str
    #: where the request arrived, as the public knows it
    address: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof says once it was found right."""

    #: SHA-256 thumbprint of the key (RFC 7638)
    jkt: str
    jti: str
    issued_at: float


def check(
    presented: Presented,
    now: datetime,
    nonces: Collection[str],
    *,
    nonce_required: bool,
    access_token: str | None = None,
) -> Proof:
    """Return what a proof says; whether its ``jti`` is new is the caller's to find out (RFC 9449 §4.3).

    :param nonces: those that count now.
    :param access_token: the token it came with, at a protected resource.
    :raises OAuth2Error: ``invalid_dpop_proof``, ``use_dpop_nonce``.
    """
    key, claims = _verified(presented.header)
    if claims.get("htm") != presented.method:
        raise ProofRefused(f"htm must be {presented.method}, the method of the request")
    if not _same_address(claims.get("htu"), presented.address):
        raise ProofRefused(f"htu must be {presented.address}")
    jti, issued_at = claims.get("jti"), number(claims.get("iat"))
    if not isinstance(jti, str) or not jti:
        raise ProofRefused("jti must be a text that no other proof has")
    seconds = now.timestamp()
    # written so that NaN, which JSON readers take, is refused, and without sums of numbers of any length
    if issued_at is None or not seconds - MAX_AGE <= issued_at <= seconds + SKEW:
        raise ProofRefused(
            f"iat must be now: at most {MAX_AGE} seconds old, and {SKEW} seconds ahead; "
            f"{compared(issued_at, seconds)}"
        )
    if access_token is not None and claims.get("ath") != b64url(sha256(access_token)):
        raise ProofRefused("ath must be the base64url of the SHA-256 of the access token")
    _check_nonce(claims, nonces, required=nonce_required)
    return Proof(key.thumbprint(), jti, issued_at)


def _verified(header: str) -> tuple[Key, dict[str, Any]]:
    """Return the key of a proof and the claims that it signed."""
    if "," in header:
        # servers join headers of one name so, and no JWT holds a comma (RFC 9449 §4.3, number 1)
        raise ProofRefused("the DPoP header must come once, with one JWT")
    try:
        jose = read_header(header, _REGISTRY)
        if jose.get("typ") != TYPE:
            raise ValueError("type")
        key = presented_key(jose.get("jwk"), str(usual_name(jose["alg"])))
        if key is None:
            raise ValueError("key")
        return key, claims_object(jws.deserialize_compact(header, key, registry=_REGISTRY).payload)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise ProofRefused(
            f"the DPoP header must be a JWT with typ {TYPE}, with alg one of {', '.join(ALGORITHMS)}, "
            "and with jwk the public key (P-256, Ed25519, RSA of 2048 bits or more) that signed it"
        ) from error


def _check_nonce(claims: Mapping[str, Any], nonces: Collection[str], *, required: bool) -> None:
    if "nonce" not in claims and not required:
        return
    if claims.get("nonce") not in nonces:
        raise NonceWanted("nonce must be the value of the last DPoP-Nonce header")


def _same_address(htu: object, address: str) -> bool:
    """Compare without query and fragment, as RFC 3986 §6.2.2 and §6.2.3 make addresses comparable.

    Paths are compared as they stand: ours need no percent-encoding and have no dots.
    """
    # urlsplit would drop spaces, tabs and line ends
    return isinstance(htu, str) and bool(re.fullmatch("[!-~]+", htu)) and _normal(htu) == _normal(address)


def _normal(address: str) -> str | None:
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
    return f"{parts.scheme}://{host}{parts.path}"
