"""Security questions of old portals: answers are not kept, their people make a recovery password (req 50).

The page that makes one asks :func:`recovery_due` at sign-in and says :func:`recovery_made` after it.
"""

from sqlalchemy import select, update

from idp.accounts.legacy.models import LegacyLink
from idp.context import Context


def recovery_due(ctx: Context, account_id: str) -> bool:
    """Tell whether a person linked an account with a security question and has no recovery password since."""
    due = select(LegacyLink.id).where(
        LegacyLink.account_id == account_id,
        LegacyLink.recovery_due.is_(True),
        LegacyLink.undone_at.is_(None),
    )
    return ctx.db.scalar(due.limit(1)) is not None


def recovery_made(ctx: Context, account_id: str) -> None:
    """Note that the person has made a recovery password."""
    ctx.db.execute(
        update(LegacyLink)
        .where(LegacyLink.account_id == account_id, LegacyLink.recovery_due.is_(True))
        .values(recovery_due=False),
        execution_options={"synchronize_session": False},
    )
