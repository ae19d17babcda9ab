"""The worker: sends, chains, purges, rotates; twice, and although something fails (A6, A8, F17, F19)."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from idp import logging as idp_logging
from idp import worker as worker_module
from idp.audit.events import Event
from idp.audit.log import record, tail
from idp.audit.verification import verify
from idp.context import Context, Services
from idp.db import Database
from idp.delivery import outbox
from idp.delivery.models import OutboxMessage
from idp.delivery.outbox import Message, Undeliverable, Unreachable
from idp.egress import EgressFailed, fetch
from idp.settings import Settings
from idp.worker import Duties, Worker, work
from tests.installation import NOW, make_services, unit_of_work
from tests.sinks import Sink, serve
from tests.test_egress import LOOPBACK

KIND = "backchannel_logout"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings, database)


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A relying party."""
    yield from serve("127.0.0.1")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines; put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    idp_logging.configure(stream=stream)
    yield stream
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()


def put(
    services: Services, to: str = "https://portal.example/logout", kind: str = KIND, at: datetime = NOW
) -> str:
    with unit_of_work(services, at) as ctx:
        return outbox.enqueue(ctx, kind, to, {"sid": "s1"}, expires_at=at + 60 * MINUTE, reference="portal")


def put_now(services: Services, to: str = "https://portal.example/logout") -> str:
    """For a running worker, which reads the clock."""
    return put(services, to, at=datetime.now(UTC))


def states(services: Services) -> dict[str, tuple[str, int, str | None]]:
    with unit_of_work(services) as ctx:
        rows = ctx.db.scalars(select(OutboxMessage)).all()
    return {row.id: (row.state, row.attempts, row.last_error) for row in rows}


def once(services: Services, duties: Duties, at: Any = NOW) -> None:
    worker = Worker(services, duties)
    try:
        worker.run_once(at)
    finally:
        worker.close()


def test_messages_reach_the_sender_of_their_kind(services: Services) -> None:
    """A6; a kind without a sender stays."""
    logout, mail = put(services), put(services, "ben@muster.example", "mail")
    got: list[Message] = []
    once(services, Duties(senders={KIND: got.append}))
    assert [(message.id, message.payload) for message in got] == [(logout, {"sid": "s1"})]
    assert states(services) == {logout: ("sent", 1, None), mail: ("waiting", 0, None)}


def test_more_messages_than_senders_are_all_sent(services: Services) -> None:
    """A6"""
    keys = {put(services) for _ in range(worker_module.SLOTS * 2 + 3)}
    got: list[str] = []
    once(services, Duties(senders={KIND: lambda message: got.append(message.id)}))
    assert sorted(got) == sorted(keys)


def test_a_relying_party_that_is_down_is_tried_again(services: Services, sink: Sink) -> None:
    """F17, req 47: through the egress function, against a server that answers badly first."""

    def send(message: Message) -> None:
        answer = fetch(message.recipient, settings=LOOPBACK, method="POST", data=b"x", accept=None)
        if answer.status != 200:
            raise EgressFailed(f"status {answer.status}")

    key = put(services, f"http://127.0.0.1:{sink.port}/missing")
    duties = Duties(senders={KIND: send})
    once(services, duties)
    assert states(services)[key] == ("waiting", 1, "status 404")
    once(services, duties)
    assert len(sink.hits) == 1
    once(services, duties, NOW + MINUTE)
    assert states(services)[key] == ("waiting", 2, "status 404")
    assert len(sink.hits) == 2


def test_an_address_inward_is_given_up_at_once(services: Services, sink: Sink) -> None:
    """F17, C9: no SSRF, no second try."""
    key = put(services, f"https://127.0.0.1:{sink.port}/json")
    send = {KIND: lambda message: fetch(message.recipient, settings=services.settings, accept=None)}
    once(services, Duties(senders=send))  # type: ignore[arg-type]
    state, attempts, why = states(services)[key]
    assert (state, attempts) == ("failed", 1)
    assert why is not None
    assert "not public" in why
    assert sink.connections == 0


def test_a_sender_may_say_never(services: Services, log: io.StringIO) -> None:
    """A number that does not exist; the log says so without the address."""

    def send(message: Message) -> None:
        raise Undeliverable(f"{message.recipient} does not exist")

    key = put(services, "canary@muster.example")
    once(services, Duties(senders={KIND: send}))
    assert states(services)[key] == ("failed", 1, "[hidden] does not exist")
    (line,) = [json.loads(line) for line in log.getvalue().splitlines() if "not sent" in line]
    assert (line["state"], line["attempt"], line["reference"]) == ("failed", 1, "portal")
    assert "canary" not in log.getvalue()


def test_a_bug_in_a_sender_loses_no_message(services: Services) -> None:
    """A6"""
    key = put(services)

    def send(_message: Message) -> None:
        raise KeyError

    once(services, Duties(senders={KIND: send}))
    assert states(services)[key] == ("waiting", 1, "KeyError")


def test_a_result_that_cannot_be_stored_leaves_the_lease(services: Services, log: io.StringIO) -> None:
    """F2: the database goes away between sending and noting: it is sent again with the same id."""
    key = put(services)
    got: list[str] = []

    def send(message: Message) -> None:
        got.append(message.message_id)
        if len(got) == 1:
            with services.database.engine.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE outbox RENAME TO outbox_away")

    once_failed = Worker(services, Duties(senders={KIND: send}))
    once_failed.deliver(NOW)
    once_failed.close()
    with services.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox_away RENAME TO outbox")
    assert "not stored" in log.getvalue()
    assert states(services)[key][0] == "sending"
    once(services, Duties(senders={KIND: send}), NOW + 2 * MINUTE)
    assert states(services)[key][:2] == ("sent", 2)
    assert len(set(got)) == 1


def test_the_log_is_chained(services: Services) -> None:
    """design §2"""
    with unit_of_work(services) as ctx:
        record(ctx, Event.SIGN_IN_SUCCEEDED)
    once(services, Duties())
    with unit_of_work(services) as ctx:
        assert [entry.position for entry in tail(ctx)] == [1]


def test_purges_run_batch_after_batch(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """(req 111, F11): one transaction a batch, until one is not full."""
    left = [1200]
    moments = set()

    def purge(ctx: Context, limit: int) -> int:
        moments.add((ctx.now, ctx.actor.kind))
        removed = min(left[0], limit)
        left[0] -= removed
        return removed

    once(services, Duties(purges={"things": purge}), NOW + MINUTE)
    assert left == [0]
    assert moments == {(NOW + MINUTE, "system")}


def test_rotation_runs_and_is_committed(services: Services) -> None:
    """A8"""
    once(services, Duties(rotate=lambda ctx: record(ctx, Event.SIGNING_KEY_ACTIVATED)))
    with unit_of_work(services) as ctx:
        assert [entry.event for entry in tail(ctx)] == ["signing_key.activated"]


def test_a_job_of_another_process_is_not_done_twice(services: Services) -> None:
    """A8, F19: each job has a lock of its own; SQLite has one writer."""
    if services.database.dialect != "postgresql":
        return
    done: list[str] = []
    inner = Duties(
        purges={"things": lambda _ctx, _limit: done.append("purge") or 0},
        rotate=lambda _ctx: done.append("rotate"),
    )
    outer = Duties(
        purges={"things": lambda _ctx, _limit: Worker(services, inner).purge("things", NOW)},
        rotate=lambda _ctx: Worker(services, inner).rotate(NOW),
    )
    once(services, outer)
    assert done == []


class Stopping:
    """A running worker, and events to wait for."""

    def __init__(self, services: Services, duties: Duties) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=work, args=(services, duties, self.stop))

    def __enter__(self) -> "Stopping":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_the_running_worker_does_all_its_duties(services: Services, log: io.StringIO) -> None:
    """Until it is told to stop; then it ends."""
    sent, purged, rotated = threading.Event(), threading.Event(), threading.Event()
    duties = Duties(
        senders={KIND: lambda _message: sent.set()},
        purges={"things": lambda _ctx, _limit: purged.set() or 0},
        rotate=lambda _ctx: rotated.set(),
    )
    with Stopping(services, duties):
        assert purged.wait(10)
        assert rotated.wait(10)
        key = put_now(services)
        assert sent.wait(10)
    assert states(services)[key][0] == "sent"
    events = [json.loads(line)["event"] for line in log.getvalue().splitlines()]
    assert (events[0], events[-1]) == ("worker started", "worker stopped")


def test_a_job_that_fails_does_not_stop_the_others(services: Services, log: io.StringIO) -> None:
    """F2, F6: it is logged, without values, and tried again."""
    failed, sent = threading.Event(), threading.Event()

    def purge(_ctx: Context, _limit: int) -> int:
        failed.set()
        raise RuntimeError("canary@muster.example")

    def rotate(_ctx: Context) -> None:
        raise ValueError

    duties = Duties(senders={KIND: lambda _message: sent.set()}, purges={"things": purge}, rotate=rotate)
    with Stopping(services, duties):
        assert failed.wait(10)
        put_now(services)
        assert sent.wait(10)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {line["job"] for line in lines if line["event"] == "job failed"} >= {"purge.things"}
    assert "canary" not in log.getvalue()


def test_a_failing_job_pauses_longer_each_time() -> None:
    """F2: a database that is away for an hour does not fill the disk with log lines."""
    runs: list[float] = []

    def action() -> bool:
        runs.append(clock)
        if len(runs) < 9:
            raise RuntimeError
        return len(runs) == 9

    job = worker_module._Job("x", action, 60.0)
    for tick in range(400):
        clock = float(tick)
        job.run_if_due(clock)
    assert runs[:9] == [0, 2, 6, 14, 30, 60, 90, 120, 150]
    assert runs[9:] == [151, 211, 271, 331, 391]


def test_stopping_waits_for_what_is_being_sent(services: Services) -> None:
    """A9: SIGTERM loses no result."""
    begun, go_on = threading.Event(), threading.Event()

    def send(_message: Message) -> None:
        begun.set()
        assert go_on.wait(10)

    key = put_now(services)
    with Stopping(services, Duties(senders={KIND: send})) as running:
        assert begun.wait(10)
        running.stop.set()
        go_on.set()
    assert states(services)[key][0] == "sent"


def test_a_receiver_that_hangs_does_not_hold_up_the_others(services: Services) -> None:
    """F17"""
    go_on, sent = threading.Event(), threading.Event()

    def send(message: Message) -> None:
        if message.recipient.endswith("/hangs"):
            assert go_on.wait(10)
        else:
            sent.set()

    put_now(services, "https://portal.example/hangs")
    with Stopping(services, Duties(senders={KIND: send})):
        put_now(services)
        assert sent.wait(10)
        go_on.set()
    assert {state for state, *_ in states(services).values()} == {"sent"}


def test_a_mail_server_that_hangs_holds_up_no_other_kind(services: Services) -> None:
    """F5: however many mails wait for it, sign-out at the portals goes on, and so does everything else."""
    go_on, out, purged = threading.Event(), threading.Event(), threading.Event()

    def hang(_message: Message) -> None:
        assert go_on.wait(20)

    for _ in range(worker_module.SLOTS + 2):
        with unit_of_work(services, datetime.now(UTC)) as ctx:
            outbox.enqueue(ctx, "mail", "a@b.example", {}, expires_at=ctx.now + 60 * MINUTE)
    duties = Duties(
        senders={"mail": hang, KIND: lambda _message: out.set()},
        purges={"things": lambda _ctx, _limit: purged.set() or 0},
    )
    with Stopping(services, duties):
        put_now(services)
        assert out.wait(10)
        assert purged.wait(10)
        waiting = [state for state, *_ in states(services).values() if state == "waiting"]
        assert len(waiting) == 2
        go_on.set()


def test_a_server_that_is_away_is_asked_every_minute(services: Services) -> None:
    """F5: what nothing is wrong with goes out soon after it is back, however long it was away."""

    def away(_message: Message) -> None:
        raise Unreachable("no answer in time")

    key = put(services)
    for minute in range(30):
        once(services, Duties(senders={KIND: away}), NOW + minute * MINUTE)
    assert states(services)[key] == ("waiting", 30, "no answer in time")


def test_more_messages_than_senders_do_not_wait_for_the_next_look(services: Services) -> None:
    """A slot that becomes free is used at once, and a full batch of events is followed by the next."""
    wanted = worker_module.SLOTS * 10
    for _ in range(wanted):
        put_now(services)
    sent = threading.Semaphore(0)
    with Stopping(services, Duties(senders={KIND: lambda _message: sent.release()})):
        assert all(sent.acquire(timeout=10) for _ in range(wanted))
    assert {state for state, *_ in states(services).values()} == {"sent"}


def test_two_workers_do_everything_once(services: Services) -> None:
    """A8, F19"""
    keys = {put(services) for _ in range(30)}
    with unit_of_work(services) as ctx:
        for number in range(50):
            record(ctx, Event.SIGN_IN_SUCCEEDED, new=number)
    got: list[str] = []
    duties = Duties(senders={KIND: lambda message: got.append(message.id)})
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(lambda _: once(services, duties), range(3)))
    assert sorted(got) == sorted(keys)
    with unit_of_work(services) as ctx:
        result = verify(ctx)
    assert (result.ok, result.events, result.unsealed) == (True, 50, 0)
