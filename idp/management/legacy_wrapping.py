"""The job that wraps weak imported hashes: in the worker a little each second, by command as fast as it goes.

A batch is read, hashed outside any transaction, and put back in one; see ``idp.accounts.legacy.wrapping``.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from idp.accounts.legacy.wrapping import Bare, Wrapped, remaining, replace, weak, wrap
from idp.context import Actor, Services
from idp.errors import Busy

SECONDS_A_STEP: Final = 0.25
"""What the worker hashes each second: a quarter of a core at most."""
BATCH: Final = 200


def step(services: Services, now: datetime | None = None) -> int:
    """Wrap what a quarter of a second allows and return how many; a busy hash pool comes first."""
    waiting = _read(services, limit=50)
    made: list[Wrapped] = []
    give_up = time.monotonic() + SECONDS_A_STEP
    for bare in waiting:
        try:
            made.append(wrap(services.passwords, bare))
        except Busy:
            break
        if time.monotonic() > give_up:
            break
    return _replace(services, made, now)


def wrap_all(services: Services, *, threads: int) -> Iterator[int]:
    """Wrap everything that waits; yields how many were wrapped after each batch.

    :param threads: hashes made at the same time; hashing leaves the interpreter to others.
    """
    after = ""
    with ThreadPoolExecutor(threads) as pool:
        while batch := _read(services, limit=BATCH, after=after):
            after = batch[-1].id
            yield _replace(services, list(pool.map(lambda bare: wrap(services.passwords, bare), batch)), None)


def left(services: Services) -> int:
    """Return how many weak hashes wait."""
    with services.database.reading() as db:
        return remaining(services.context(db))


def _read(services: Services, *, limit: int, after: str = "") -> list[Bare]:
    with services.database.reading() as db:
        return weak(services.context(db), limit=limit, after=after)


def _replace(services: Services, made: list[Wrapped], now: datetime | None) -> int:
    if not made:
        return 0
    with services.database.session() as db, db.begin():
        return replace(services.context(db, now=now, actor=Actor(kind="system")), made)
