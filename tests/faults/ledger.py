"""What clients saw: every request, what they got, and what the answers promise to be stored."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from idp.audit.events import Event


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client saw it; status 0: no answer came."""

    kind: str
    started: float
    seconds: float
    status: int
    retry_after: bool
    trace: bool
    #: whether the answer was one that its client counts on: of what was used before, the refusal
    wanted: bool = True
    who: str = ""
    request_id: str = ""

    @property
    def ended(self) -> float:
        """When the answer was there, or given up."""
        return self.started + self.seconds

    @property
    def refused(self) -> bool:
        """Whether it was answered, but not as its client counts on: 429, 400, the form once more."""
        return 0 < self.status < 500 and not self.wanted

    @property
    def failed(self) -> bool:
        """Whether there was no answer, a 5xx, or a refusal."""
        return self.status == 0 or self.status >= 500 or self.refused


@dataclass(frozen=True, slots=True)
class Block:
    """When somebody was blocked: refusals are due from the beginning, and nothing else from the commit."""

    began: float
    committed: float


@dataclass
class Ledger:
    """Written by all clients of a run."""

    seen: list[Seen] = field(default_factory=list)
    #: code or refresh token → how many redemptions succeeded
    redeemed: Counter[str] = field(default_factory=Counter)
    #: how ("code again", "refresh at once") → how often what works once was presented twice
    twice: Counter[str] = field(default_factory=Counter)
    #: how many of those that were presented twice were refused, though no answer was lost, both times
    never: int = 0
    #: how many second presentations were refused
    refused_again: int = 0
    #: refresh tokens that a 2xx carried
    received: list[str] = field(default_factory=list)
    #: what an answer says has happened, where that is an event (design §2), after what it happened to: the
    #: value of a cookie or code, or the id of the request
    promised: list[tuple[str, Event]] = field(default_factory=list)
    #: username → when the last request began that got them something
    got_last: dict[str, float] = field(default_factory=dict)
    blocked: dict[str, Block] = field(default_factory=dict)
    #: when the base load began and ended
    loaded: tuple[float, float] = (0.0, 0.0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, seen: Seen) -> None:
        """Write down a request."""
        with self._lock:
            self.seen.append(seen)

    def promise(self, of_what: str, *events: Event) -> None:
        """Write down that an answer told of something that has events."""
        with self._lock:
            self.promised += [(of_what, event) for event in events]

    def active(self, username: str, began: float) -> None:
        """Write down that somebody got in, or got something, by a request that began then."""
        with self._lock:
            self.got_last[username] = max(began, self.got_last.get(username, 0.0))

    def got(self, *, used: str, refresh_token: str) -> None:
        """Write down that a code or refresh token was redeemed."""
        with self._lock:
            self.redeemed[used] += 1
            self.received.append(refresh_token)

    def tried_twice(self, how: str, refused: Sequence[bool]) -> None:
        """Write down that what works once was presented twice; *refused*: of each answer that came."""
        with self._lock:
            self.twice[how] += 1
            self.refused_again += any(refused)
            self.never += refused == [True, True]

    def block(self, block: Callable[[str], float], username: str) -> None:
        """Block somebody; from the first moment on, refusals are what they have to get."""
        began = time.monotonic()
        self.blocked[username] = Block(began, float("inf"))
        self.blocked[username] = Block(began, block(username))

    def statuses(self) -> Mapping[int, int]:
        """Return how often each status came."""
        return Counter(seen.status for seen in self.seen)

    def failures(self, since: float = 0.0) -> list[Seen]:
        """Return the requests that failed, without what blocked people were refused."""
        return [seen for seen in self.seen if seen.started >= since and seen.failed and not self._due(seen)]

    def failed(self) -> float:
        """Return the share of requests that failed."""
        return len(self.failures()) / max(1, len(self.seen))

    def _due(self, seen: Seen) -> bool:
        block = self.blocked.get(seen.who)
        return block is not None and seen.refused and seen.ended >= block.began

    def ms(self, which: int, *kinds: str, since: float = 0.0, until: float = float("inf")) -> float:
        """Return a percentile of the time that some kinds' answers took."""
        took = [
            seen.seconds
            for seen in self.seen
            if seen.kind in kinds and since <= seen.started < until and seen.status
        ]
        return percentile(took, which) * 1000


def percentile(took: Sequence[float], which: int) -> float:
    """Return a percentile; endless where there is not enough to speak of one."""
    return statistics.quantiles(took, n=100, method="inclusive")[which - 1] if len(took) > 1 else float("inf")


def by_kind(failures: Sequence[Seen]) -> str:
    """Say which requests failed how."""
    counted = Counter(f"{seen.kind}: {seen.status}" for seen in failures)
    return ", ".join(f"{times} {what}" for what, times in sorted(counted.items())) or "none"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    held: bool
    counted: str
