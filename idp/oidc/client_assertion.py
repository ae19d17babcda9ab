"""Client authentication by a JWT the client signed, ``private_key_jwt`` (OIDC Core §9, RFC 7523 §3, req 19).

The audience is our issuer and nothing else: an assertion made for an endpoint's address, or for several
readers, could be presented to us by another provider it was sent to (draft-ietf-oauth-rfc7523bis §4).
"""

import hashlib
import math
from datetime import datetime
from typing import Any, Final

from idp.oidc.client_jwt import CLIENT_ASSERTION, SKEW, ClientJwtRefused, check_times, verify
from idp.oidc.client_keys import ClientKeys
from idp.oidc.clients import RegisteredClient
from idp.oidc.statements import Statements

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_SECONDS: Final = 300
"""How far ahead an assertion may expire."""


class ClientAssertions:
    """Checks assertions, each once; one for a process."""

    def __init__(self, issuer: str, keys: ClientKeys, statements: Statements) -> None:
        self._issuer = issuer
        self._keys = keys
        self._statements = statements

    def check(self, client: RegisteredClient, assertion: str, now: datetime) -> None:
        """Accept an assertion for the first time.

        :raises ClientJwtRefused: not this client's, not for us, expired, or presented before.
        """
        alg = client.token_endpoint_auth_signing_alg
        claims = verify(assertion, client, self._keys, CLIENT_ASSERTION, alg=alg, now=now)
        for name in ("iss", "sub"):
            if claims.get(name) != client.client_id:
                raise ClientJwtRefused(f"{name} must be the client_id")
        if claims.get("aud") != self._issuer:
            raise ClientJwtRefused(f"aud must be the issuer {self._issuer} as one text, not a list")
        expires = check_times(claims, now, longest=MAX_SECONDS)
        self._use(client, claims.get("jti"), expires)

    def _use(self, client: RegisteredClient, jti: Any, expires: float) -> None:
        """Take the ``jti`` out of circulation, for all workers.

        In a transaction of its own that is durable before anything else happens: an assertion counts as
        presented also where the request it came with fails, and introspection has no transaction at all.
        """
        if not isinstance(jti, str) or not jti:
            raise ClientJwtRefused("jti must be a text that no other assertion has")
        presented = hashlib.sha256(f"client_assertion\0{client.row_id}\0{jti}".encode("utf-8", "replace"))
        until = (math.ceil(expires) + SKEW) * 1_000_000
        with self._statements.transaction() as transaction:
            fresh = transaction.use_jti(presented.digest(), until)
            transaction.commit()
        if not fresh:
            raise ClientJwtRefused("jti was presented before: sign a new assertion for each request")
