"""Where sign-ins wait for one of the few threads that take them: two lines of a process (A5, F12).

Hashing is what costs, so whoever floods us with passwords takes all there is.  Browsers that somebody has
signed in from stand in a line that a flood cannot fill: an account has one place in it.
"""

import threading
from collections import deque
from typing import Generic, TypeVar

PLACES = 16
"""How many wait in the line for all: an office that begins its day at one moment is no flood."""
KNOWN_PLACES = 8
"""How many wait in the line for known browsers, each for another account."""

Waiting = TypeVar("Waiting")


class SignInLines(Generic[Waiting]):
    """Both lines; they are served in turn, so that neither holds up the other."""

    def __init__(self) -> None:
        self._everybody: deque[Waiting] = deque()
        self._known: dict[str, Waiting] = {}
        self._known_is_next = True
        self._changed = threading.Condition()

    def join(self, waiting: Waiting, known_as: str | None) -> bool:
        """Stand in a line, unless there is no place; tells whether there was one.

        :param known_as: what the account of a known browser is called.
        """
        with self._changed:
            if known_as is not None and known_as not in self._known and len(self._known) < KNOWN_PLACES:
                self._known[known_as] = waiting
            elif len(self._everybody) < PLACES:
                self._everybody.append(waiting)
            else:
                return False
            self._changed.notify()
            return True

    def take(self) -> Waiting:
        """Return who is next, as soon as there is somebody."""
        with self._changed:
            while not self._known and not self._everybody:
                self._changed.wait()
            if self._known and (self._known_is_next or not self._everybody):
                self._known_is_next = False
                return self._known.pop(next(iter(self._known)))
            self._known_is_next = True
            return self._everybody.popleft()
