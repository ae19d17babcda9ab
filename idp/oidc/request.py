"""A request to a protocol endpoint as Authlib's core takes it, with the parts of ours it is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from idp.context import Origin
from idp.db import to_micros
from idp.oidc.clients import RegisteredClient
from idp.oidc.dpop import Presented
from idp.oidc.snapshot import Snapshot
from idp.oidc.statements import Transaction

# Authlib refuses an http address, as every request has behind a proxy that ends TLS.  Which public address is
# allowed is a setting, checked at start.
_ADDRESS = "https://issuer.invalid/"


@dataclass(slots=True)
class Exchange:
    """What one request carries through its grant; never shared between requests."""

    snapshot: Snapshot
    now: datetime
    origin: Origin
    transaction: Transaction | None = None

    @property
    def seconds(self) -> int:
        """The request's time in seconds since the epoch."""
        return to_micros(self.now) // 1_000_000

    @property
    def micros(self) -> int:
        """The request's time as the tables hold it."""
        return to_micros(self.now)


class ProtocolRequest(OAuth2Request):
    """A parsed request: parameters come once and only from where the endpoint reads them."""

    #: None until it is authenticated
    client: RegisteredClient

    def __init__(
        self,
        method: str,
        parameters: Mapping[str, str],
        exchange: Exchange,
        *,
        authorization: str | None = None,
        proof: Presented | None = None,
    ) -> None:
        super().__init__(method, _ADDRESS)
        self.parameters = parameters
        self.payload = BasicOAuth2Payload(parameters)
        self.exchange = exchange
        self.authorization_header = authorization
        self.proof = proof
        #: thumbprint of the key that was proven, which the tokens will be bound to (RFC 9449 §5)
        self.jkt: str | None = None

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters of the body."""
        return self.parameters
