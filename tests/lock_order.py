"""Who waits for an account holds nothing yet that others take while they hold the account (I8)."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Select

from idp.accounts.models import Account
from idp.context import Context, Services
from tests.installation import unit_of_work
from tests.lock_waits import wait_until_it_waits


def check_held_first(
    services: Services, account_id: str, act: Callable[[Context], Any], others: Iterable[Select[Any]]
) -> str:
    """Check that *act* waits for the account, and that the rows of *others* are free meanwhile.

    SQLite has one writer: there it waits for nobody, and just runs.

    :return: how it ended: "done", or its error.
    """
    if services.database.dialect == "sqlite":
        return _outcome(services, act)
    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.append(_outcome(services, act)))
    with unit_of_work(services) as ctx:
        ctx.db.get_one(Account, account_id, with_for_update=True)
        thread.start()
        wait_until_it_waits(services, outcome)
        assert outcome == []
        for rows in others:
            assert ctx.db.scalars(rows.with_for_update(nowait=True)).all()
    thread.join()
    [ended] = outcome
    return ended


def _outcome(services: Services, act: Callable[[Context], Any]) -> str:
    try:
        with unit_of_work(services) as ctx:
            act(ctx)
    except Exception as error:
        return repr(error)
    return "done"
