"""Cutting the log by batches, and checking it while it is cut (req 106, 111)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from idp.audit.events import Event
from idp.audit.log import record
from idp.audit.models import AuditEvent
from idp.audit.sealer import purge, seal
from idp.audit.verification import Verification, verify
from idp.context import Services
from idp.db import Database
from idp.settings import Settings
from tests.installation import NOW, make_services, unit_of_work

HOUR = timedelta(hours=1)
LATE = NOW + timedelta(days=400)


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    """Nine events under three seals."""
    made = make_services(settings, database)
    for hour in range(3):
        with unit_of_work(made) as ctx:
            for _ in range(3):
                record(ctx, Event.ACCOUNT_CREATED)
        with unit_of_work(made, NOW + hour * HOUR) as ctx:
            seal(ctx)
    return made


def cut(services: Services, limit: int) -> int:
    with unit_of_work(services, LATE) as ctx:
        return purge(ctx, limit)


def check(services: Services, known_head: tuple[int, bytes] | None = None) -> Verification:
    with services.database.snapshot() as db:
        return verify(services.context(db), known_head=known_head)


def test_a_batch_is_full_while_another_old_seal_is_there(services: Services) -> None:
    """Less than the limit means that nothing more is old: otherwise there would be one cut a minute."""
    assert [cut(services, 4), cut(services, 4), cut(services, 4)] == [6, 3, 0]


@contextmanager
def cut_between_reads(services: Services) -> Iterator[None]:
    """Have retention cut the log before the first event is read."""
    done: list[int] = []

    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM audit_event " in statement and not done:
            done.append(0)
            done[0] = cut(services, 4)

    event.listen(services.database.reader, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(services.database.reader, "before_cursor_execute", before)
    assert done == [6]


def test_a_check_sees_one_state(services: Services) -> None:
    """Retention that cuts meanwhile looks like no damage."""
    with cut_between_reads(services):
        result = check(services)
    assert (result.problems, result.events) == ([], 9)
    assert (check(services).problems, check(services).events) == ([], 3)


def test_a_head_noted_before_the_cut(services: Services) -> None:
    """At the cut it is compared with the chain there; below it nothing can be said, and that is said."""
    with unit_of_work(services) as ctx:
        chains = {row.position: row.chain for row in ctx.db.scalars(select(AuditEvent))}
    cut(services, 4)
    assert check(services, (6, chains[6] or b"")).ok
    (other,) = check(services, (6, bytes(32))).problems
    assert (other.position, other.what) == (6, "the chain is not the one noted earlier")
    (below,) = check(services, (3, chains[3] or b"")).problems
    assert (below.position, below.what) == (3, "before the cut at 6: cannot be compared")
