"""Public keys of clients: which are taken, and what each verifies (RFC 7517 §4, §5; RFC 7518 §6).

Pure.  A set that is registered by value must be right as a whole; in a fetched one what is not understood is
left out, since it may hold keys for other purposes.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from idp.crypto import b64url

CLIENT_ALGORITHMS: Final = ("ES256", "RS256", "PS256", "EdDSA")
"""What a client may sign with."""
#: the name that RFC 9864 gives to what OpenID Connect calls EdDSA
FULLY_SPECIFIED: Final = {"Ed25519": "EdDSA"}
MAX_KEYS: Final = 50
MAX_KID: Final = 256
RSA_BITS: Final = range(2048, 8193)
EXPONENT_BITS: Final = 32
"""Of an RSA key's exponent: a larger one is nowhere used, and makes each verification dear."""

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
_ALGORITHMS: Final[dict[tuple[str, str | None], frozenset[str]]] = {
    ("RSA", None): frozenset({"RS256", "PS256"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies signatures."""

    kid: str | None
    key: Key
    algorithms: frozenset[str]


def jwks_problem(jwks: object) -> str | None:
    """Return what a set registered by value would have to be, or None when it is."""
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        return f"must have keys, a list of 1 to {MAX_KEYS} public keys (RFC 7517 §5)"
    if not all(isinstance(key, Mapping) for key in keys):
        return "must have tables in keys, each a public key (RFC 7517 §4)"
    if any(map(is_private, keys)):
        return f"must have public keys only, without {', '.join(sorted(_PRIVATE))}"
    signing = [key for key in keys if key.get("use", "sig") == "sig"]
    if not signing or any(_read(key) is None for key in signing):
        return (
            f"must have keys for signatures: RSA of {RSA_BITS.start} to {RSA_BITS.stop - 1} bits, "
            f"EC on P-256 or OKP with Ed25519, and with alg one of {', '.join(CLIENT_ALGORITHMS)}"
        )
    if not _is_json(keys):
        return "must have texts and numbers in its keys, as JSON has them"
    kids = [key.get("kid") for key in keys]
    if len(keys) > 1 and (None in kids or len(set(map(str, kids))) < len(kids)):
        return "must have a kid of its own on each key where there are several"
    return None


@lru_cache(maxsize=1000)
def registered_keys(text: str) -> tuple[PublicKey, ...]:
    """Return the keys of a registered set, given as JSON; parsed once."""
    return usable_keys(json.loads(text))


def usable_keys(jwks: object) -> tuple[PublicKey, ...]:
    """Return the keys of a set that verify signatures; what is not understood is left out.

    :raises ValueError: it is no key set, or one of more than 50 keys.
    """
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ValueError("no JWK set of a usual size")
    return tuple(found for key in keys if not is_private(key) and (found := _read(key)) is not None)


def is_private(jwk: object) -> bool:
    """Tell whether a key holds what nobody but its owner may know; where it is published, everybody does."""
    return isinstance(jwk, Mapping) and not _PRIVATE.isdisjoint(jwk)


def usual_name(alg: object) -> object:
    """Return an algorithm by the name that it has in this product."""
    return FULLY_SPECIFIED.get(alg, alg) if isinstance(alg, str) else alg


def choose(keys: Sequence[PublicKey], kid: str | None, alg: str) -> Key | None:
    """Return the one key for *alg* that *kid* names; without a kid only where no other fits (OIDC §10.1)."""
    fitting = [key.key for key in keys if alg in key.algorithms and (kid is None or key.kid == kid)]
    return fitting[0] if len(fitting) == 1 else None


def presented_key(jwk: object, alg: str) -> Key | None:
    """Return the key that came with what it signed; None: private, of no kind we take, or not for *alg*.

    Each number must be written in the one way that there is, else a key had many thumbprints (RFC 7638 §7).
    """
    if not isinstance(jwk, Mapping) or is_private(jwk) or not _is_canonical(jwk):
        return None
    found = _read(jwk)
    return found.key if found is not None and alg in found.algorithms else None


def _read(jwk: object) -> PublicKey | None:
    """Return a key by its public members alone; None: not a signature key that we take."""
    if not isinstance(jwk, Mapping) or not _for_signatures(jwk):
        return None
    kty, crv, kid = jwk.get("kty"), jwk.get("crv"), jwk.get("kid")
    if not (isinstance(kty, str) and isinstance(crv, str | None) and isinstance(kid, str | None)):
        return None
    algorithms = _ALGORITHMS.get((kty, crv))
    if algorithms is None or len(kid or "") > MAX_KID:
        return None
    if "alg" in jwk:
        algorithms = frozenset(alg for alg in algorithms if alg == usual_name(jwk["alg"]))
    members = {name: jwk.get(name) for name in _MEMBERS[kty]}
    key = _imported(members) if algorithms else None
    return PublicKey(kid, key, algorithms) if key is not None else None


def _is_canonical(jwk: Mapping[str, Any]) -> bool:
    """Tell whether RSA's numbers have no zeros in front, and coordinates their full length (RFC 7518 §6)."""
    for name in {"n", "e", "x", "y"} & set(jwk):
        try:
            number = _decoded(jwk[name])
        except (ValueError, TypeError):
            return False
        if b64url(number) != jwk[name] or (number[:1] == b"\0" if name in "ne" else len(number) != 32):
            return False
    return True


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _imported(members: dict[str, Any]) -> Key | None:
    if not all(isinstance(value, str) for value in members.values()):
        return None
    try:
        if members["kty"] == "RSA" and not _is_usual(members["n"], members["e"]):
            return None
        return JWKRegistry.import_key(members)
    except (JoseError, ValueError, TypeError):
        return None


def _is_usual(modulus: str, exponent: str) -> bool:
    return _bits(modulus) in RSA_BITS and _bits(exponent) <= EXPONENT_BITS


def _bits(number: str) -> int:
    return int.from_bytes(_decoded(number), "big").bit_length()


def _decoded(number: str) -> bytes:
    return base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))
