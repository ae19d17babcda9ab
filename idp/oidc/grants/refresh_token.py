"""The refresh token grant with rotation and reuse detection (RFC 6749 §6, RFC 9700 §4.14.2, req 21, 22)."""

from typing import Any

from authlib.oauth2.rfc6749.errors import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
)
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant as AuthlibRefreshTokenGrant

from idp.crypto import sha256
from idp.db import new_id
from idp.oidc.authorization import refresh_token_reused
from idp.oidc.clients import RegisteredClient
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.grants.minting import admitted, check_gate, person_tokens, store_refresh_token
from idp.oidc.provider import HasProvider
from idp.oidc.request import ProtocolRequest


class RefreshTokenGrant(AuthlibRefreshTokenGrant):
    """Consumes a refresh token and mints its one successor in the same transaction."""

    request: ProtocolRequest
    server: HasProvider

    def validate_token_request(self) -> None:
        """Authenticate the client, consume the token, then compare scope and standing.

        A refusal after the consumption rolls it back: a wish for too much scope costs no token.
        """
        client = admitted(self.server.provider, self.request, self.GRANT_TYPE)
        token = self.request.form.get("refresh_token")
        if not token:
            raise InvalidRequestError("refresh_token is missing")
        self.successor = new_id()
        facts = self._consume(token, client)
        self._check_key(facts, client)
        facts = check_gate(self.request, facts)
        self.scope = self._scope(facts)
        self.request.refresh_token = facts

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Mint the successor; it keeps the whole scope where this access token has less (RFC 6749 §6)."""
        facts: AuthorizationFacts = self.request.refresh_token
        refresh_token = store_refresh_token(
            self.server.provider, self.request, facts, key=self.successor, parent=facts.consumed_id
        )
        answer = person_tokens(
            self.server.provider,
            self.request,
            facts,
            scope=self.scope,
            with_nonce=False,
            refresh_token=refresh_token,
        )
        return 200, answer, self.TOKEN_RESPONSE_HEADER

    def _consume(self, token: str, client: RegisteredClient) -> AuthorizationFacts:
        exchange = self.request.exchange
        assert exchange.transaction is not None  # noqa: S101  (create_token_response opened it)
        digest = sha256(token)
        facts = exchange.transaction.consume_refresh_token(
            digest, client.row_id, self.successor, exchange.micros
        )
        if facts is None:
            exchange.transaction.rollback()
            with self.server.provider.services.database.session() as db:
                refresh_token_reused(self.server.provider.context(db, exchange, client), digest, client)
                db.commit()
            raise InvalidGrantError("refresh_token is unknown, expired or was used before")
        return facts

    def _check_key(self, facts: AuthorizationFacts, client: RegisteredClient) -> None:
        """Compare the key that was proven with the one the authorization is bound to (RFC 9449 §5).

        A confidential client may come with another one, since its authentication binds its refresh tokens
        already; but what began with a key never ends in a Bearer token.
        """
        if facts.jkt in (None, self.request.jkt):
            return
        if client.public or self.request.jkt is None:
            raise InvalidGrantError(
                "refresh_token is bound to a DPoP key: prove that one (RFC 9449 section 5)"
            )

    def _scope(self, facts: AuthorizationFacts) -> str:
        wanted = (self.request.payload.scope or "").split()
        if not wanted:
            return facts.scope
        granted = facts.scope.split()
        if not set(wanted) <= set(granted):
            raise InvalidScopeError("scope exceeds what was granted, or what the client is registered for")
        return " ".join(word for word in granted if word in wanted)
