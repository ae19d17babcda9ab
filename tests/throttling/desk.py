"""A desk that asks a throttle as the sign-in form does, and threads that ask at once."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from idp.db import Database
from idp.errors import Refusal
from idp.installation import Vault
from idp.settings.models import ThrottleSettings
from idp.throttling import Reservation, Throttle

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
IP = "203.0.113.7"
LAPTOP, PHONE = "laptop 1", "phone 1"
"""Browsers that have signed in with the password there is."""


class Desk:
    """Asks a throttle as the sign-in form does, with time at hand."""

    def __init__(self, database: Database, vault: Vault, **settings: Any) -> None:
        self.database = database
        self.settings = ThrottleSettings(**settings)
        self.throttle = Throttle(database, vault, self.settings)
        self.now = NOW

    def password(self, account: str | None = "a", **changes: Any) -> Reservation:
        facts: dict[str, Any] = {"name": "anna", "ip": None, "known_device": None} | changes
        return self.throttle.password_try(account_id=account, now=self.now, **facts)

    def code(self, flow: str = "f", *, account: str = "a", factor: str = "totp") -> Reservation:
        lives = timedelta(days=1)
        return self.throttle.second_factor_try(
            account_id=account, factor=factor, within=flow, lives=lives, now=self.now
        )

    def succeed(self, reservation: Reservation) -> None:
        with self.database.session() as db:
            self.throttle.succeeded(db, reservation)
            db.commit()

    def fail_until_stopped(self, tries: int, **facts: Any) -> None:
        """Fail so many times, waiting whatever is asked."""
        for _ in range(tries):
            self.now += timedelta(seconds=self.settings.account_max_delay_seconds)
            self.password(**facts)


def refusal(ask: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        ask()
    return refused.value


def passed(ask: Callable[[int], object], threads: int = 64) -> int:
    """Release all threads at once and return how many were not refused; any other error fails the test."""
    barrier = threading.Barrier(threads)
    outcomes: list[object] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            ask(number)
        except Refusal:
            outcomes.append(False)
        except Exception as error:
            outcomes.append(error)
        else:
            outcomes.append(True)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(outcomes) <= {True, False}
    return outcomes.count(True)
