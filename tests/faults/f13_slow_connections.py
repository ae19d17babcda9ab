"""F13: 500 connections whose heads never end; everybody else is served as usual."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import load
from tests.faults.installation import running
from tests.faults.ledger import Ledger, Line, invariants

CONNECTIONS = 500
MOST_MS = 500
_HEAD = b"GET /jwks HTTP/1.1\r\nHost: x\r\nX-Slow: "


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Open them, let each trickle a byte a second, and open again those that were cut off."""
    ledger, cut = Ledger(), 0
    with running(folder, workers=2) as installation:
        port = int(installation.issuer.rpartition(":")[2])
        slow = [_open(port) for _ in range(CONNECTIONS)]
        with load.base_load(installation, ledger):
            end = time.monotonic() + seconds
            blocked = {"person0": installation.block("person0")}
            while time.monotonic() < end:
                for number, connection in enumerate(slow):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        connection.close()
                        slow[number] = _open(port)
                        cut += 1
                time.sleep(1)
        for connection in slow:
            connection.close()
        works = load.works(installation, 10)
        yield Line("heads that never end are cut off", cut > 0 or seconds < 12, f"{cut} cut off")
        found = ledger.p99_ms("JWKS", "code", "refresh", "authorize")
        yield Line(f"normal: p99 at most {MOST_MS} ms", found <= MOST_MS, f"{found:.0f} ms")
        share = ledger.failed()
        yield Line("no request fails", share == 0, f"{share:.2%} of {len(ledger.seen)}")
        yield from invariants(ledger, installation.services, blocked, works)


def _open(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(_HEAD)
    return connection
