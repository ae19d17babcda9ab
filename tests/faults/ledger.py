"""What clients saw, and what must hold of it afterwards: invariants I1 to I8 (design §2 limits I3)."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.audit.sealer import seal
from idp.audit.verification import verify
from idp.context import Services
from idp.crypto import sha256
from idp.delivery.models import OPEN, OutboxMessage
from idp.oidc.models import RefreshToken
from tests.faults.installation import Installation

DELIVERED_WITHIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client saw it; status 0: no answer came."""

    kind: str
    started: float
    seconds: float
    status: int
    retry_after: bool
    trace: bool

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or a 5xx."""
        return self.status == 0 or self.status >= 500


@dataclass
class Ledger:
    """Written by all clients of a run."""

    seen: list[Seen] = field(default_factory=list)
    #: code or refresh token → how many redemptions succeeded
    redeemed: Counter[str] = field(default_factory=Counter)
    #: refresh tokens that a 2xx carried
    received: list[str] = field(default_factory=list)
    #: username → when it last got something
    minted: dict[str, float] = field(default_factory=dict)
    codes: int = 0
    sign_ins: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, seen: Seen) -> None:
        """Write down a request."""
        with self._lock:
            self.seen.append(seen)

    def got(self, username: str, *, used: str, refresh_token: str, began: float) -> None:
        """Write down that a code or refresh token was redeemed, by a request that began then."""
        with self._lock:
            self.redeemed[used] += 1
            self.received.append(refresh_token)
            self.minted[username] = max(began, self.minted.get(username, 0.0))

    def statuses(self) -> Mapping[int, int]:
        """Return how often each status came."""
        return Counter(seen.status for seen in self.seen)

    def failed(self) -> float:
        """Return the share of requests without an answer, or with a 5xx."""
        return sum(seen.failed for seen in self.seen) / max(1, len(self.seen))

    def p99_ms(self, *kinds: str, since: float = 0.0) -> float:
        """Return the 99th percentile of some kinds' answers."""
        took = [
            seen.seconds for seen in self.seen if seen.kind in kinds and seen.started >= since and seen.status
        ]
        return percentile(took, 99) * 1000


def percentile(took: Sequence[float], which: int) -> float:
    """Return a percentile; endless where there is not enough to speak of one."""
    return statistics.quantiles(took, n=100)[which - 1] if len(took) > 1 else float("inf")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    held: bool
    counted: str


def invariants(
    ledger: Ledger, installation: Installation, blocked: Mapping[str, float], works: bool
) -> Iterator[Line]:
    """Compare what clients saw with the database.

    :param blocked: username → when the block had committed.
    :param works: every kind of request succeeded after the fault, without a hand.
    """
    services = installation.services
    services.database.dispose()  # our own connections may be older than a restart
    double = sum(count > 1 for count in ledger.redeemed.values())
    yield Line(
        "I1 each code and refresh token is redeemed once",
        not double,
        f"{len(ledger.redeemed)}, {double} twice",
    )
    with services.database.session() as db:
        parents = select(RefreshToken.parent_id).where(RefreshToken.parent_id.is_not(None))
        forked = len(db.execute(parents.group_by(RefreshToken.parent_id).having(func.count() > 1)).all())
        stored = set(db.scalars(select(RefreshToken.hash)))
        events = {event: count for event, count in db.execute(_events())}
    yield Line("I2 each refresh token has one child", not forked, f"{len(stored)} rows, {forked} forked")
    lost = sum(sha256(token) not in stored for token in ledger.received)
    yield Line("I3 each 2xx has its token row", not lost, f"{len(ledger.received)} seen, {lost} lost")
    for name, event, seen in (
        ("code", Event.CODE_ISSUED, ledger.codes),
        ("sign-in", Event.SIGN_IN_SUCCEEDED, ledger.sign_ins),
    ):
        count = events.get(event.value, 0)
        yield Line(f"I3 each {name} seen has its event", count >= seen, f"{seen} seen, {count} events")
    yield _chain(services)
    yield _deliveries(installation)
    late = sum(ledger.minted.get(username, 0.0) > moment for username, moment in blocked.items())
    yield Line("I6 nobody gets anything after a block", not late, f"{len(blocked)} blocked, {late} active")
    traces = sum(seen.trace for seen in ledger.seen)
    yield Line("I7 no answer shows a trace", not traces, f"{len(ledger.seen)} answers, {traces} traces")
    yield Line(
        "I8 it recovers without a hand", works, "every kind of request succeeds" if works else "does not"
    )


def _deliveries(installation: Installation) -> Line:
    """Return whether each message reached the portal, within a minute; none may be there twice as another."""
    deadline = time.monotonic() + DELIVERED_WITHIN_SECONDS
    while True:
        with installation.services.database.session() as db:
            waiting = db.scalar(select(func.count()).select_from(OutboxMessage).where(OPEN)) or 0
            messages = db.scalar(select(func.count()).select_from(OutboxMessage)) or 0
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    arrived, again = len(installation.delivered), installation.delivered.total()
    counted = f"{messages} messages, {waiting} waiting, {arrived} arrived, {again - arrived} of them again"
    return Line("I5 each message is delivered", not waiting and arrived == messages > 0, counted)


def _events() -> object:
    return select(AuditEvent.event, func.count()).group_by(AuditEvent.event)


def _chain(services: Services) -> Line:
    """Return whether the audit log verifies, once all is sealed, without a gap."""
    deadline = time.monotonic() + 20
    while True:
        with services.database.session() as db, db.begin():
            seal(services.context(db))
        with services.database.reading() as db:
            result = verify(services.context(db))
        if result.unsealed == 0 or time.monotonic() > deadline:
            break
    held = result.ok and result.unsealed == 0
    return Line(
        "I4 the audit chain verifies", held, f"{result.events} events, {len(result.problems)} problems"
    )
