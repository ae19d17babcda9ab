"""F12: 200 wrong passwords a second from 500 addresses behind a trusted proxy, with a known browser's cookie.

Machines must not notice, and people whose own browser is known must get in.
"""

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.faults import known, load
from tests.faults.flood import LONG_WRONG, WRONG, Guesser
from tests.faults.installation import NEWCOMERS, PEOPLE, Installation, running
from tests.faults.invariants import invariants
from tests.faults.ledger import Ledger, Line, by_kind, percentile
from tests.faults.people import Person

PER_SECOND = 200
ADDRESSES = 500
SENDERS = 500
STRANGERS = 6
JWKS_MS, REFRESH_MS, CODE_MS, SHED_MS = 150, 300, 400, 100
KNOWN_SECONDS = 3.0
MOST_MIB = 100
_WARM_SECONDS = 3.0
"""Until everybody is there."""


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Flood, beside the base load, and look at the answers of machines and at those that are turned away."""
    ledger = Ledger()
    with running(folder, workers=2) as installation:
        device = _stolen_device(installation, ledger)
        with (
            _flooding(installation, seconds, device) as (begin, results),
            load.base_load(installation, ledger),
        ):
            time.sleep(_WARM_SECONDS)
            before = installation.memory_mib()
            with (
                known.signing_in(installation, ledger, after=begin.set) as people,
                _strangers(installation) as met,
            ):
                began = time.monotonic()
                time.sleep(seconds / 2)
                ledger.block(installation.block, "person0")
                flood = Ledger(results.recv())
                over = time.monotonic()
            grown = installation.memory_mib() - before
            works = load.works(installation, ledger, 20)
            calm = time.monotonic()
            time.sleep(load.CALM_SECONDS)
        yield load.rates(ledger, strangers=False)
        yield _sent(flood, seconds)
        yield from _machines(ledger, began, over)
        shed, of_flood = _turned_away_ms(met), _turned_away_ms(flood)
        counted = f"{shed:.0f} ms; as the flood's own process saw it {of_flood:.0f} ms"
        yield Line(f"turned away: p99 at most {SHED_MS} ms", shed <= SHED_MS, counted)
        yield _known(people)
        yield _strangers_get_in(ledger, began, over)
        yield Line(f"memory grows by less than {MOST_MIB} MiB", grown < MOST_MIB, f"{grown:.0f} MiB")
        yield from invariants(ledger, installation, works=works, calm=calm)


def _sent(flood: Ledger, seconds: float) -> Line:
    """Say what the flood was."""
    sent = len(flood.seen) / seconds
    how = f"{SENDERS} connections, every second password {len(LONG_WRONG)} bytes, half of the names exist"
    counted = f"{sent:.0f}/s, {how}: {dict(sorted(flood.statuses().items()))}"
    return Line(f"the flood: {PER_SECOND}/s", sent > 0.95 * PER_SECOND, counted)


def _machines(ledger: Ledger, began: float, over: float) -> Iterator[Line]:
    """Judge what portals noticed meanwhile."""
    for kind, most in (("JWKS", JWKS_MS), ("refresh", REFRESH_MS), ("code", CODE_MS)):
        found = ledger.ms(99, kind, since=began, until=over)
        failures = [seen for seen in ledger.failures(began) if seen.kind == kind]
        counted = f"{found:.0f} ms, failed: {by_kind(failures)}"
        yield Line(f"{kind}: p99 at most {most} ms", found <= most and not failures, counted)


def _strangers_get_in(ledger: Ledger, began: float, over: float) -> Line:
    """Say how many of the base load's unknown browsers got in meanwhile; nothing is promised to them."""
    tries = [
        seen
        for seen in ledger.seen
        if seen.kind == "sign-in" and seen.who in NEWCOMERS and began <= seen.started < over
    ]
    let_in = sum(not seen.failed for seen in tries)
    return Line("unknown browsers get in (no bound)", True, f"{let_in} of {len(tries)}")


def _stolen_device(installation: Installation, ledger: Ledger) -> str:
    """Return the cookie that some person's browser is known by."""
    person = Person(installation, ledger, "10.9.9.9", "person38")
    person.turn()
    person.http.close()
    return person.http.cookies["dev"]


@contextmanager
def _flooding(installation: Installation, seconds: float, device: str) -> Iterator[tuple[Event, Connection]]:
    """Start the flood's own process, which then does not slow what is measured here; it waits for a sign."""
    context = multiprocessing.get_context("fork")
    begin = context.Event()
    ours, theirs = context.Pipe()
    process = context.Process(target=_flood, args=(installation, seconds, device, begin, theirs))
    process.start()
    ours.recv()
    try:
        yield begin, ours
    finally:
        process.kill()
        process.join()


def _flood(
    installation: Installation, seconds: float, device: str, begin: Event, results: Connection
) -> None:
    flood = Ledger()
    guessers = [Guesser(installation, flood) for _ in range(SENDERS)]
    for guesser in guessers:
        guesser.open_page()
        guesser.cookies += f"; dev={device}"
        guesser.http.close()
    flood.seen.clear()
    results.send(None)
    begin.wait()
    began, turns = time.monotonic(), itertools.count()
    with load.repeated(
        [(partial(_send, guesser, turns, began, began + seconds), 0.0) for guesser in guessers]
    ):
        time.sleep(seconds)
    results.send(flood.seen)


def _send(guesser: Guesser, turns: Iterator[int], began: float, ends: float) -> None:
    """Send the next wrong password when it is due, whatever became of those before."""
    number = next(turns)
    time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
    if time.monotonic() > ends:
        return
    name = f"person{number % PEOPLE}" if number % 2 else f"nobody{number}"
    password = LONG_WRONG if number // 2 % 2 else WRONG
    guesser.guess(name, f"10.{number % ADDRESSES // 250}.{number % 250}.7", password)


@contextmanager
def _strangers(installation: Installation) -> Iterator[Ledger]:
    """Have some people try in vain, whose answers are timed where nothing else keeps their process busy."""
    met, turns = Ledger(), itertools.count()
    guessers = [Guesser(installation, met) for _ in range(STRANGERS)]

    def guess(guesser: Guesser) -> None:
        number = next(turns)
        guesser.guess(f"stranger{number}", f"10.3.{number // 250}.{number % 250}")

    with load.repeated([(partial(guess, guesser), 0.2) for guesser in guessers]):
        yield met


def _turned_away_ms(ledger: Ledger) -> float:
    return percentile([seen.seconds for seen in ledger.seen if seen.status == 503], 99) * 1000


def _known(people: list[known.KnownPerson]) -> Line:
    took = [seconds for person in people for seconds in person.took]
    failed = sum(person.failed for person in people)
    slowest = percentile(took, 95)
    return Line(
        f"known browsers: p95 at most {KNOWN_SECONDS:.0f} s, all get in",
        slowest <= KNOWN_SECONDS and not failed,
        f"{slowest:.2f} s of {len(took)} sign-ins, {failed} failed",
    )
