"""Servers that tests run as an operator does, and what is asked of them."""

import socket
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import psutil

from idp.cli.arrivals import BODY_SECONDS
from tests.infrastructure import _until as until
from tests.infrastructure import free_port

Start = Callable[..., "subprocess.Popen[str]"]

FORM = b"grant_type=client_credentials"
"""What the token endpoint answers with 401, since nobody stands in it."""


def serve(start: Start, *, workers: int, **how: Any) -> "tuple[subprocess.Popen[str], int]":
    """Start a server; return it and its port when it answers."""
    port = free_port()
    how = {"LOTSE_LOGGING__LEVEL": "error"} | how
    process = start("serve", "--workers", str(workers), "--port", str(port), **how)
    assert until(lambda: answers(f"http://127.0.0.1:{port}/jwks"), seconds=60)
    return process, port


def answers(url: str) -> bool:
    """Tell whether somebody answers there, and well."""
    try:
        return httpx.get(url, headers={"Host": "localhost:8000"}).status_code == 200
    except httpx.TransportError:
        return False


def served(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the processes that answer requests."""
    found = psutil.Process(process.pid).children()
    return [child for child in found if child.is_running() and _listens(child)]


def _listens(process: psutil.Process) -> bool:
    try:
        return any(held.status == psutil.CONN_LISTEN for held in process.net_connections("tcp"))
    except psutil.Error:
        return False  # it has ended


def open_form(port: int, length: int, start: bytes) -> socket.socket:
    """Begin a form of which the rest is still to come."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(BODY_SECONDS * 3)
    head = f"POST /token HTTP/1.1\r\nHost: localhost:8000\r\nContent-Length: {length}\r\n"
    kind = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    connection.sendall((head + kind).encode() + start)
    return connection
