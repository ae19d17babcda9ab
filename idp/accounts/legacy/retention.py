"""What is kept of old accounts: the hash of a linked one only as long as the link can be undone."""

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
