"""F1: a random server process is killed every two seconds, under load, with four of them.

Now and then it is the one that delivers messages, too.
"""

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import load
from tests.faults.installation import Installation, running
from tests.faults.invariants import invariants
from tests.faults.ledger import Ledger, Line, by_kind

EVERY_SECONDS = 2.0
WORKERS = 4
MOST_SECONDS = 2.0
_WATCH_SECONDS = 30
_DELIVERER_EVERY = 5
"""Of so many that are killed, with one."""


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Kill, and compare what clients saw with what is stored."""
    ledger, back, deliverers = Ledger(), list[float](), 0
    with running(folder, workers=WORKERS) as installation:
        with load.base_load(installation, ledger):
            end = time.monotonic() + seconds
            while (began := time.monotonic()) < end:
                back.append(_kill(installation))
                if len(back) % _DELIVERER_EVERY == 0:
                    deliverers += _kill_deliverer(installation)
                if not ledger.blocked and time.monotonic() > end - seconds / 2:
                    ledger.block(installation.block, "person0")
                time.sleep(max(0.0, began + EVERY_SECONDS - time.monotonic()))
            works = load.works(installation, ledger, 10)
            calm = time.monotonic()
            time.sleep(load.CALM_SECONDS)
        yield load.rates(ledger)
        median, most = statistics.median(back), max(back)
        counted = f"{len(back)} killed, median {median:.1f} s, longest {most:.1f} s"
        yield Line(f"back within {MOST_SECONDS:g} s", most < MOST_SECONDS, counted)
        share, which = ledger.failed(), by_kind(ledger.failures())
        yield Line(
            "under 2 % of the requests fail", share < 0.02, f"{share:.2%} of {len(ledger.seen)}: {which}"
        )
        yield from invariants(ledger, installation, works=works, calm=calm, interrupted=deliverers)


def _kill_deliverer(installation: Installation) -> bool:
    """Kill who delivers, as soon as it has something to deliver; False where it is not there."""
    deliverer = installation.deliverer()
    if deliverer is None:
        return False
    arrived, waited_until = installation.delivered.total(), time.monotonic() + 1
    while installation.delivered.total() == arrived and time.monotonic() < waited_until:
        time.sleep(0.01)
    deliverer.kill()
    return True


def _kill(installation: Installation) -> float:
    """Kill a process and return how long it took until as many listen again."""
    random.choice(installation.workers()).kill()  # noqa: S311  (any will do)
    began = time.monotonic()
    while len(installation.workers()) < WORKERS and time.monotonic() < began + _WATCH_SECONDS:
        time.sleep(0.1)
    return time.monotonic() - began
