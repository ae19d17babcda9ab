"""The portal's end of back-channel logout: counts what was delivered, by the session that ended.

Each message is of a session of its own.  The tokens of two deliveries have different ids, for each is signed
when it is sent (docs/decisions/0021).
"""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

PATH = "/backchannel-logout"
TAKES_SECONDS = 0.1
"""How long the portal thinks, so that a deliverer who is killed may well be waiting for it."""


class _Handler(BaseHTTPRequestHandler):
    received: Counter[str]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        claims = form["logout_token"][0].split(".")[1]
        self.received[json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"]] += 1
        time.sleep(TAKES_SECONDS)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Write nothing."""


@contextmanager
def receiving() -> Iterator[tuple[str, Counter[str]]]:
    """Listen, and return the address and what has come."""
    received = Counter[str]()
    handler = type("Handler", (_Handler,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{PATH}", received
        finally:
            server.shutdown()
            thread.join()
