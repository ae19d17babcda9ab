"""Ports: whether one is free, and the next ones that are (screens §4.3, the first five minutes)."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from idp.cli.failures import Unready

HIGHEST = 65_535


def require_address(host: str) -> None:
    """Raise Unready for a name: the server listens on addresses."""
    try:
        ip_address(host)
    except ValueError:
        raise Unready(f"{host} is not an IP address such as 127.0.0.1, 0.0.0.0 or ::1") from None


def require_free(host: str, port: int, *, remedy: str) -> None:
    """Raise Unready, with the remedy, unless this address can be listened on now."""
    reason = why_not(host, port)
    if reason is not None:
        raise Unready(f"port {port} on {host} cannot be used: {reason}. {remedy}")


@contextmanager
def claimed(host: str, port: int, *, remedy: str) -> Iterator[None]:
    """Hold an address for this program and what it forks, from before anybody listens there.

    Server processes share their port (SO_REUSEPORT), so two servers that start at once would both get it.
    """
    if sys.platform != "linux" or port == 0:
        yield
        return
    with socket.socket(socket.AF_UNIX) as mark:
        try:
            mark.bind(f"\0lotse {host} {port}")  # in no folder: it goes with its last holder (unix(7))
        except OSError as error:
            raise Unready(f"port {port} on {host} cannot be used: {_in_words(error)}. {remedy}") from error
        yield


def why_not(host: str, port: int) -> str | None:
    """Return why nobody can listen on this address, None where one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        return f"the host is unknown ({error.strerror})"
    with socket.socket(family, kind, protocol) as probe:
        # a connection of the previous run that still lingers is no reason; a listener is
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            return _in_words(error)
    return None


def free_row(host: str, count: int) -> int:
    """Return the first of *count* neighbouring ports that are free now."""
    for _ in range(100):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            first = int(probe.getsockname()[1])
        row = range(first, first + count)
        if row[-1] <= HIGHEST and all(why_not(host, port) is None for port in row):
            return first
    raise Unready(f"no {count} neighbouring ports are free on {host}; name one with --port")


def _in_words(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "this user may not listen there (ports below 1024 belong to the system)"
    if error.strerror == "Address already in use":
        return "another program listens there"
    return error.strerror or "the system refuses"
