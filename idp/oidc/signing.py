"""Our JWTs: one signer, one verifier with a named profile per purpose (RFC 7515, RFC 8725).

Hot paths sign with ``cryptography`` and a header encoded once; everything is verified by joserfc.  A test
proves that both agree.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import JWSRegistry

from idp.crypto import b64url

MAX_TOKEN = 12_288
"""Characters of a token of ours: what a catalogue, scopes and names come to; a head of 16 KiB holds it."""
REMEMBERED = 20_000
"""Tokens whose signature need not be checked again; a few kilobytes each."""
ALGORITHMS: Final = ("ES256", "RS256", "PS256", "EdDSA")
_ES256_BYTES = 32
_ES256 = ec.ECDSA(SHA256())
_RSA_PADDING: Final[Mapping[str, padding.AsymmetricPadding]] = {
    "RS256": padding.PKCS1v15(),
    # RFC 7518 §3.5: the salt is as long as the hash
    "PS256": padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size),
}


class Admitted(JWSRegistry):
    """Trusts the verifiers to admit algorithms; joserfc's own warns of ``EdDSA``, OpenID Connect's name."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


REGISTRY: Final = Admitted()
"""For verifiers that have compared the header's ``alg`` with their own record (RFC 8725 §3.1)."""


class TokenRefused(Exception):
    """A JWT that is not what the asking purpose accepts; the text is for the log."""


@dataclass(frozen=True, slots=True)
class JwtProfile:
    """What one purpose accepts: explicit types, since an ID token must never pass as an access token."""

    typ: frozenset[str | None]


#: not None: an answer of the userinfo endpoint has no type, and must not pass as a hint
ID_TOKEN = JwtProfile(frozenset({"JWT"}))
ACCESS_TOKEN = JwtProfile(frozenset({"at+jwt"}))


class SigningKeyPair:
    """A private key ready to sign: parsed once, with its encoded headers."""

    def __init__(self, kid: str, alg: str, pkcs8: bytes) -> None:
        self.kid = kid
        self.alg = alg
        # our own key, sealed with authentication: checking its primes again costs 40 ms and proves nothing
        self._private = load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
        self._headers: dict[str | None, bytes] = {}

    def sign(self, claims: Mapping[str, Any], *, typ: str | None) -> str:
        """Return the compact JWT of *claims*."""
        header = self._headers.get(typ)
        if header is None:
            named = {"alg": self.alg, "kid": self.kid} | ({} if typ is None else {"typ": typ})
            text = json.dumps(named, separators=(",", ":"))
            header = self._headers[typ] = b64url(text.encode()).encode() + b"."
        body = header + b64url(json.dumps(claims, separators=(",", ":")).encode()).encode()
        return f"{body.decode()}.{b64url(self._signature(body))}"

    def _signature(self, body: bytes) -> bytes:
        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self._private.sign(body, _ES256))
            return r.to_bytes(_ES256_BYTES, "big") + s.to_bytes(_ES256_BYTES, "big")
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(body)
        assert isinstance(self._private, rsa.RSAPrivateKey)  # noqa: S101  (signing_keys makes no other kind)
        return self._private.sign(body, _RSA_PADDING[self.alg], SHA256())


def public_key(jwk: dict[str, Any]) -> Key:
    """Return the joserfc key of a public JWK of ours."""
    return JWKRegistry.import_key(jwk)


@dataclass
class KeyRing:
    """The keys of one snapshot: who signs, and what verifies."""

    active: Mapping[str, SigningKeyPair]
    verifying: Mapping[str, tuple[str, Key]]
    _verified: "OrderedDict[bytes, tuple[str | None, dict[str, Any]]]" = field(default_factory=OrderedDict)

    def sign(self, claims: Mapping[str, Any], *, alg: str, typ: str | None) -> str:
        """Sign with the active key of an algorithm."""
        return self.active[alg].sign(claims, typ=typ)

    def verify(self, token: str, profile: JwtProfile) -> dict[str, Any]:
        """Return the claims of a JWT we signed; times, issuer and audience are the caller's to compare.

        :raises TokenRefused: not ours, changed, of another type, or longer than 12 KiB.
        """
        if len(token) > MAX_TOKEN or token.count(".") != 2:
            raise TokenRefused("not a compact JWT")
        digest = sha256(token.encode("utf-8", "replace")).digest()
        found = self._verified.get(digest)
        if found is None:
            found = self._verify(token)
            self._verified[digest] = found
            while len(self._verified) > REMEMBERED:
                self._verified.popitem(last=False)
        typ, claims = found
        if typ not in profile.typ:
            raise TokenRefused(f"type {typ}")
        return claims

    def _verify(self, token: str) -> tuple[str | None, dict[str, Any]]:
        try:
            header = jws.extract_compact(token.encode("ascii"), registry=REGISTRY).headers()
            # the key id is only ever a dictionary key (req 36); the algorithm comes from our record (req 35)
            alg, key = self.verifying[_text(header.get("kid"))]
            if header.get("alg") != alg:
                raise TokenRefused("another algorithm than the key's")
            checked = jws.deserialize_compact(token, key, registry=REGISTRY)
            claims = json.loads(checked.payload)
        except (JoseError, KeyError, ValueError, TypeError, RecursionError) as error:
            raise TokenRefused(str(error)[:200]) from error
        if not isinstance(claims, dict):
            raise TokenRefused("the payload is not an object")
        typ = header.get("typ")
        return (None if typ is None else _text(typ)), claims


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
