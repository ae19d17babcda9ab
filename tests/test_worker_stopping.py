"""A stop waits a few seconds for what is being sent, and for no server that hangs (A6, A8)."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from idp import worker as worker_module
from idp.context import Services
from idp.db import Database
from idp.delivery import outbox
from idp.delivery.outbox import Message
from idp.settings import Settings
from idp.worker import Duties, Worker
from tests.installation import make_services, unit_of_work
from tests.test_worker import states

HOUR = timedelta(hours=1)


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    """An installation with a mail that waits."""
    made = make_services(settings, database)
    with unit_of_work(made, datetime.now(UTC)) as ctx:
        outbox.enqueue(ctx, "mail", "a@b.example", {}, expires_at=ctx.now + HOUR)
    return made


def test_what_hangs_is_left_behind(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease ends by itself; what ends in time is stored."""
    monkeypatch.setattr(worker_module, "CLOSE_SECONDS", 0.0, raising=False)
    go_on = threading.Event()
    answered: list[bool] = []

    def hang(_message: Message) -> None:
        answered.append(go_on.wait(20))

    worker = Worker(services, Duties(senders={"mail": hang}))
    assert worker.deliver()
    # else the process itself would wait for them
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("sender"))
    worker.close()
    assert answered == []
    go_on.set()
    monkeypatch.setattr(worker_module, "CLOSE_SECONDS", 20.0, raising=False)
    worker.close()
    assert answered == [True]
    assert [state for state, *_ in states(services).values()] == ["sent"]
