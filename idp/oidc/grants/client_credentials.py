"""The client credentials grant (RFC 6749 §4.4): a client acts for itself.

No row is written, unless the client's tokens are opaque or it asks for strict revocation.
"""

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant as AuthlibClientCredentialsGrant

from idp.oidc import resources
from idp.oidc.client_values import PERSON_SCOPES
from idp.oidc.grants.minting import admitted
from idp.oidc.provider import HasProvider
from idp.oidc.request import ProtocolRequest
from idp.oidc.tokens import mint_access_token, token_answer


class ClientCredentialsGrant(AuthlibClientCredentialsGrant):
    """Issues an access token to a confidential client."""

    request: ProtocolRequest
    server: HasProvider

    def validate_token_request(self) -> None:
        """Authenticate; a scope the client may not have is refused, not dropped in silence."""
        client = admitted(self.server.provider, self.request, self.GRANT_TYPE)
        if client.public:
            raise UnauthorizedClientError("client_credentials is for clients that prove who they are")
        asked = (self.request.payload.scope or "").split()
        # there is no person here whom the scopes of OpenID Connect could speak of
        allowed = client.scopes.difference(PERSON_SCOPES)
        if not allowed.issuperset(asked):
            raise InvalidScopeError("scope holds a value this client may not have with client_credentials")
        clients, resource = self.request.exchange.snapshot.clients, self.request.form.get(resources.PARAMETER)
        self.audiences = resources.audiences(clients, client, None, resource)
        self.scope = " ".join(dict.fromkeys(asked)) or " ".join(sorted(allowed))

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Mint the token (RFC 6749 §4.4.3: no refresh token)."""
        lifetime = self.server.provider.settings.tokens.access_token_seconds
        exchange = self.request.exchange
        token = mint_access_token(
            exchange.snapshot.keys,
            self.request.client,
            issuer=self.server.provider.issuer,
            now=exchange.seconds,
            lifetime=lifetime,
            scope=self.scope,
            audiences=self.audiences,
            transaction=exchange.transaction,
            jkt=self.request.jkt,
        )
        return 200, token_answer(token, self.request.jkt, lifetime, self.scope), self.TOKEN_RESPONSE_HEADER
