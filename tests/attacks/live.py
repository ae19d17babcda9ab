"""The product behind a real HTTP server on the loopback address, as a proxy that ends TLS would reach it."""

import http.client
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from flask import Flask
from sqlalchemy import MetaData, select
from werkzeug.serving import WSGIRequestHandler, make_server

from idp.context import Services
from idp.db import Base
from idp.web.gateway import Gateway

ISSUER = "https://login.example"
HOST = "login.example"
THREADS = 8

Pairs = Iterable[tuple[str, str]]
#: counting and recording go on under attack; all other rows must not change
RECORDS = frozenset({"throttle", "audit_event", "audit_personal", "audit_seal"})


class QuietHandler(WSGIRequestHandler):
    """Serves without a line for each request."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Write nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    url: str = ""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def location(self) -> str | None:
        """Where the browser is sent, as it was written."""
        return self.header("Location")

    @property
    def arrived(self) -> dict[str, str]:
        """The parameters of the address that the browser was sent to."""
        return dict(parse_qsl(urlsplit(self.location or "").query))

    def header(self, name: str) -> str | None:
        """Return the first header of a name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def cookies(self) -> dict[str, str]:
        """Return name and value of each cookie that is set."""
        lines = [value for key, value in self.headers if key.lower() == "set-cookie"]
        pairs = (line.partition(";")[0].partition("=") for line in lines)
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Live:
    """The running product."""

    gateway: Gateway
    services: Services
    port: int

    @property
    def flask(self) -> Flask:
        """The pages' application, for walks over its routes."""
        # a bound method of the application, which its type does not tell
        application: Flask = self.gateway._pages.__self__  # type: ignore[attr-defined]
        return application

    def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | Pairs = (),
    ) -> Answer:
        """Send one request as it is; the Host is ours unless *headers* names another."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            if not any(name.lower() == "host" for name, _ in pairs):
                connection.putheader("Host", HOST)
            if body is not None and not any(name.lower() == "content-length" for name, _ in pairs):
                connection.putheader("Content-Length", str(len(body)))
            for name, value in (*pairs, ("Connection", "close")):
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, tuple(response.getheaders()), response.read(), target)
        finally:
            connection.close()

    def form(self, target: str, fields: Mapping[str, str] | Pairs, **headers: str) -> Answer:
        """Post a form as a program does."""
        return self.send("POST", target, body=urlencode(fields).encode(), headers=FORM | headers)

    def rows(self) -> dict[str, list[str]]:
        """Return all rows of all tables but the throttle's and the audit log's, as text."""
        metadata: MetaData = Base.metadata
        with self.services.database.reader.connect() as connection:
            return {
                name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
                for name, table in metadata.tables.items()
                if name not in RECORDS
            }


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextmanager
def serving(gateway: Gateway, services: Services) -> Iterator[Live]:
    """Serve the product on a free port for as long as the block lasts.

    However many connections there are, no more are answered at once than by a server's threads.
    """
    answering = threading.BoundedSemaphore(THREADS)

    def bounded(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with answering:
            return gateway(environ, start_response)

    server = make_server("127.0.0.1", 0, bounded, threaded=True, request_handler=QuietHandler)
    # of the class that threaded=True makes
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Live(gateway, services, server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def absolute(address: str, base: str = "/") -> str:
    """Return what a browser makes of an address it was given on one of our pages."""
    # browsers drop tabs and line ends, and read a backslash as a slash
    cleaned = "".join(sign for sign in address.strip() if sign not in "\t\r\n").replace("\\", "/")
    return urljoin(ISSUER + base, cleaned)


def target_of(url: str) -> str:
    """Return path and query of an address of ours."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
