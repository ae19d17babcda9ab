"""Many accounts whose time to undo is over: the worker goes on until none is left (req 109)."""

from datetime import timedelta

from sqlalchemy import func, select, update

from idp.accounts.models import DELETED, Account
from idp.app import build_duties
from idp.db import Database
from idp.management.account_deletion import AT_A_TIME
from idp.settings import Settings
from idp.worker import Worker
from tests.builders import make_account
from tests.installation import NOW, make_services, unit_of_work


def test_the_worker_goes_on_while_any_is_due(settings: Settings, database: Database) -> None:
    """A few at a time, each in a transaction of its own, and not once a minute."""
    services = make_services(settings, database)
    with unit_of_work(services) as ctx:
        for number in range(AT_A_TIME + 1):
            make_account(ctx, f"anna{number}")
        due = NOW - timedelta(seconds=1)
        ctx.db.flush()
        ctx.db.execute(update(Account).values(status=DELETED, deletion_due_at=due))
    worker = Worker(services, build_duties(services))
    assert [worker.purge("accounts", NOW), worker.purge("accounts", NOW)] == [True, False]
    worker.close()
    with unit_of_work(services) as ctx:
        waiting = select(func.count()).select_from(Account).where(Account.erased_at.is_(None))
        assert ctx.db.scalar(waiting) == 0
