"""The authorization code grant (RFC 6749 §4.1, OIDC Core §3.1.3, req 4-7).

Authlib saves the token first and deletes the code afterwards; here the code is consumed first, by one
statement, so that of any number of parallel redemptions one succeeds.
"""

from typing import Any

from authlib.oauth2.rfc6749.errors import (
    InvalidGrantError,
    InvalidRequestError,
    OAuth2Error,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant as AuthlibCodeGrant

from idp.crypto import sha256
from idp.oidc.authorization import code_misused, code_replayed
from idp.oidc.clients import RegisteredClient
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.grants.minting import admitted, check_gate, first_tokens
from idp.oidc.provider import HasProvider
from idp.oidc.request import ProtocolRequest


class AuthorizationCodeGrant(AuthlibCodeGrant):
    """Exchanges a code for tokens; the authorization endpoint's half is in ``oidc.authorization``."""

    request: ProtocolRequest
    server: HasProvider

    def validate_token_request(self) -> None:
        """Authenticate the client, consume the code, then compare all it is bound to.

        A code that was presented wrongly by an authenticated client is burnt (req 7).
        """
        client = admitted(self.server.provider, self.request, self.GRANT_TYPE)
        code = self.request.form.get("code")
        if not code:
            raise InvalidRequestError("code is missing")
        facts = self._consume(code, client)
        self.request.authorization_code = facts
        try:
            self._check_binding(facts, client)
            self.execute_hook("after_validate_token_request", None)
            self.request.authorization_code = check_gate(self.request, facts)
        except OAuth2Error as error:
            self._burn(facts, client, error)
            raise

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Mint access token, ID token and, for clients registered so, a refresh token."""
        facts: AuthorizationFacts = self.request.authorization_code
        return 200, first_tokens(self.server.provider, self.request, facts), self.TOKEN_RESPONSE_HEADER

    def _consume(self, code: str, client: RegisteredClient) -> AuthorizationFacts:
        exchange = self.request.exchange
        assert exchange.transaction is not None  # noqa: S101  (create_token_response opened it)
        facts = exchange.transaction.consume_code(sha256(code), exchange.micros)
        if facts is None:
            exchange.transaction.rollback()
            with self.server.provider.services.database.session() as db:
                code_replayed(self.server.provider.context(db, exchange, client), code)
                db.commit()
            raise InvalidGrantError("code is unknown, expired or was used before")
        return facts

    def _check_binding(self, facts: AuthorizationFacts, client: RegisteredClient) -> None:
        if facts.client_row_id != client.row_id:
            raise InvalidGrantError("code was issued to another client")
        received = self.request.payload.redirect_uri
        if received is None:
            raise InvalidGrantError("redirect_uri is missing: repeat the one of the authorization request")
        if received != facts.redirect_uri:
            raise InvalidGrantError("redirect_uri differs from the one of the authorization request")
        if facts.jkt not in (None, self.request.jkt):
            raise InvalidGrantError(
                "the code was requested for a DPoP key: prove that one (RFC 9449 section 10)"
            )

    def _burn(self, facts: AuthorizationFacts, client: RegisteredClient, error: OAuth2Error) -> None:
        exchange = self.request.exchange
        assert exchange.transaction is not None  # noqa: S101  (as above)
        with exchange.transaction.session() as db:
            code_misused(
                self.server.provider.context(db, exchange, client), facts.authorization_id, error.description
            )
            db.commit()
