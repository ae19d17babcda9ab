"""F1: a random server process is killed every two seconds, under load, with four of them."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import load
from tests.faults.installation import running
from tests.faults.ledger import Ledger, Line, invariants

EVERY_SECONDS = 2.0
WORKERS = 4
BACK_WITHIN_SECONDS = 30


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Kill, and compare what clients saw with what is stored."""
    ledger, kills, longest = Ledger(), 0, 0.0
    with running(folder, workers=WORKERS) as installation:
        with load.base_load(installation, ledger):
            end = time.monotonic() + seconds
            blocked = {}
            while time.monotonic() < end:
                began = time.monotonic()
                if workers := installation.workers():
                    random.choice(workers).kill()  # noqa: S311  (any will do)
                    kills += 1
                if not blocked and time.monotonic() > end - seconds / 2:
                    blocked["person0"] = installation.block("person0")
                time.sleep(max(0.0, began + EVERY_SECONDS - time.monotonic()))
            began = time.monotonic()
            while len(installation.workers()) < WORKERS and time.monotonic() < began + BACK_WITHIN_SECONDS:
                time.sleep(0.05)
            longest = time.monotonic() - began
        works = load.works(installation, 10)
        yield Line(
            "all processes are back",
            longest < BACK_WITHIN_SECONDS,
            f"{kills} killed, last back in {longest:.1f} s",
        )
        share = ledger.failed()
        yield Line("under 2 % of the requests fail", share < 0.02, f"{share:.2%} of {len(ledger.seen)}")
        yield from invariants(ledger, installation.services, blocked, works)
