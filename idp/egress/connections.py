"""httpcore with sockets of our own: opened to judged addresses, with one deadline over every wait.

Imported by the first fetch of a process: most processes never fetch, and httpcore takes long to load.
"""

import ssl
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import httpcore

from idp.egress.rules import EgressFailed, EgressRefused, is_loopback, is_public, left, resolve

MAX_RAW_BYTES = 512 * 1024
"""Most that is read of an answer with its heads and framing: twice the largest body."""
FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)
"""What is raised where the other side does not answer as it should."""


def connections(
    trust: ssl.SSLContext, deadline: float, *, plain: bool, loopback: bool
) -> httpcore.ConnectionPool:
    """Return a pool for one fetch.

    :param deadline: by :func:`time.monotonic`; nothing waits longer.
    :param plain: the URL is http, which is for loopback only.
    :param loopback: this machine may be asked.
    """
    backend = _PinnedBackend(deadline, plain=plain, loopback=loopback)
    return httpcore.ConnectionPool(ssl_context=trust, network_backend=backend)


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
        addresses = resolve(host, port, self._deadline)
        for address in addresses:  # all of them, before the first connection
            self._judge(address)
        for number, address in enumerate(addresses):
            # An address that swallows packets must leave time for the others.
            patience = left(self._deadline) / (len(addresses) - number)
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
    """A stream whose every wait ends at one common deadline, so a slow drip cannot stretch it.

    What comes is bounded, too: heads without end, and bodies in tiny chunks, cost us as long as they last.
    """

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline
        self._read = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        found = self._inner.read(max_bytes, left(self._deadline))
        self._read += len(found)
        if self._read > MAX_RAW_BYTES:
            raise EgressRefused("the answer is too large")
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, left(self._deadline))
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
