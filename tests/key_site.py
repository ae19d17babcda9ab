"""A portal's web site that publishes keys, on this machine (OIDC Core §10.1)."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class KeySite:
    """What it answers, and how often it was asked."""

    content: object = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    hits: list[str] = field(default_factory=list)
    #: called at each hit, before the answer
    on_hit: Callable[[], object] = lambda: None
    port: int = 0

    @property
    def uri(self) -> str:
        """Return the ``jwks_uri``."""
        return f"http://127.0.0.1:{self.port}/jwks"

    def publish(self, *keys: dict[str, Any]) -> None:
        """Answer with a set of these keys from now on."""
        self.content, self.status = {"keys": list(keys)}, 200

    @property
    def body(self) -> bytes:
        """Return what is sent."""
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


@contextmanager
def key_site() -> Iterator[KeySite]:
    """Serve until the block ends."""
    site = KeySite()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            site.hits.append(self.path)
            site.on_hit()
            body = site.body
            self.send_response(site.status)
            for name, value in site.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # whoever asked has seen enough
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
