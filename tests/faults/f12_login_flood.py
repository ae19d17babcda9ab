"""F12: 200 wrong passwords a second from 500 addresses behind a trusted proxy; machines must not notice."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import load
from tests.faults.flood import Guesser
from tests.faults.installation import PEOPLE, running
from tests.faults.ledger import Ledger, Line, invariants

PER_SECOND = 200
ADDRESSES = 500
SENDERS = 40
JWKS_MS, TOKEN_MS, SHED_MS = 150, 300, 100


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Flood, beside the base load, and look at the answers of machines and at those that are turned away."""
    ledger, flood, turn = Ledger(), Ledger(), itertools.count()
    with running(folder, workers=2) as installation:
        guessers = [Guesser(installation, flood) for _ in range(SENDERS)]

        def send(guesser: Guesser) -> None:
            number = next(turn)
            name = f"person{number % PEOPLE}" if number % 2 else f"nobody{number}"
            guesser.guess(name, f"10.{number % ADDRESSES // 250}.{number % 250}.7")

        with load.base_load(installation, ledger):
            time.sleep(3)  # everybody has signed in
            jobs = [(lambda guesser=guesser: send(guesser), SENDERS / PER_SECOND) for guesser in guessers]
            began = time.monotonic()
            with load.repeated(jobs, threading.Event()):
                time.sleep(seconds / 2)
                blocked = {"person0": installation.block("person0")}
                time.sleep(seconds / 2)
        works = load.works(installation, 20)
        sent = len(flood.seen) / seconds
        shed = sorted(seen.seconds * 1000 for seen in flood.seen if seen.status in (503, 429))
        yield Line("the flood", True, f"{sent:.0f}/s, statuses {dict(sorted(flood.statuses().items()))}")
        for what, most, found in (
            ("JWKS", JWKS_MS, ledger.p99_ms("JWKS", since=began)),
            ("token", TOKEN_MS, ledger.p99_ms("code", "refresh", since=began)),
            ("turned away", SHED_MS, shed[int(len(shed) * 0.99)] if shed else 0.0),
        ):
            yield Line(f"{what}: p99 at most {most} ms", found <= most, f"{found:.0f} ms")
        yield from invariants(ledger, installation.services, blocked, works)
