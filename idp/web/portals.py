"""A client as pages name it: the portal a person comes from and goes back to."""

from dataclasses import dataclass

from flask import current_app

from idp.oidc.clients import RegisteredClient
from idp.oidc.provider import Provider
from idp.oidc.server import ProtocolServer


@dataclass(frozen=True, slots=True)
class Portal:
    """Name and addresses of a portal."""

    name: str
    home_uri: str | None
    #: where a lost sign-in begins again
    restart_uri: str | None


def provider() -> Provider:
    """Return the protocol's parts of this process."""
    found: Provider = current_app.extensions["lotse.provider"]
    return found


def server() -> ProtocolServer:
    """Return the authorization server of this process."""
    found: ProtocolServer = current_app.extensions["lotse.server"]
    return found


def portal_of(client: RegisteredClient) -> Portal:
    """Return a client as a portal."""
    return Portal(client.client_name, client.home_uri, client.initiate_login_uri or client.home_uri)


def portal_by_row(client_row_id: str | None) -> Portal | None:
    """Return the portal of a flow, or None: it has none, or the client is gone.

    Error pages name portals too, so the database need not be there.
    """
    client = provider().snapshots.published().by_row.get(client_row_id) if client_row_id else None
    return portal_of(client) if client else None


def portals() -> list[Portal]:
    """Return all portals that have a home, by name."""
    known = provider().snapshots.current().clients.values()
    return sorted((portal_of(client) for client in known if client.home_uri), key=lambda portal: portal.name)
