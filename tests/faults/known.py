"""People whose browser the service knows, and who sign in again and again."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults import load
from tests.faults.installation import Installation
from tests.faults.ledger import Ledger
from tests.faults.people import Lost, Person

PEOPLE = 8
FIRST = 12
"""The base load has those before; the flood guesses at every second of these too."""
LEAST_PAUSE, MOST_PAUSE = 2.0, 6.0
"""Seconds between two; so an address stays below the sign-ins a minute that it has."""


@dataclass
class KnownPerson(Person):
    """Signs in from the same browser, each time from the portal's button to its tokens."""

    took: list[float] = field(default_factory=list)
    failed: int = 0

    def sign_in(self) -> None:
        """Sign in after a while, as somebody whose session has ended."""
        time.sleep(random.uniform(LEAST_PAUSE, MOST_PAUSE))  # noqa: S311  (people come when they like)
        began = time.monotonic()
        if "sid" in self.http.cookies:
            self.http.cookies.delete("sid")
        try:
            self.redeem(self.code())
        except Lost:
            self.failed += 1
            raise
        self.took.append(time.monotonic() - began)


@contextmanager
def signing_in(
    installation: Installation, ledger: Ledger, *, after: Callable[[], None]
) -> Iterator[list[KnownPerson]]:
    """Have each sign in once, do what comes *after*, and have them sign in again until the block ends."""
    people = [
        KnownPerson(installation, ledger, f"198.51.101.{number}", f"person{number}")
        for number in range(FIRST, FIRST + PEOPLE)
    ]
    for person in people:
        person.turn()
    after()
    with load.repeated([(person.sign_in, 0.0) for person in people]):
        yield people
    for person in people:
        person.http.close()
