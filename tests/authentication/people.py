"""People for the tests below the web."""

from idp.accounts.models import Account
from idp.authentication import sessions
from idp.context import Context, Services
from idp.crypto import random_token
from idp.db import new_id
from tests.installation import unit_of_work

PASSWORD, APP = ("pwd", None), ("otp", None)


def add_account(ctx: Context, *, status: str = "active", password_hash: str | None = None) -> Account:
    """Add an account without a name."""
    account = Account(
        id=new_id(),
        sub=random_token(),
        status=status,
        epoch=1,
        password_hash=password_hash,
        created_at=ctx.now,
        updated_at=ctx.now,
    )
    ctx.db.add(account)
    ctx.db.flush()
    return account


def begin(services: Services, *methods: tuple[str, str | None]) -> tuple[str, str]:
    """Begin a session; returns the cookie's value and the account's id."""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        _, value, _ = sessions.start(ctx, account, methods=methods or [PASSWORD])
        return value, account.id
