"""What the worker asks twice a second, and what it purges, is answered by an index (F11)."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import ForeignKey, PrimaryKeyConstraint, UniqueConstraint

from idp.audit import sealer
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context, Origin, Services
from idp.db import Database
from idp.delivery import outbox
from idp.migrations.models import metadata
from idp.settings import Settings
from tests.installation import NOW, make_services, unit_of_work
from tests.plans import plan, scanned, selects

Step = Callable[[Context], Any]
TABLES = ("outbox", "audit_event", "audit_personal")


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings, database)


def _seal(ctx: Context) -> None:
    sealer.seal(ctx)


def _purge_log(ctx: Context) -> None:
    sealer.purge(ctx, 10)


def _claim(ctx: Context) -> None:
    outbox.claim(ctx, ("backchannel_logout",), limit=8)


def _due(ctx: Context) -> None:
    outbox.has_due(ctx.db.connection(), ("backchannel_logout",), ctx.now)


def _work(ctx: Context) -> None:
    sealer.has_work(ctx.db.connection())


def _purge_outbox(ctx: Context) -> None:
    outbox.purge(ctx, 10)


@pytest.mark.parametrize("step", [_seal, _purge_log, _claim, _due, _work, _purge_outbox])
def test_no_step_reads_a_whole_table(services: Services, step: Step) -> None:
    """F11"""
    with unit_of_work(services, origin=Origin(ip="203.0.113.7")) as ctx:
        record(ctx, Event.SIGN_IN_FAILED, personal={"typed": "x"})
        outbox.enqueue(ctx, "backchannel_logout", "https://portal.example/", {}, expires_at=NOW)
    with selects(services.database) as found, unit_of_work(services) as ctx:
        step(ctx)
    plans = [plan(services, statement, parameters) for statement, parameters in found if statement]
    assert plans
    assert [text for text in plans if scanned(text, TABLES)] == []


def test_a_whole_table_is_recognised(services: Services) -> None:
    """The check above can fail."""
    text = plan(services, "SELECT id FROM outbox WHERE last_error = 'x'", ())
    assert scanned(text, TABLES) == {"outbox"}


#: what goes one row at a time, if at all, by an operator's hand
_BY_HAND = ("client", "permission", "legacy_directory")
_ENGINES = ("sqlite", "postgresql")
_UNIQUE = (PrimaryKeyConstraint, UniqueConstraint)


def _leads_an_index(key: ForeignKey) -> bool:
    """Tell whether an index over all rows begins with the column."""
    table = key.parent.table
    ordered = [constraint.columns for constraint in table.constraints if isinstance(constraint, _UNIQUE)]
    ordered += [
        index.columns
        for index in table.indexes
        if all(index.dialect_options[engine]["where"] is None for engine in _ENGINES)
    ]
    return any(key.parent is next(iter(columns)) for columns in ordered if columns)


def test_what_goes_with_a_row_is_found_by_an_index() -> None:
    """A row that is purged takes others along, or is forgotten by them: each is found by an index (F11)."""
    keys = [key for table in metadata.tables.values() for key in table.foreign_keys]
    followed = [key for key in keys if key.ondelete and key.column.table.name not in _BY_HAND]
    assert {key.ondelete for key in followed} == {"CASCADE", "SET NULL"}
    assert [str(key.parent) for key in followed if not _leads_an_index(key)] == []
