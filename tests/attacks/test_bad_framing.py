"""Bodies whose length is wrong, missing or said twice: a 4xx or a closed connection (req 29, RFC 9112 §6)."""

import socket

import pytest

from tests.attacks.live import HOST, Live
from tests.attacks.parties import Party

pytestmark = pytest.mark.enable_socket

BODY = b"grant_type=client_credentials"
LENGTHS = ("abc", "-1", "+5", "1e3", "0x10", "99999999999", "9" * 5000, " ", "5, 5", "5 5", "\u00b2", "1_0")
PATHS = ("/token", "/introspect", "/revoke", "/userinfo", "/authorize", "/login")


def _raw(live: Live, path: str, head: bytes, body: bytes = b"", method: str = "POST") -> int | None:
    """Send bytes as they are; return the status, or None where the connection was closed."""
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    ).encode() + head
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as connection:
        connection.sendall(request + b"\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1]) if answer else None


@pytest.mark.parametrize("path", PATHS)
def test_a_length_that_is_no_number(live: Live, portal: Party, path: str) -> None:
    """Never a 5xx, and nothing is done (req 29)."""
    before = live.rows()
    for length in LENGTHS:
        status = _raw(live, path, f"Content-Length: {length}\r\n".encode("latin-1"), BODY)
        assert status is None or 400 <= status < 500, (length, status)
    assert live.rows() == before


@pytest.mark.parametrize("path", PATHS)
def test_chunks_without_a_length(live: Live, portal: Party, path: str) -> None:
    """Small, over 64 KiB, cut and broken chunks: read up to the limit, then refused (req 29)."""
    before = live.rows()
    chunked = b"Transfer-Encoding: chunked\r\n"
    large = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    for name, body in {
        "small": b"3\r\na=b\r\n0\r\n\r\n",
        "empty": b"0\r\n\r\n",
        "128 KiB": large * 32 + b"0\r\n\r\n",
        "cut": b"ff\r\na=b",
        "broken size": b"zz\r\na=b\r\n0\r\n\r\n",
        "negative size": b"-1\r\na=b\r\n0\r\n\r\n",
    }.items():
        status = _raw(live, path, chunked, body)
        assert status is None or 400 <= status < 500, (name, status)
    assert live.rows() == before


def test_a_body_shorter_than_its_length(live: Live, portal: Party) -> None:
    """The rest never comes: the request is refused, not half of it done (req 29)."""
    before = live.rows()
    for path in PATHS:
        status = _raw(live, path, b"Content-Length: 500\r\n", BODY)
        assert status is None or 400 <= status < 500, (path, status)
    assert live.rows() == before


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_that_nobody_asked_for_and_that_is_cut(live: Live, portal: Party, method: str) -> None:
    """Also where the answer is a form with what was typed: it must not be read there (req 29)."""
    for path in (*PATHS, "/", "/device", "/device/nothing", "/logout"):
        status = _raw(live, path, b"Content-Length: 500\r\n", BODY, method)
        assert status is None or status < 500, (path, status)
