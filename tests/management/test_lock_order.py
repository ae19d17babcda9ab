"""The account is held before a link is used up, and of many accounts the smaller id first (I8)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.accounts.models import DELETED, Account
from idp.context import Context, Services
from idp.delivery.models import OutboxMessage
from idp.flows.models import OneTimeSecret
from idp.management import account_deletion, address_change, password_reset
from tests import cast
from tests.builders import make_account
from tests.installation import NOW, unit_of_work
from tests.lock_order import check_held_first

BROWSER = b"b" * 32


@pytest.fixture
def anna(services: Services) -> str:
    with unit_of_work(services) as ctx:
        return cast.person(ctx, "anna")


def token(ctx: Context, name: str) -> str:
    """Return the secret of the link in the one mail of a kind."""
    ctx.db.flush()
    rows = ctx.db.scalars(select(OutboxMessage).where(OutboxMessage.kind == "mail"))
    payloads = [ctx.vault.open_json(row.payload or b"", table="outbox", row=row.id) for row in rows]
    [found] = [payload["facts"] for payload in payloads if payload["mail"] == name]
    return str(found["link"]).partition("token=")[2]


def _reset(ctx: Context, _account_id: str) -> Callable[[Context], Any]:
    password_reset.begin(ctx, "anna@muster.example", then=None, browser_hash=BROWSER)
    secret = token(ctx, "reset_password")
    return lambda ctx: password_reset.accept(ctx, secret, "hash", then=None, browser_hash=BROWSER)


def _change(ctx: Context, account_id: str) -> Callable[[Context], Any]:
    address_change.begin(ctx, account_id, "anna@neu.example", browser_hash=BROWSER)
    secret = token(ctx, "verify_address")
    return lambda ctx: address_change.confirm_by_link(ctx, secret)


def _undo(ctx: Context, account_id: str) -> Callable[[Context], Any]:
    _change(ctx, account_id)(ctx)
    secret = token(ctx, "address_replaced")
    return lambda ctx: address_change.undo(ctx, secret)


@pytest.mark.parametrize("prepare", [_reset, _change, _undo])
def test_the_account_is_held_before_the_link(
    services: Services, anna: str, prepare: Callable[[Context, str], Callable[[Context], Any]]
) -> None:
    """Else it waits for who voids the account's links, who waits for this link."""
    with unit_of_work(services) as ctx:
        act = prepare(ctx, anna)
    assert check_held_first(services, anna, act, [select(OneTimeSecret.id)]) == "done"


def test_due_accounts_are_held_in_the_order_of_their_ids(services: Services) -> None:
    """As by all who hold many, whichever of them was due first."""
    with unit_of_work(services) as ctx:
        first, second = sorted([make_account(ctx, "anna"), make_account(ctx, "ben")])
        ctx.db.flush()
        for account_id, days in ((first, 1), (second, 2)):
            due = {"status": DELETED, "deletion_due_at": NOW - timedelta(days=days)}
            ctx.db.execute(update(Account).where(Account.id == account_id).values(due))
    others = [select(Account.id).where(Account.id == second)]

    ended = check_held_first(services, first, lambda ctx: account_deletion.erase_due(ctx, 2), others)

    assert ended == "done"
