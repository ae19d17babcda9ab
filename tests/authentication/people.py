"""People for the tests below the web."""

from idp.accounts.models import Account
from idp.context import Context
from idp.crypto import random_token
from idp.db import new_id


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
