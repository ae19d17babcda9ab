"""The one way out: every server-side fetch of a URL somebody else chose (req 32, C9; OWASP SSRF prevention).

The name is resolved here, every address is judged, and the socket is opened to the judged address itself,
so a name that answers differently the second time gains nothing; the host name stays in SNI and ``Host``.
No redirects, no proxies from the environment, no compressed answers; time and size are bounded over all.
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore

from idp.settings import Settings

SECONDS = 3.0
"""Time for everything: name, connection, TLS, request, answer."""
MAX_BYTES = 256 * 1024
"""Largest body that is read."""

JSON = ("application/json",)

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


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; header names are in lower case, *body* is empty where the caller accepts none."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def fetch(
    url: str,
    *,
    settings: Settings,
    method: str = "GET",
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    accept: Sequence[str] | None = JSON,
) -> Response:
    """Fetch *url* and return the answer, whatever its status; a redirect is an answer like any other.

    :param accept: media types a successful answer may have; None: the body is of no interest and not read.
    :raises EgressRefused: not https, an address that is not public, a wrong type, more than 256 KiB.
    :raises EgressFailed: no name, no connection, no valid certificate, no answer within 3 seconds.
    """
    parts = _checked(url, settings)
    deadline = time.monotonic() + SECONDS
    backend = _PinnedBackend(deadline, plain=parts.scheme == "http", loopback=settings.egress.allow_loopback)
    sent = {"Accept-Encoding": "identity", "User-Agent": "Lotse", "Connection": "close"}
    sent |= {"Accept": ", ".join(accept)} if accept else {}
    sent |= headers or {}
    pool = httpcore.ConnectionPool(ssl_context=_trust(_ca_file(settings)), network_backend=backend)
    try:
        with pool, pool.stream(method, url, headers=_latin(sent), content=data) as answer:
            found = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
            }
            body = b"" if accept is None else _body(answer.iter_stream(), answer.status, found, accept)
            return Response(answer.status, body, found)
    except EgressError as error:
        raise type(error)(f"{parts.hostname}: {error}") from None
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
        raise EgressFailed(f"{parts.hostname}: {type(error).__name__}") from error


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


def _checked(url: str, settings: Settings) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise EgressRefused("the URL holds characters that do not belong there")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise EgressRefused("the URL cannot be read") from error
    schemes = ("https", "http") if settings.egress.allow_loopback else ("https",)
    if parts.scheme not in schemes:
        raise EgressRefused("the URL is not https")
    if not parts.hostname or "@" in parts.netloc:
        raise EgressRefused("the URL has no plain host")
    return parts


class _PinnedBackend(httpcore.NetworkBackend):
    """Opens sockets to addresses it has judged itself."""

    def __init__(self, deadline: float, *, plain: bool, loopback: bool) -> None:
        self._deadline = deadline
        self._plain = plain
        self._loopback = loopback
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = EgressFailed("the name has no address")
        addresses = _resolve(host, port, self._deadline)
        for address in addresses:  # all of them, before the first connection
            self._judge(address)
        for number, address in enumerate(addresses):
            # An address that swallows packets must leave time for the others.
            patience = _left(self._deadline) / (len(addresses) - number)
            try:
                stream = self._sockets.connect_tcp(str(address), port, timeout=patience)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _TimedStream(stream, self._deadline)
        raise failure

    def _judge(self, address: IPv4Address | IPv6Address) -> None:
        if self._loopback and is_loopback(address):
            return
        if self._plain:
            raise EgressRefused("http is for loopback only")
        if not is_public(address):
            raise EgressRefused("the address is not public")


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every wait ends at one common deadline, so a slow drip cannot stretch it."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise EgressFailed("no answer in time")
    return left


def _resolve(host: str, port: int, deadline: float) -> list[IPv4Address | IPv6Address]:
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
        found = results.get(timeout=_left(deadline))
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


def _body(chunks: Iterable[bytes], status: int, headers: Mapping[str, str], accept: Sequence[str]) -> bytes:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if status < 300 and media_type not in accept:
        raise EgressRefused("the answer has another media type")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise EgressRefused("the answer is compressed")
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES:
            raise EgressRefused("the answer is too large")
    return bytes(body)


def _latin(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _ca_file(settings: Settings) -> str | None:
    path = settings.egress.trust_ca_file
    return None if path is None else str(path)


@lru_cache(maxsize=4)
def _trust(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
