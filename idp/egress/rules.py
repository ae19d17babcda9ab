"""Which URLs and addresses are fetched from, and how long that may take (req 32, C9)."""

import queue
import socket
import threading
import time
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

_NAT64 = IPv6Network("64:ff9b::/96")
_NEVER = (
    IPv6Network("::/96"),  # IPv4-compatible, also :: and ::1
    IPv6Network("64:ff9b:1::/48"),  # NAT64 for local use
    IPv6Network("2001::/32"),  # Teredo: the embedded address is somebody's choice
    IPv6Network("fec0::/10"),  # site-local, deprecated
)


class EgressError(Exception):
    """A fetch that brought nothing; the text names the host, never the whole URL."""


class EgressRefused(EgressError):
    """The URL, its address or the answer is against the rules: trying again changes nothing."""


class EgressFailed(EgressError):
    """The other side could not be reached or did not answer in time: a later try may succeed."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address belongs to the public internet, also when it hides another one inside."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
        if any(address in network for network in _NEVER):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def is_loopback(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is this machine's own loopback."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def checked(url: str, *, loopback: bool) -> SplitResult:
    """Return the parts of a URL that may be fetched; raises EgressRefused.

    :param loopback: whether this machine may be asked, by http as well.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise EgressRefused("the URL holds characters that do not belong there")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise EgressRefused("the URL cannot be read") from error
    schemes = ("https", "http") if loopback else ("https",)
    if parts.scheme not in schemes:
        raise EgressRefused("the URL is not https")
    if not parts.hostname or "@" in parts.netloc:
        raise EgressRefused("the URL has no plain host")
    return parts


def left(deadline: float) -> float:
    """Return the seconds that are left; raises EgressFailed when none are."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise EgressFailed("no answer in time")
    return left


def resolve(host: str, port: int, deadline: float) -> list[IPv4Address | IPv6Address]:
    """Return the addresses of a host; the system's resolver knows no time limit, so it runs beside us."""
    try:
        return [ip_address(host)]
    except ValueError:
        if _is_odd_number(host):
            raise EgressRefused("the address is written in an unusual way") from None
    results: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            results.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            results.put(error)
        except UnicodeError:  # a label of more than 63 characters
            results.put(OSError("no such name"))

    threading.Thread(target=look_up, name="egress-resolver", daemon=True).start()
    try:
        found = results.get(timeout=left(deadline))
    except queue.Empty:
        raise EgressFailed("the name was not resolved in time") from None
    if isinstance(found, OSError):
        raise EgressFailed("the name is not known") from found
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def _is_odd_number(host: str) -> bool:
    """Tell whether a host is an address in decimal, octal, hexadecimal or shortened form."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
