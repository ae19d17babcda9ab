"""What the protocol's endpoints share in one process: settings, snapshots, statements, client check."""

from functools import partial
from typing import Protocol

from sqlalchemy.orm import Session

from idp.context import Actor, Context, Services
from idp.oidc import client_authentication
from idp.oidc.client_assertion import ClientAssertions
from idp.oidc.client_keys import ClientKeys
from idp.oidc.clients import RegisteredClient
from idp.oidc.dpop_proofs import Proofs
from idp.oidc.request import Exchange, ProtocolRequest
from idp.oidc.snapshot import Snapshots
from idp.oidc.statements import Statements


class Provider:
    """One for a process; only read after its making."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.settings = services.settings
        self.issuer = services.settings.public_url
        self.snapshots = Snapshots(services)
        self.statements = Statements(services.database)
        self.client_keys = ClientKeys(services.settings)
        self.proofs = Proofs(services, self.statements)
        self.client_assertions = ClientAssertions(self.issuer, self.client_keys, self.statements)

    def context(self, db: Session, exchange: Exchange, client: RegisteredClient | None = None) -> Context:
        """Return the context of what happens beside the hot statements of a request."""
        actor = Actor("client", client.client_id) if client else Actor("anonymous")
        return self.services.context(db, now=exchange.now, origin=exchange.origin, actor=actor)

    def authenticate(self, request: ProtocolRequest) -> RegisteredClient:
        """Return the authenticated client of a request, and set it as the request's ``client``.

        Failures are counted against guessing (req 55).

        Comes before the first statement of the request's own transaction: a client's keys may have to be
        fetched.

        :raises OAuth2Error: ``invalid_client``, ``invalid_request``.
        """
        exchange = request.exchange
        try:
            credentials = client_authentication.read_credentials(request.authorization_header, request.form)
            client = client_authentication.authenticate(
                exchange.snapshot.clients,
                credentials,
                exchange.now,
                partial(self.client_assertions.check, now=exchange.now),
            )
        except client_authentication.ClientRefused as refused:
            self.services.throttle.client_authentication_failed(
                refused.client_id or "", exchange.origin.ip, now=exchange.now
            )
            raise
        request.client = client
        return client


class HasProvider(Protocol):
    """What a grant knows of the server it was made by."""

    provider: Provider
