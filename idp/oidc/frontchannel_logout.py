"""Telling portals of a sign-out by pages of theirs in frames (OIDC Front-Channel Logout 1.0, req 48)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import select

from idp.authentication.models import SessionClient
from idp.context import Context
from idp.oidc.clients import RegisteredClient
from idp.oidc.redirect_uris import origin_of


@dataclass(frozen=True, slots=True)
class Frame:
    """A page of a portal that ends the portal's own session when it is loaded."""

    client_id: str
    client_name: str
    address: str
    origin: str


def receivers(ctx: Context, clients: Mapping[str, RegisteredClient], session_id: str) -> dict[str, str]:
    """Return who of a session wants to be told by a frame: client_id → the ``sid`` of its ID tokens.

    :param clients: by their table keys; without one that has a page for it, nothing is asked.
    """
    wanting = {key: client.client_id for key, client in clients.items() if client.frontchannel_logout_uri}
    if not wanting:
        return {}
    taking_part = select(SessionClient.client_id, SessionClient.id).where(
        SessionClient.session_id == session_id
    )
    return {wanting[key]: sid for key, sid in ctx.db.execute(taking_part) if key in wanting}


def frames(
    clients: Mapping[str, RegisteredClient], sids: Mapping[str, str], issuer: str
) -> tuple[Frame, ...]:
    """Return the frames of a sign-out; only what is registered now is framed (req 48).

    :param clients: by client_id.
    :param sids: what :func:`receivers` returned.
    """
    found = []
    for client_id, sid in sids.items():
        client = clients.get(client_id)
        if client is not None and client.frontchannel_logout_uri is not None:
            address = _address(client.frontchannel_logout_uri, issuer, sid)
            found.append(Frame(client_id, client.client_name, address, origin_of(address)))
    return tuple(found)


def _address(uri: str, issuer: str, sid: str) -> str:
    """Return a registered page with its query kept, and what it is told by (§3): always both."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': issuer, 'sid': sid})}"
