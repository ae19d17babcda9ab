"""Base load L: people who sign in, portals that redeem codes and refresh, readers of JWKS and discovery."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.installation import NEWCOMERS, PROBE, Installation
from tests.faults.ledger import Ledger, Line
from tests.faults.people import Caller, Dweller, Lost, Newcomer, Person

SIGN_INS, CODES, REFRESHES, READS = 5, 30, 30, 100
"""A second, as the fault plan has them."""
CALM_SECONDS = 5.0
"""How long the load goes on when a fault and its consequences are over."""
_ARRIVING, _DWELLERS, _READERS = 5, 12, 2
_LEAST_SHARE = 0.5
"""With less of the load than this, a run has shown nothing."""


@contextmanager
def base_load(installation: Installation, ledger: Ledger) -> Iterator[None]:
    """Keep people and readers busy for as long as the block lasts.

    Each turn of a person has a code, its exchange and a refresh.
    """
    numbers = itertools.count()
    arriving = [
        Newcomer(installation, ledger, usernames=NEWCOMERS, numbers=numbers) for _ in range(_ARRIVING)
    ]
    dwellers = [
        Dweller(installation, ledger, f"198.51.100.{number}", f"person{number}", honest=number == 0)
        for number in range(_DWELLERS)
    ]
    readers = [Caller(installation, ledger) for _ in range(_READERS)]
    jobs = [(person.turn, _ARRIVING / SIGN_INS) for person in arriving]
    jobs += [(person.turn, _DWELLERS / (CODES - SIGN_INS)) for person in dwellers]
    jobs += [(_reading(reader), 2 * _READERS / READS) for reader in readers]
    began = time.monotonic()
    with repeated(jobs):
        yield
    ledger.loaded = began, time.monotonic()
    for caller in (*arriving, *dwellers, *readers):
        caller.http.close()


def _reading(reader: Caller) -> Callable[[], None]:
    def read() -> None:
        reader.ask("JWKS", "GET", "/jwks")
        reader.ask("JWKS", "GET", "/.well-known/openid-configuration")

    return read


def rates(ledger: Ledger, *, strangers: bool = True) -> Line:
    """Say how much of the load was answered as its clients count on.

    :param strangers: false where those who sign in are turned away, as unknown browsers.
    """
    began, ended = ledger.loaded
    reached = {}
    for name, kind, planned in (
        ("sign-ins", "sign-in", SIGN_INS),
        ("codes", "code", CODES),
        ("refreshes", "refresh", REFRESHES),
        ("reads", "JWKS", READS),
    ):
        count = sum(seen.kind == kind and not seen.failed and seen.ended <= ended for seen in ledger.seen)
        reached[name] = count / (ended - began), planned
    enough = all(
        rate >= _LEAST_SHARE * planned
        for name, (rate, planned) in reached.items()
        if strangers or name != "sign-ins"
    )
    counted = ", ".join(f"{rate:.1f} of {planned} {name}" for name, (rate, planned) in reached.items())
    return Line("the load, a second", enough, counted)


@contextmanager
def repeated(jobs: list[tuple[Callable[[], None], float]]) -> Iterator[None]:
    """Run each job in a thread of its own, again every so many seconds, until the block ends.

    What comes late does not come twice as fast afterwards.
    """
    stop = threading.Event()

    def run(job: Callable[[], None], every: float) -> None:
        due = time.monotonic() + every * random.random()  # noqa: S311  (not all at the same moment)
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + every, time.monotonic())
            try:
                job()
            except Lost:
                pass

    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def works(installation: Installation, ledger: Ledger, seconds: float) -> bool:
    """Tell whether, within some seconds, somebody signs in, refreshes and reads the JWKS."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        address = f"192.0.2.{random.randrange(256)}"  # noqa: S311  (an address)
        person = Person(installation, ledger, address, PROBE)
        try:
            person.turn()
            person.ask("JWKS", "GET", "/jwks")
        except Lost:
            time.sleep(0.2)
        else:
            return True
        finally:
            person.http.close()
    return False
