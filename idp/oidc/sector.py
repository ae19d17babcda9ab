"""Sectors: clients that know a person by the same pairwise subject (OIDC Core §8.1, Registration §5)."""

import json
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import urlsplit

from idp import egress
from idp.settings import Settings

_EXPECTED: Final = "must be the address of a JSON array that holds each of the redirect URIs"


def sector_of(sector_identifier_uri: str | None, redirect_uris: Iterable[str]) -> str | None:
    """Return the sector of a client: the host of its sector URI, or the one host of its redirect URIs.

    None: there is no such host, or there are several; a scheme of an app's own has none.
    """
    uris = redirect_uris if sector_identifier_uri is None else (sector_identifier_uri,)
    hosts = {urlsplit(uri).hostname for uri in uris}
    return hosts.pop() if len(hosts) == 1 else None


def document_problem(settings: Settings, uri: str, redirect_uris: Collection[str]) -> str | None:
    """Fetch what stands at a ``sector_identifier_uri``; return what it would have to be, or None when it is.

    Else anybody could register a client into another one's sector and learn who is who there.
    """
    if not redirect_uris:
        return "must be left out for a client without redirect URIs, which alone show whose the sector is"
    try:
        answer = egress.fetch(uri, settings=settings)
        listed = json.loads(answer.body) if answer.status == 200 else None
    except egress.EgressError as error:
        return f"{_EXPECTED}, and could not be read ({error})"
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        return _EXPECTED
    missing = [redirect_uri for redirect_uri in redirect_uris if redirect_uri not in listed]
    return f"{_EXPECTED}; {missing[0]} is not in it" if missing else None
