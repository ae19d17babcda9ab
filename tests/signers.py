"""Clients with keys of their own: they sign assertions and request objects, rightly or not (RFC 7515)."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, OKPKey, RSAKey
from werkzeug.test import Client, TestResponse

from idp.crypto import b64url, random_token
from idp.oidc.client_assertion import ASSERTION_TYPE
from tests.plain_browser import Portal

Claims = dict[str, Any]
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@cache
def _private(alg: str, number: int) -> PrivateKey:
    """Return a key, made once a process: an RSA key takes long."""
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(header: object, claims: object) -> str:
    """Return what a signature is made of."""
    return ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))


@dataclass(frozen=True)
class Signer:
    """One key of a client."""

    client_id: str = "signer"
    alg: str = "ES256"
    kid: str | None = "k1"
    #: tells two keys of one algorithm apart
    number: int = 0

    @property
    def _key(self) -> PrivateKey:
        # both RSA algorithms have the same kind of key
        return _private("RS256" if self.alg == "PS256" else self.alg, self.number)

    @property
    def jwk(self) -> Claims:
        """Return the public key as it is registered."""
        private = self._key
        kind: Any = {"ES256": ECKey, "EdDSA": OKPKey}.get(self.alg, RSAKey)
        public: Claims = dict(kind.import_key(private).as_dict(private=False))
        return public if self.kid is None else public | {"kid": self.kid}

    @property
    def jwks(self) -> Claims:
        """Return the key set of this key alone."""
        return {"keys": [self.jwk]}

    @property
    def private_jwk(self) -> Claims:
        """Return what must never be registered."""
        kind: Any = {"ES256": ECKey, "EdDSA": OKPKey}.get(self.alg, RSAKey)
        return dict(kind.import_key(self._key).as_dict(private=True))

    def sign(self, claims: object, **header: Any) -> str:
        """Return a JWT; *header* changes its header, None takes a member out."""
        full = {"alg": self.alg, "kid": self.kid, "typ": "JWT", **header}
        body = encoded({name: value for name, value in full.items() if value is not None}, claims)
        return f"{body}.{b64url(self._signature(body.encode()))}"

    def _signature(self, body: bytes) -> bytes:
        private, sha256 = self._key, hashes.SHA256()
        if isinstance(private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(private.sign(body, ec.ECDSA(sha256)))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(body)
        if self.alg == "PS256":
            return private.sign(body, padding.PSS(padding.MGF1(sha256), sha256.digest_size), sha256)
        return private.sign(body, padding.PKCS1v15(), sha256)

    def assertion_claims(self, issuer: str, **changes: Any) -> Claims:
        """Return the claims of a client assertion; None takes one out."""
        now = int(time.time())
        usual = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "iat": now,
            "exp": now + 60,
            "jti": random_token(16),
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def credentials(self, issuer: str, **changes: Any) -> dict[str, str]:
        """Return the parameters that authenticate a request."""
        return posted(self.sign(self.assertion_claims(issuer, **changes)))

    def object_claims(self, issuer: str, parameters: Claims, **changes: Any) -> Claims:
        """Return the claims of a request object; None takes one out."""
        usual = {"iss": self.client_id, "aud": issuer, "exp": int(time.time()) + 300, **parameters}
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def request_object(self, issuer: str, parameters: Claims, **changes: Any) -> str:
        """Return a request object of these parameters."""
        return self.sign(self.object_claims(issuer, parameters, **changes), typ="oauth-authz-req+jwt")


@dataclass
class SigningPortal(Portal):
    """A relying party that authenticates with ``private_key_jwt``."""

    signer: Signer = field(default_factory=Signer)

    def call(self, path: str, form: Mapping[str, str | None]) -> TestResponse:
        """Call a machine endpoint with a fresh assertion."""
        issuer = self.gateway.server.provider.issuer
        sent = {name: value for name, value in form.items() if value is not None}
        data = self.signer.credentials(issuer) | sent
        return Client(self.gateway).post(path, base_url=issuer, data=data)


def posted(assertion: str) -> dict[str, str]:
    """Return an assertion as the parameters that carry it (RFC 7523 §2.2)."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
