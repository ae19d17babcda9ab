"""F1: a random server process is killed every two seconds, under load, with four of them."""

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import load
from tests.faults.installation import Installation, running
from tests.faults.ledger import Ledger, Line, invariants

EVERY_SECONDS = 2.0
WORKERS = 4
MOST_SECONDS = 2.0
_WATCH_SECONDS = 30


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Kill, and compare what clients saw with what is stored."""
    ledger, back, blocked = Ledger(), list[float](), dict[str, float]()
    with running(folder, workers=WORKERS) as installation:
        with load.base_load(installation, ledger):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                began = time.monotonic()
                back.append(_kill(installation))
                if not blocked and time.monotonic() > end - seconds / 2:
                    blocked["person0"] = installation.block("person0")
                time.sleep(max(0.0, began + EVERY_SECONDS - time.monotonic()))
        works = load.works(installation, 10)
        median, most = statistics.median(back), max(back)
        counted = f"{len(back)} killed, median {median:.1f} s, longest {most:.1f} s"
        yield Line(f"back within {MOST_SECONDS:g} s", most < MOST_SECONDS, counted)
        share = ledger.failed()
        yield Line("under 2 % of the requests fail", share < 0.02, f"{share:.2%} of {len(ledger.seen)}")
        yield from invariants(ledger, installation, blocked, works)


def _kill(installation: Installation) -> float:
    """Kill a process and return how long it took until as many listen again."""
    random.choice(installation.workers()).kill()  # noqa: S311  (any will do)
    began = time.monotonic()
    while len(installation.workers()) < WORKERS and time.monotonic() < began + _WATCH_SECONDS:
        time.sleep(0.1)
    return time.monotonic() - began
