"""A deletion that its owner planned: until it is due, the account can come back (req 109)."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, select

from idp.accounts.models import ACTIVE, DELETED, Account
from idp.context import Context
from idp.prepared import Prepared

UNDO: Final = timedelta(days=14)
"""How long a deletion can be undone (design §2, Lifetimes)."""


class Planned(NamedTuple):
    """When the data goes, and what the account would be again."""

    due: datetime
    restore_status: str


_PLANNED = Prepared(
    select(Account.deletion_due_at, Account.restore_status).where(
        Account.id == bindparam("key"),
        Account.status == DELETED,
        Account.erased_at.is_(None),
        Account.restore_status.is_not(None),
        Account.deletion_due_at > bindparam("now"),
    )
)


def planned(ctx: Context, account_id: str) -> Planned | None:
    """Return the plan of an account, None where there is none, it is due, or an operator deleted it."""
    found = _PLANNED.first(ctx.db, key=account_id, now=ctx.now)
    return None if found is None else Planned(*found)


def can_be_undone(plan: Planned | None) -> bool:
    """Tell whether the owner may undo it: not while the account is blocked beside."""
    return plan is not None and plan.restore_status == ACTIVE
