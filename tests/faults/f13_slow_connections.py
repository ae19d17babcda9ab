"""F13: 500 connections whose heads or bodies never end, or that read no answer; others do not notice."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from idp.cli.arrivals import BODY_SECONDS
from idp.cli.web_server import HEADER_SECONDS, UNREAD_SECONDS
from tests.faults import load
from tests.faults.installation import running
from tests.faults.invariants import invariants
from tests.faults.ledger import Ledger, Line, by_kind

CONNECTIONS = 500
MOST_MS = 500
MOST_MIB = 100
_WINDOW = 4096
"""What a connection may hold unread at its caller's, in bytes."""
_SPARE_SECONDS = 5
_WARM_SECONDS = 3.0
"""Until everybody is there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How somebody is slow: what is sent first, and then once a second, and when that is cut off."""

    name: str
    first: bytes
    then: bytes
    cut_after: float


@dataclass(slots=True)
class Slow:
    """One such connection."""

    kind: Kind
    port: int
    cut: int = 0
    connection: socket.socket = field(init=False)
    _sent: int = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Connect, and send what is sent first."""
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
        self.connection.settimeout(10)
        self.connection.connect(("127.0.0.1", self.port))
        self.connection.sendall(self.kind.first)
        self.connection.setblocking(False)
        self._sent = 0

    def go_on(self) -> None:
        """Send a little more; where it was cut off, begin again."""
        then = self.kind.then
        try:
            self._sent += self.connection.send(then[self._sent % len(then) :])
        except BlockingIOError:
            pass  # it neither reads nor is read any more
        except OSError:
            self.connection.close()
            self.cut += 1
            self.open()


def _kinds(host: str) -> tuple[Kind, ...]:
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000\r\n\r\na="
    read = f"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    return (
        Kind("heads", f"GET /jwks HTTP/1.1\r\nHost: {host}\r\nX-Slow: ".encode(), b"x", HEADER_SECONDS),
        Kind("bodies", f"POST /token HTTP/1.1\r\nHost: {host}\r\n{form}".encode(), b"x", BODY_SECONDS),
        Kind("forms", f"POST /login HTTP/1.1\r\nHost: {host}\r\n{form}".encode(), b"x", BODY_SECONDS),
        Kind("readers", read * 20, read * 20, UNREAD_SECONDS),
    )


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Open them, let each trickle, and open again those that were cut off."""
    ledger = Ledger()
    with running(folder, workers=2) as installation:
        port = int(installation.issuer.rpartition(":")[2])
        most_files = 0
        with load.base_load(installation, ledger):
            time.sleep(_WARM_SECONDS)
            before = installation.memory_mib()
            kinds = _kinds(f"127.0.0.1:{port}")
            slow = [Slow(kind, port) for kind in kinds for _ in range(CONNECTIONS // len(kinds))]
            opened = time.monotonic()
            end = opened + seconds
            while time.monotonic() < end:
                if not ledger.blocked and time.monotonic() > end - seconds / 2:
                    ledger.block(installation.block, "person0")
                for each in slow:
                    each.go_on()
                most_files = max(most_files, installation.files())
                time.sleep(1)
            closed = time.monotonic()
            grown = installation.memory_mib() - before
            for each in slow:
                each.connection.close()
            time.sleep(load.CALM_SECONDS)
        works = load.works(installation, ledger, 10)
        yield load.rates(ledger)
        yield from _bounds(slow, seconds, grown, most_files)
        yield from _normal(ledger, opened, closed)
        yield from invariants(ledger, installation, works=works, calm=closed)


def _normal(ledger: Ledger, opened: float, closed: float) -> Iterator[Line]:
    """Judge what everybody else noticed while the slow connections were open."""
    kinds = ("JWKS", "authorize", "page", "sign-in", "code", "refresh", "sign-out")
    found = {kind: ledger.ms(99, kind, since=opened, until=closed) for kind in kinds}
    every = ledger.ms(99, *kinds, since=opened, until=closed)
    counted = f"{every:.0f} ms: " + ", ".join(f"{kind} {ms:.0f}" for kind, ms in found.items())
    yield Line(f"normal: p99 at most {MOST_MS} ms, each kind", max(found.values()) <= MOST_MS, counted)
    failures = ledger.failures()
    yield Line("no request fails", not failures, f"{by_kind(failures)}, of {len(ledger.seen)}")


def _bounds(slow: list[Slow], seconds: float, grown: float, most_files: int) -> Iterator[Line]:
    cut = Counter[Kind]()
    for each in slow:
        cut[each.kind] += each.cut
    due = [kind for kind in cut if seconds >= kind.cut_after + _SPARE_SECONDS]
    held = bool(due) and all(cut[kind] for kind in due)
    counted = ", ".join(f"{times} {kind.name}" for kind, times in cut.items())
    yield Line("what never ends is cut off", held, f"{len(slow)} open, cut off: {counted}")
    yield Line(f"memory grows by less than {MOST_MIB} MiB", grown < MOST_MIB, f"{grown:.0f} MiB")
    few = most_files < 2 * CONNECTIONS
    yield Line("open files stay few", few, f"{most_files} at most in both processes")
