"""What is kept of old accounts: the hash of a linked one only as long as the link can be undone."""

from typing import Any

from sqlalchemy import select, update

from idp.accounts.legacy.models import UNDO, LegacyAccount
from idp.context import Context


def purge(ctx: Context, limit: int) -> int:
    """Forget up to *limit* hashes of accounts that stay linked for good."""
    table = LegacyAccount.metadata.tables[LegacyAccount.__tablename__]
    dead = (
        select(table.c.id)
        .where(table.c.linked_at.is_not(None), table.c.hash.is_not(None), table.c.linked_at < ctx.now - UNDO)
        .limit(limit)
    )
    gone = update(table).where(table.c.id.in_(dead)).values(hash=None, hash_state=None, hash_format=None)
    return len(ctx.db.execute(gone.returning(table.c.id)).all())


def forget_owned(ctx: Context, account_id: str) -> int:
    """Forget what the old accounts of an erased person say; that they were linked stays (req 38, 109)."""
    table = LegacyAccount.metadata.tables[LegacyAccount.__tablename__]
    owned = list(ctx.db.scalars(select(table.c.id).where(table.c.owner_id == account_id)))
    for row_id in owned:
        values: dict[str, Any] = {
            "personal": ctx.vault.seal_json({}, table=table.name, row=row_id),
            "email_lookup": None,
            "hash": None,
            "hash_format": None,
            "hash_state": None,
            "permissions": [],
        }
        ctx.db.execute(update(table).where(table.c.id == row_id).values(values))
    return len(owned)
