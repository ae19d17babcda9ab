"""F4: Redis is flushed, hangs, and is killed; sign-ins go on and guesses stay limited."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from tests.faults import load
from tests.faults.flood import Guesser
from tests.faults.installation import Installation, running
from tests.faults.ledger import Ledger, Line, invariants
from tests.infrastructure import Redis, start_redis

WORKERS = 2
GUESSES = 15
_FREE = 5


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Let each of the three happen for a third of the time."""
    server = start_redis()
    ledger = Ledger()
    try:
        with running(folder, workers=WORKERS, more=f'[redis]\nurl = "{server.url()}"\n') as installation:
            evaluated = 0
            with load.base_load(installation, ledger):
                _flush(server)
                evaluated += _guess(installation, "person30")
                time.sleep(seconds / 3)
                os.kill(server.pid, signal.SIGSTOP)
                hung = time.monotonic()
                works = load.works(installation, 10)
                evaluated += _guess(installation, "person31")
                time.sleep(seconds / 3)
                blocked = {"person0": installation.block("person0")}
                os.kill(server.pid, signal.SIGKILL)
                works = load.works(installation, 10) and works
                evaluated += _guess(installation, "person32")
                time.sleep(seconds / 3)
            limit = 3 * (_FREE + WORKERS)
            counted = f"{evaluated} of {3 * GUESSES} wrong passwords compared, at most {limit}"
            yield Line("guesses stay limited", evaluated <= limit, counted)
            share, slow = ledger.failed(), ledger.p99_ms("sign-in", "code", "refresh", since=hung)
            yield Line(
                "no request fails", share == 0, f"{share:.2%} of {len(ledger.seen)}, p99 {slow:.0f} ms"
            )
            yield from invariants(ledger, installation, blocked, works)
    finally:
        server.stop()


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
