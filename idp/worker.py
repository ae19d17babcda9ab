"""The worker: empties the outbox, chains the audit log, purges, rotates (design §3, A6, A8).

It may run twice, on SQLite or PostgreSQL: a message is leased to one sender, and every other job takes a
lock of its own for the length of a transaction.  A job that fails is logged and tried again later; the
others go on.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from threading import Event, Thread

from idp.audit import sealer
from idp.context import Actor, Context, Services
from idp.db import try_lock
from idp.delivery import outbox
from idp.delivery.outbox import Message, Undeliverable, Unreachable
from idp.egress import EgressRefused
from idp.logging import error_text, get_logger

STEP = 0.5
"""Seconds between two looks at what is to be done."""
SLOTS = 8
"""Messages of a kind that are sent at the same time: who hangs holds up neither others nor other kinds."""
CLOSE_SECONDS = 5.0
"""How long the end of a worker waits for what is being sent."""
_PURGE_EVERY = 60.0
_ROTATE_EVERY = 60.0
STEP_EVERY = 1.0
"""Seconds between two parts of long work, however much is left: the other jobs, and sign-ins, come first."""
_LONGEST_PAUSE = 30.0

Sender = Callable[[Message], None]
"""Sends one message.  An error means "later", Unreachable "soon", Undeliverable and EgressRefused "never"."""
Purge = Callable[[Context, int], int]
"""Removes up to so many rows that are too old and returns how many it removed."""

Step = Callable[[Services, datetime | None], int]
"""Does the next part of long work, in less than half a second, and returns how much it did."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Duties:
    """What the packages of this installation want done; put together in ``idp.app``.

    :param senders: kind of message to its sender; messages of other kinds stay where they are.
    :param purges: a name, for lock and log, to the operation that removes what is too old.
    :param batches: how much those purges do in one transaction that do not go by rows.
    :param rotate: brings signing keys forward where their time has come.
    :param steps: a name, for the log, to long work that is done a little at a time outside transactions.
    """

    senders: Mapping[str, Sender] = field(default_factory=dict)
    purges: Mapping[str, Purge] = field(default_factory=dict)
    batches: Mapping[str, int] = field(default_factory=dict)
    rotate: Callable[[Context], object] | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)


def work(services: Services, duties: Duties, stop: Event) -> None:
    """Do the duties until *stop* is set; then finish what is being sent, at most a few seconds."""
    worker = Worker(services, duties)
    try:
        worker.run(stop)
    finally:
        worker.close()


class Worker:
    """The jobs of one process and the threads that send."""

    def __init__(self, services: Services, duties: Duties) -> None:
        self._services = services
        self._duties = duties
        self._purge_batch = 5000 if services.database.dialect == "postgresql" else 500
        self._sending: dict[str, set[Future[None]]] = {kind: set() for kind in duties.senders}

    def close(self) -> None:
        """Wait a few seconds for the messages that are being sent.

        What takes longer is left behind: its lease ends by itself, and then it is sent again.
        """
        _, late = wait(chain.from_iterable(self._sending.values()), timeout=CLOSE_SECONDS)
        if late:
            _log.warning("messages left behind", messages=len(late))

    def run(self, stop: Event) -> None:
        """Look every half second for what is due, until *stop* is set."""
        duties = self._duties
        jobs = [_Job("outbox", self.deliver, 0.0), _Job("audit.seal", self.seal, 0.0)]
        jobs += [_Job(f"purge.{name}", partial(self.purge, name), _PURGE_EVERY) for name in duties.purges]
        jobs += [_Job("rotate", self.rotate, _ROTATE_EVERY)]
        jobs += [_Job(name, partial(self.step, name), STEP_EVERY) for name in duties.steps]
        _log.info("worker started")
        while not stop.is_set():
            busy = False
            for job in jobs:
                busy |= not stop.is_set() and job.run_if_due(time.monotonic())
            stop.wait(0 if busy else STEP)
        _log.info("worker stopped")

    def run_once(self, now: datetime | None = None) -> None:
        """Do everything that is due at *now* to the end, messages included, and one part of each long work.

        Errors of jobs are raised.
        """
        while self.deliver(now):
            # a signal that comes just before a wait does not end it: it is heard after the next step
            while wait(chain.from_iterable(self._sending.values()), timeout=STEP).not_done:
                pass
        self.rotate(now)
        for name in self._duties.purges:
            while self.purge(name, now):
                pass
        while self.seal(now):
            pass
        for step in self._duties.steps.values():
            step(self._services, now)

    def deliver(self, now: datetime | None = None) -> bool:
        """Hand due messages to free senders; tells whether it found any, or one became free."""
        free = self._free_slots()
        messages = self._claim(free, now or datetime.now(UTC))
        for message in messages:
            self._sending[message.kind].add(self._start(message, now))
        if messages:
            return True
        busy = [future for kind, some in self._sending.items() if kind not in free for future in some]
        return bool(wait(busy, timeout=STEP, return_when=FIRST_COMPLETED).done)

    def _free_slots(self) -> dict[str, int]:
        """Return how many senders are free, by kinds that have any."""
        for kind, some in self._sending.items():
            self._sending[kind] = {future for future in some if not future.done()}
        slots = {kind: SLOTS - len(some) for kind, some in self._sending.items()}
        return {kind: free for kind, free in slots.items() if free}

    def _claim(self, free: Mapping[str, int], moment: datetime) -> list[Message]:
        if not free:
            return []
        with self._services.database.reader.connect() as reader:
            if not outbox.has_due(reader, tuple(free), moment):
                return []
        with self._context(moment) as ctx:
            return [
                message for kind, limit in free.items() for message in outbox.claim(ctx, (kind,), limit=limit)
            ]

    def seal(self, now: datetime | None = None) -> bool:
        """Chain one batch of audit events; tells whether there may be more."""
        with self._services.database.reader.connect() as reader:
            if not sealer.has_work(reader):
                return False
        with self._context(now) as ctx:
            return sealer.seal(ctx) == sealer.BATCH

    def purge(self, name: str, now: datetime | None = None) -> bool:
        """Remove one batch of old rows; tells whether there may be more."""
        batch = self._duties.batches.get(name, self._purge_batch)
        with self._context(now) as ctx:
            if not try_lock(ctx.db, f"purge.{name}"):
                return False
            removed = self._duties.purges[name](ctx, batch)
        if removed:
            _log.info("old rows removed", purge=name, rows=removed)
        return removed >= batch

    def step(self, name: str) -> bool:
        """Do the next part of long work; it comes round again in its time."""
        done = self._duties.steps[name](self._services, None)
        if done:
            _log.info("part of long work done", job=name, rows=done)
        return False

    def rotate(self, now: datetime | None = None) -> bool:
        """Bring signing keys forward, where a rotation is among the duties."""
        if self._duties.rotate is not None:
            with self._context(now) as ctx:
                if try_lock(ctx.db, "rotate"):
                    self._duties.rotate(ctx)
        return False

    def _start(self, message: Message, now: datetime | None) -> "Future[None]":
        """Send in a thread that holds up no end of the process."""
        ended: Future[None] = Future()

        def send() -> None:
            try:
                self._send(message, now)
            finally:
                ended.set_result(None)

        Thread(target=send, name="sender", daemon=True).start()
        return ended

    def _send(self, message: Message, now: datetime | None) -> None:
        error: str | None = None
        final = away = False
        try:
            self._duties.senders[message.kind](message)
        except (Undeliverable, EgressRefused) as refused:
            error, final = error_text(refused), True
        except Unreachable as failure:
            error, away = error_text(failure), True
        except Exception as failure:  # a sender's bug must not lose the message
            error = error_text(failure) or type(failure).__name__
        try:
            with self._context(now) as ctx:
                state = outbox.settle(ctx, message, error=error, final=final, away=away)
        except Exception:  # the lease ends by itself; then it is sent again with the same id
            _log.exception("result of a message not stored", message=message.id, kind=message.kind)
            return
        if error is not None:
            facts = {"message": message.id, "kind": message.kind, "attempt": message.attempts}
            _log.warning("message not sent", state=state, why=error, reference=message.reference, **facts)

    @contextmanager
    def _context(self, now: datetime | None) -> Iterator[Context]:
        """One unit of work of the worker: committed at the end, rolled back when it raises."""
        with self._services.database.session() as db, db.begin():
            yield self._services.context(db, now=now, actor=Actor(kind="system"))


class _Job:
    """A duty that comes round again; after a failure it pauses, longer each time, at most half a minute."""

    def __init__(self, name: str, action: Callable[[], bool], every: float) -> None:
        self.name = name
        self._action = action
        self._every = every
        self._due = 0.0
        self._failures = 0

    def run_if_due(self, now: float) -> bool:
        """Run when due; where the action says there is more, it is due again at once, and so says this."""
        if now < self._due:
            return False
        try:
            more = self._action()
        except Exception:
            self._failures += 1
            self._due = now + min(2.0**self._failures, _LONGEST_PAUSE)
            _log.exception("job failed", job=self.name, failures=self._failures)
            return False
        self._failures = 0
        self._due = now if more else now + self._every
        return more
