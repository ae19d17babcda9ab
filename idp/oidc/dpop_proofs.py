"""Proofs count once, over all workers, and nonces are ours (RFC 9449 §8, §11.1, req 26)."""

import hashlib
import math
from datetime import datetime
from typing import Final

from idp.context import Services
from idp.crypto import b64url
from idp.oidc.dpop import MAX_AGE, SKEW, Presented, Proof, ProofRefused, check
from idp.oidc.statements import Statements

NONCE_SECONDS: Final = 300
"""A nonce counts in the window it was made for and in the next one."""


class Proofs:
    """Checks proofs; one for a process."""

    def __init__(self, services: Services, statements: Statements) -> None:
        self._vault = services.vault
        self._nonce_required = services.settings.tokens.require_dpop_nonce
        self._statements = statements

    def accept(self, presented: Presented, now: datetime) -> str:
        """Accept a proof for the first time and return the thumbprint of its key.

        :raises OAuth2Error: ``invalid_dpop_proof``, ``use_dpop_nonce``.
        """
        proof = self.check(presented, now)
        self.use(proof)
        return proof.jkt

    def check(self, presented: Presented, now: datetime, *, access_token: str | None = None) -> Proof:
        """Return what a proof says, right but perhaps presented before; raises as :meth:`accept`."""
        window = _window(now)
        nonces = (self._nonce(window), self._nonce(window - 1))
        return check(presented, now, nonces, nonce_required=self._nonce_required, access_token=access_token)

    def use(self, proof: Proof) -> None:
        """Take a proof out of circulation, in a transaction of its own that is durable at once.

        So it counts as presented also where the request that it came with fails, as an assertion does.

        :raises ProofRefused: it was presented before.
        """
        presented = hashlib.sha256(f"dpop\0{proof.jkt}\0{proof.jti}".encode())
        until = (math.ceil(proof.issued_at) + MAX_AGE + SKEW) * 1_000_000
        with self._statements.transaction() as transaction:
            fresh = transaction.use_jti(presented.digest(), until)
            transaction.commit()
        if not fresh:
            raise ProofRefused("jti was presented before: sign a new proof for each request")

    def nonce(self, now: datetime) -> str:
        """Return what the next proof may say; made from time and a secret, so nothing is stored."""
        return self._nonce(_window(now))

    def _nonce(self, window: int) -> str:
        return b64url(self._vault.keyed_hash("dpop_nonce", str(window)))


def _window(now: datetime) -> int:
    return int(now.timestamp()) // NONCE_SECONDS
