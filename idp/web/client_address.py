"""Where a request came from: the address counts only proxies that are configured (req 58; ASVS 15.3.4).

No Flask in here: the machine endpoints need the address as the pages do.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from idp.authentication.devices import DeviceCookie
from idp.context import Origin
from idp.settings import Settings
from idp.settings.models import Networks
from idp.web import cookies

_LONGEST_CHAIN = 20


def origin(environ: Mapping[str, Any], settings: Settings, *, request_id: str = "") -> Origin:
    """Return the origin of a WSGI request."""
    agent: str = environ.get("HTTP_USER_AGENT", "")
    if not agent.isprintable():
        agent = "".join(sign for sign in agent if sign.isprintable())
    device = DeviceCookie.parse(cookies.sent(environ).get(cookies.cookie_name(settings, cookies.DEVICE)))
    return Origin(
        ip=client_ip(environ, settings.server.trusted_proxies),
        user_agent=agent[:255],
        request_id=request_id,
        device=device.hash if device else None,
    )


def client_ip(environ: Mapping[str, Any], trusted: Networks) -> str | None:
    """Return the address of the client as text, or None where the server names none.

    ``X-Forwarded-For`` is read from its end while the sender of each entry is a trusted proxy, so what a
    client writes into the header itself is never believed.
    """
    peer = _address(str(environ.get("REMOTE_ADDR") or ""))
    if peer is None:
        return None
    for hop in _hops(environ):
        if not _within(peer, trusted):
            break
        before = _address(hop)
        if before is None:
            break
        peer = before
    return str(peer)


def _hops(environ: Mapping[str, Any]) -> Iterable[str]:
    header = str(environ.get("HTTP_X_FORWARDED_FOR") or "")
    return list(reversed(header.split(",")))[:_LONGEST_CHAIN] if header else ()


@lru_cache(maxsize=512)  # the longest header is 16 KiB
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, also ``[address]:port`` and ``address:port`` as some proxies write it."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _within(address: IPv4Address | IPv6Address, networks: Networks) -> bool:
    return any(address in network for network in networks)
