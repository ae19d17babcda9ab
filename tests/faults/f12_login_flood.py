"""F12: 200 wrong passwords a second from 500 addresses behind a trusted proxy; machines must not notice."""

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.faults import load
from tests.faults.flood import Guesser
from tests.faults.installation import PEOPLE, Installation, running
from tests.faults.ledger import Ledger, Line, invariants

PER_SECOND = 200
ADDRESSES = 500
SENDERS = 80
JWKS_MS, TOKEN_MS, SHED_MS = 150, 300, 100
MOST_MIB = 100


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Flood, beside the base load, and look at the answers of machines and at those that are turned away."""
    ledger = Ledger()
    with running(folder, workers=2) as installation, _flooding(installation, seconds) as (begin, results):
        with load.base_load(installation, ledger):
            time.sleep(3)  # everybody has signed in
            before = _memory_mib(installation)
            began = time.monotonic()
            begin.set()
            time.sleep(seconds / 2)
            blocked = {"person0": installation.block("person0")}
            flood = Ledger(results.recv())
            grown = _memory_mib(installation) - before
        works = load.works(installation, 20)
        sent = len(flood.seen) / seconds
        enough = sent > 0.95 * PER_SECOND
        shed = sorted(seen.seconds * 1000 for seen in flood.seen if seen.status == 503)
        yield Line(
            f"the flood: {PER_SECOND}/s",
            enough,
            f"{sent:.0f}/s, {dict(sorted(flood.statuses().items()))}",
        )
        for what, most, found in (
            ("JWKS", JWKS_MS, ledger.p99_ms("JWKS", since=began)),
            ("token", TOKEN_MS, ledger.p99_ms("code", "refresh", since=began)),
            ("turned away", SHED_MS, shed[int(len(shed) * 0.99)] if shed else 0.0),
        ):
            yield Line(f"{what}: p99 at most {most} ms", found <= most, f"{found:.0f} ms")
        yield Line(f"memory grows by less than {MOST_MIB} MiB", grown < MOST_MIB, f"{grown:.0f} MiB")
        yield from invariants(ledger, installation, blocked, works)


@contextmanager
def _flooding(installation: Installation, seconds: float) -> Iterator[tuple[Event, Connection]]:
    """Start the flood's own process, which then does not slow what is measured here; it waits for a sign."""
    context = multiprocessing.get_context("fork")
    begin = context.Event()
    ours, theirs = context.Pipe()
    process = context.Process(target=_flood, args=(installation, seconds, begin, theirs))
    process.start()
    ours.recv()
    try:
        yield begin, ours
    finally:
        process.kill()
        process.join()


def _flood(installation: Installation, seconds: float, begin: Event, results: Connection) -> None:
    flood = Ledger()
    guessers = [Guesser(installation, flood) for _ in range(SENDERS)]
    for guesser in guessers:
        guesser.open_page()
    flood.seen.clear()
    results.send(None)
    begin.wait()
    began, turns = time.monotonic(), itertools.count()
    with load.repeated([(partial(_send, guesser, turns, began), 0.0) for guesser in guessers]):
        time.sleep(seconds)
    results.send(flood.seen)


def _send(guesser: Guesser, turns: Iterator[int], began: float) -> None:
    """Send the next wrong password when it is due, whatever became of those before."""
    number = next(turns)
    time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
    name = f"person{number % PEOPLE}" if number % 2 else f"nobody{number}"
    guesser.guess(name, f"10.{number % ADDRESSES // 250}.{number % 250}.7")


def _memory_mib(installation: Installation) -> float:
    return float(sum(process.memory_info().rss for process in installation.workers())) / 2**20
