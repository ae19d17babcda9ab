"""F4: Redis is flushed, hangs, and is killed; sign-ins go on and guesses stay limited."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.faults import load
from tests.faults.flood import Guesser
from tests.faults.installation import Installation, running
from tests.faults.invariants import invariants
from tests.faults.ledger import Ledger, Line, by_kind
from tests.infrastructure import Redis, start_redis

WORKERS = 2
GUESSES = 15
TIMES = 2.0
WARM_SECONDS = 3.0
"""Until everybody is there."""
_FREE = 5


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Let it be well for a quarter of the time, and each of the three happen for another."""
    server = start_redis()
    ledger = Ledger()
    try:
        with running(folder, workers=WORKERS, more=f'[redis]\nurl = "{server.url()}"\n') as installation:
            with load.base_load(installation, ledger):
                time.sleep(WARM_SECONDS)
                phases = Phases(installation, ledger, seconds / 4)
                phases.happens("well", lambda: None)
                phases.keys = _keys(server)
                phases.happens("flushed", lambda: _flush(server))
                phases.happens("hung", lambda: os.kill(server.pid, signal.SIGSTOP))
                ledger.block(installation.block, "person0")
                phases.happens("killed", lambda: os.kill(server.pid, signal.SIGKILL))
            yield load.rates(ledger)
            yield from phases.lines()
            failures = ledger.failures()
            yield Line("no request fails", not failures, f"{by_kind(failures)}, of {len(ledger.seen)}")
            calm = phases.began[-1]  # nothing has to recover: while Redis is away everything goes on
            yield from invariants(ledger, installation, works=phases.works, calm=calm)
    finally:
        server.stop()


@dataclass
class Phases:
    """What happens to Redis, one after the other, and what is guessed and seen meanwhile."""

    installation: Installation
    ledger: Ledger
    seconds: float
    names: list[str] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    compared: int = 0
    #: what Redis held when all was well
    keys: int = 0
    works: bool = True

    def happens(self, name: str, action: Callable[[], None]) -> None:
        """Let something happen, guess, and look on for a while."""
        action()
        self.names.append(name)
        self.began.append(time.monotonic())
        self.compared += _guess(self.installation, f"person{29 + len(self.names)}")
        self.works &= load.works(self.installation, self.ledger, 10)
        time.sleep(max(0.0, self.began[-1] + self.seconds - time.monotonic()))

    def lines(self) -> Iterator[Line]:
        """Judge guesses and latencies; those of the guesses are in them."""
        tried = len(self.names)
        least, most = tried * _FREE, tried * (_FREE + WORKERS)
        counted = f"{self.compared} of {tried * GUESSES} wrong passwords compared, {least} to {most}"
        yield Line("guesses stay limited", least <= self.compared <= most, counted)
        yield Line("Redis counts while it is there", self.keys > 0, f"{self.keys} keys before the flush")
        ends = [*self.began[1:], float("inf")]
        for which, kinds in (("sign-ins", ("sign-in",)), ("tokens", ("code", "refresh"))):
            p95 = [
                self.ledger.ms(95, *kinds, since=since, until=until)
                for since, until in zip(self.began, ends, strict=True)
            ]
            counted = ", ".join(f"{name} {ms:.0f} ms" for name, ms in zip(self.names, p95, strict=True))
            yield Line(f"{which}: p95 below {TIMES:g} x well", max(p95[1:]) < TIMES * p95[0], counted)


def _keys(server: Redis) -> int:
    client = redis.Redis.from_url(server.url())
    found = int(client.dbsize())
    client.close()
    return found


def _flush(server: Redis) -> None:
    client = redis.Redis.from_url(server.url())
    client.flushall()
    client.close()


def _guess(installation: Installation, username: str) -> int:
    """Try wrong passwords, each from another network, and return how many were compared."""
    guesser = Guesser(installation, Ledger())
    compared = 0
    for number in range(GUESSES):
        compared += guesser.guess(username, f"10.{number}.1.1") == 200
    guesser.http.close()
    return compared
