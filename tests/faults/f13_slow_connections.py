"""F13: 500 connections whose heads or bodies never end, or that read no answer; others do not notice."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults import load
from tests.faults.installation import running
from tests.faults.ledger import Ledger, Line, invariants

CONNECTIONS = 500
MOST_MS = 500
#: seconds after which the first must have been cut off, with some for a busy machine
_CUT_AFTER = 15


@dataclass(frozen=True, slots=True)
class Kind:
    """How somebody is slow: what is sent first, and then once a second."""

    name: str
    first: bytes
    then: bytes


def _kinds(host: str) -> tuple[Kind, ...]:
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000\r\n\r\na="
    read = f"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    return (
        Kind("heads", f"GET /jwks HTTP/1.1\r\nHost: {host}\r\nX-Slow: ".encode(), b"x"),
        Kind("bodies", f"POST /token HTTP/1.1\r\nHost: {host}\r\n{form}".encode(), b"x"),
        Kind("forms of pages", f"POST /login HTTP/1.1\r\nHost: {host}\r\n{form}".encode(), b"x"),
        Kind("readers", read * 20, read),
    )


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Open them, let each trickle, and open again those that were cut off."""
    ledger, cut = Ledger(), Counter[str]()
    with running(folder, workers=2) as installation:
        port = int(installation.issuer.rpartition(":")[2])
        kinds = _kinds(f"127.0.0.1:{port}")
        slow = [(kind, _open(port, kind)) for kind in kinds for _ in range(CONNECTIONS // len(kinds))]
        with load.base_load(installation, ledger):
            end = time.monotonic() + seconds
            blocked: dict[str, float] = {}
            while time.monotonic() < end:
                if not blocked and time.monotonic() > end - seconds / 2:
                    blocked["person0"] = installation.block("person0")
                for number, (kind, connection) in enumerate(slow):
                    try:
                        connection.send(kind.then)
                    except BlockingIOError:
                        pass  # it neither reads nor is read any more
                    except OSError:
                        connection.close()
                        slow[number] = (kind, _open(port, kind))
                        cut[kind.name] += 1
                time.sleep(1)
        for _, connection in slow:
            connection.close()
        works = load.works(installation, 10)
        held = seconds < _CUT_AFTER or all(cut[kind.name] for kind in kinds[:3])
        yield Line("what never ends is cut off", held, f"{len(slow)} open, cut off: {dict(cut)}")
        found = ledger.p99_ms("JWKS", "code", "refresh", "authorize")
        yield Line(f"normal: p99 at most {MOST_MS} ms", found <= MOST_MS, f"{found:.0f} ms")
        share = ledger.failed()
        yield Line("no request fails", share == 0, f"{share:.2%} of {len(ledger.seen)}")
        yield from invariants(ledger, installation, blocked, works)


def _open(port: int, kind: Kind) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(kind.first)
    connection.setblocking(False)
    return connection
