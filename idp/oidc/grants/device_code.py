"""The device authorization grant: polling until a person has decided (RFC 8628 §3.4-3.5, req 22, 23, 30).

Authlib answers an unknown code with ``invalid_request`` and never consumes one; here a code that was allowed
is consumed first, by one statement, so that of any number of parallel polls one gets the tokens.
"""

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc8628 import DeviceCodeGrant as AuthlibDeviceCodeGrant

from idp.crypto import sha256
from idp.oidc import device_requests
from idp.oidc.clients import RegisteredClient
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.grants.minting import admitted, check_gate, first_tokens
from idp.oidc.provider import HasProvider
from idp.oidc.request import ProtocolRequest


class DeviceCodeGrant(AuthlibDeviceCodeGrant):
    """Exchanges a device code that a person allowed for the tokens of the code flow."""

    request: ProtocolRequest
    server: HasProvider

    def validate_token_request(self) -> None:
        """Authenticate the client, consume the code where it is allowed, else say what it waits for."""
        client = admitted(self.server.provider, self.request, self.GRANT_TYPE)
        device_code = self.request.form.get("device_code")
        if not device_code:
            raise InvalidRequestError("device_code is missing")
        self.request.credential = check_gate(self.request, self._consume(device_code, client))

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Mint access token, ID token and, for clients registered so, a refresh token."""
        facts: AuthorizationFacts = self.request.credential
        return 200, first_tokens(self.server.provider, self.request, facts), self.TOKEN_RESPONSE_HEADER

    def _consume(self, device_code: str, client: RegisteredClient) -> AuthorizationFacts:
        exchange = self.request.exchange
        assert exchange.transaction is not None  # noqa: S101  (create_token_response opened it)
        facts = exchange.transaction.consume_device_code(sha256(device_code), client.row_id, exchange.micros)
        if facts is None:
            exchange.transaction.rollback()
            database = self.server.provider.services.database
            raise device_requests.polled(database, client, device_code, exchange.now)
        return facts
