"""A client as pages name it: the portal a person comes from and goes back to."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import current_app

from idp.oidc.client_fields import DEVICE_GRANT
from idp.oidc.clients import RegisteredClient
from idp.oidc.device_authorization import VERIFICATION_PATH
from idp.oidc.provider import Provider
from idp.oidc.server import ProtocolServer


@dataclass(frozen=True, slots=True)
class Portal:
    """Name and addresses of a portal."""

    name: str
    home_uri: str | None
    #: where a lost sign-in begins again
    restart_uri: str | None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None


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
    return Portal(
        name=client.client_name,
        home_uri=client.home_uri,
        restart_uri=_initiation(client) or client.home_uri or _device_page(client),
        logo_uri=client.logo_uri,
        policy_uri=client.policy_uri,
        tos_uri=client.tos_uri,
    )


def _initiation(client: RegisteredClient) -> str | None:
    """Return where a sign-in at the portal begins, with our name (OIDC Core §4).

    Without ``login_hint``, which may be a mail address, and ``target_link_uri``, which only the portal knows.
    """
    uri = client.initiate_login_uri
    if uri is None:
        return None
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': provider().issuer})}"


def _device_page(client: RegisteredClient) -> str | None:
    """Return where the code of a device is typed again, for a program without pages of its own."""
    return VERIFICATION_PATH if client.check_grant_type(DEVICE_GRANT) else None


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


def portal_by_id(client_id: str) -> Portal | None:
    """Return the portal of a client id, or None."""
    client = provider().snapshots.current().clients.get(client_id)
    return portal_of(client) if client else None
