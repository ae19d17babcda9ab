"""PKCE with S256 and nothing else (RFC 7636, RFC 9700 §2.1.1, req 4, 5)."""

import re
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge, create_s256_code_challenge

from idp.oidc.request import ProtocolRequest

# Authlib's patterns end in $ and so accept a trailing line feed
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


class S256CodeChallenge(CodeChallenge):
    """Authlib's extension with ``plain`` taken out and the challenge made mandatory.

    Authlib binds only public clients, and only at the token endpoint.
    """

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without a challenge, unless the client is registered so (RFC 9700 §2.1.1)."""
        request: ProtocolRequest = grant.request
        challenge = request.parameters.get("code_challenge")
        method = request.parameters.get("code_challenge_method")
        if challenge is None and method is None and not request.client.require_pkce:
            return
        if challenge is None:
            raise InvalidRequestError("code_challenge is missing: this server demands PKCE with S256")
        if method != "S256":
            raise InvalidRequestError(f"code_challenge_method must be S256, received {_printable(method)}")
        if not _CHALLENGE.fullmatch(challenge):
            raise InvalidRequestError("code_challenge must be 43 characters of base64url")

    def validate_code_verifier(self, grant: Any, result: object) -> None:
        """Compare the verifier with the challenge the code was issued for (RFC 7636 §4.6).

        Called by the code grant once the code is consumed: a wrong verifier burns the code.
        """
        request: ProtocolRequest = grant.request
        verifier = request.form.get("code_verifier")
        challenge = request.authorization_code.code_challenge
        if challenge is None:
            if verifier is not None:
                # RFC 9700 §4.8.2: somebody took the challenge out of the authorization request
                raise InvalidGrantError(
                    "code_verifier sent, but the code was requested without code_challenge"
                )
            return
        if verifier is None:
            raise InvalidGrantError("code_verifier is missing")
        if not _VERIFIER.fullmatch(verifier) or create_s256_code_challenge(verifier) != challenge:
            raise InvalidGrantError("code_verifier does not fit the code_challenge")


def _printable(value: str | None) -> str:
    return "nothing" if not value else re.sub(r"[^A-Za-z0-9_.:-]", "?", value)[:40]
