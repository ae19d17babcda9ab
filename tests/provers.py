"""Clients that hold a key and prove it with each request, rightly or not (RFC 9449 §4)."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from werkzeug.test import Client, TestResponse

from idp.crypto import b64url, random_token
from tests.plain_browser import Portal
from tests.signers import Claims, Signer
from tests.world import VERIFIER, Desk

KINDS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")


@dataclass(frozen=True)
class Prover:
    """One key pair."""

    alg: str = "ES256"
    #: tells two keys of one algorithm apart
    number: int = 0

    @property
    def signer(self) -> Signer:
        """Return what signs."""
        kind = "EdDSA" if self.alg == "Ed25519" else self.alg
        return Signer(alg=kind, kid=None, number=self.number)

    @property
    def jkt(self) -> str:
        """The thumbprint of RFC 7638 §3, written out."""
        names = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
        jwk = self.signer.jwk
        members = {name: jwk[name] for name in names[jwk["kty"]]}
        return b64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())

    def claims(self, address: str, method: str = "POST", **changes: Any) -> Claims:
        """Return the claims of a proof; None takes one out."""
        usual = {"htm": method, "htu": address, "iat": int(time.time()), "jti": random_token(16)}
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def proof(
        self,
        address: str,
        method: str = "POST",
        *,
        token: str | None = None,
        header: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Return a proof, for a token where one is named; *header* and *changes* make it wrong."""
        ath = None if token is None else b64url(hashlib.sha256(token.encode()).digest())
        jose = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.signer.jwk, **(header or {})}
        return self.signer.sign(self.claims(address, method, **({"ath": ath} | changes)), **jose)


@dataclass
class ProvingPortal(Portal):
    """A relying party that sends a proof with each request, and the nonce it was given last."""

    prover: Prover = field(default_factory=Prover)
    nonce: str | None = None

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Return the header with a fresh proof."""
        return {"DPoP": self.prover.proof(self._issuer + path, method, nonce=self.nonce)}

    def userinfo(self, access_token: str) -> TestResponse:
        """Ask the userinfo endpoint."""
        proof = self.prover.proof(self._issuer + "/userinfo", "GET", token=access_token, nonce=self.nonce)
        headers = {"Authorization": f"DPoP {access_token}", "DPoP": proof}
        return Client(self.gateway).get("/userinfo", base_url=self._issuer, headers=headers)

    @property
    def _issuer(self) -> str:
        return self.gateway.server.provider.issuer


def with_key(desk: Desk, prover: Prover | None = None) -> Desk:
    """Return a desk whose portal proves a key with each request."""
    made = replace(desk)
    made.portal = ProvingPortal(desk.gateway, desk.registered, verifier=VERIFIER, prover=prover or Prover())
    return made
