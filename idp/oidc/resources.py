"""Resource indicators: which of its resource servers a client wants a token for (RFC 8707).

A resource server is a client with a ``resource_uri``.  Only those in the asking client's ``audiences`` can be
named: ``resource`` makes a token narrower, never wider.  The URI chooses; ``aud`` has the server's client_id,
as without this parameter, so that an API has one name to compare.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from authlib.oauth2.rfc6749 import OAuth2Error

from idp.oidc.clients import RegisteredClient

PARAMETER: Final = "resource"


class InvalidTarget(OAuth2Error):
    """``invalid_target`` (RFC 8707 §2): unknown, malformed, or not for this client."""

    error = "invalid_target"


def joined(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return parameters with ``resource``, the one that may be repeated (§2), as one text with spaces."""
    others, values = [], []
    for name, value in pairs:
        if name == PARAMETER:
            values.append(value)
        else:
            others.append((name, value))
    return [*others, (PARAMETER, as_text(values))] if values else others


def as_text(uris: Iterable[str]) -> str:
    """Return URIs as one text; a URI holds no spaces, and one that does names no resource server."""
    return " ".join(uri.replace(" ", "%20") for uri in uris if uri)


def named(
    clients: Mapping[str, RegisteredClient], client: RegisteredClient, parameter: str | None
) -> tuple[str, ...]:
    """Return the client ids of the resource servers that a request names, each once.

    :raises InvalidTarget: one is unknown, or not among the client's audiences.
    """
    servers = {clients[name].resource_uri: name for name in client.audiences if name in clients}
    found = [servers.get(uri) for uri in (parameter or "").split(" ") if uri]
    if None in found:
        raise InvalidTarget("resource must be the resource_uri of a resource server of this client")
    return tuple(dict.fromkeys(name for name in found if name is not None))


def audiences(
    clients: Mapping[str, RegisteredClient],
    client: RegisteredClient,
    authorized: Sequence[str] | None,
    parameter: str | None,
) -> tuple[str, ...]:
    """Return the client ids a token is for; none: the issuer.

    :param authorized: what the authorization request named; None: nothing, so all of the client's.
    :param parameter: what the token request names, a part of that (§2.2).
    :raises InvalidTarget: it names more, or nothing of what was authorized is left.
    """
    allowed = client.audiences
    if authorized:
        allowed = tuple(name for name in authorized if name in client.audiences)
        if not allowed:
            raise InvalidTarget("this client has none of the authorized resource servers any more")
    if parameter is None:
        return allowed
    wanted = named(clients, client, parameter)
    if not set(wanted) <= set(allowed):
        raise InvalidTarget("resource exceeds what was authorized")
    return wanted
