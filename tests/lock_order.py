"""Who waits for an account holds nothing yet that others take while they hold the account (I8)."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Select

from idp.accounts.models import Account
from idp.context import Context, Services
from tests.installation import unit_of_work
from tests.management.test_blocking_races import wait_until_it_waits


def check_held_first(
    services: Services, account_id: str, act: Callable[[Context], Any], others: Iterable[Select[Any]]
) -> None:
    """Check that *act* waits for the account, that the rows of *others* are free meanwhile, and that it ends.

    SQLite has one writer: nothing to see there.
    """
    if services.database.dialect == "sqlite":
        return
    outcome: list[str] = []

    def run() -> None:
        try:
            with unit_of_work(services) as ctx:
                act(ctx)
            outcome.append("done")
        except Exception as error:
            outcome.append(repr(error))

    thread = threading.Thread(target=run)
    with unit_of_work(services) as ctx:
        ctx.db.get_one(Account, account_id, with_for_update=True)
        thread.start()
        wait_until_it_waits(services, outcome)
        assert outcome == []
        for rows in others:
            assert ctx.db.scalars(rows.with_for_update(nowait=True)).all()
    thread.join()
    assert outcome == ["done"]
