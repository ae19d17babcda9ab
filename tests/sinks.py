"""Web sites that answer oddly, and note who comes (req 32)."""

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from idp import egress


@dataclass
class Sink:
    """A server that notes who comes."""

    port: int
    hits: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    released: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Answers by the path, mostly as no site should."""

    sink: Sink

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self.sink.connections += 1

    def do_GET(self) -> None:
        self.sink.hits.append(self.path)
        self.sink.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.sink.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
        getattr(self, "answer_" + self.path.strip("/").partition("?")[0])()

    do_POST = do_GET  # noqa: N815  (the base class's name)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self) -> None:
        self.reply(200, b'{"a":1}', Content_Type="application/json; charset=utf-8")

    def answer_html(self) -> None:
        self.reply(200, b"<p>", Content_Type="text/html")

    def answer_capitals(self) -> None:
        self.reply(200, b"{}", Content_Type="Application/JSON", Content_Encoding="Identity")

    def answer_missing(self) -> None:
        self.reply(404, b"<p>", Content_Type="text/html")

    def answer_redirect(self) -> None:
        self.reply(302, Location=f"http://127.0.0.1:{self.sink.port}/json", Content_Type="application/json")

    def answer_limit(self) -> None:
        self.reply(200, b" " * egress.MAX_BYTES, Content_Type="application/json")

    def answer_oversized(self) -> None:
        self.reply(200, b" " * (egress.MAX_BYTES + 1), Content_Type="application/json")

    def answer_compressed(self) -> None:
        self.reply(200, b"x", Content_Type="application/json", Content_Encoding="gzip")

    def answer_silent(self) -> None:
        self.sink.released.wait(10)

    def answer_drip(self) -> None:
        """Send an endless header, a byte at a time, each sooner than any single time-out."""
        while not self.sink.released.wait(0.02):
            try:
                self.wfile.write(b"X")
            except OSError:
                return

    def answer_continue(self) -> None:
        """Announce an answer without end."""
        self._without_end(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def answer_crumbs(self) -> None:
        """Send a body in chunks of one byte, of a length that would be admitted."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._without_end(b"1\r\n \r\n" * 1000)

    def _without_end(self, part: bytes) -> None:
        while not self.sink.released.is_set():
            try:
                self.wfile.write(part)
            except OSError:
                return

    def answer_garbage(self) -> None:
        self.wfile.write(b"\x00\x01 not http\r\n\r\n")


def serve(host: str, tls: ssl.SSLContext | None = None) -> Iterator[Sink]:
    """Serve on an address of this machine until the generator is closed."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

        def handle_error(self, *_args: Any) -> None:
            """Broken connections are what these tests are about."""

    handler = type("BoundHandler", (Handler,), {})
    server = Server((host, 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    handler.sink = Sink(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield handler.sink
    finally:
        handler.sink.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
