"""Removing authorizations and tokens whose time is long over (req 111)."""

from datetime import timedelta

from idp.context import Context
from idp.db import delete_batch
from idp.oidc.models import Authorization, RefreshToken, RevokedJti


def purge(ctx: Context, limit: int) -> int:
    """Remove up to *limit* rows of each table.

    A used refresh token stays as long as its family could be used, so that its reuse is seen (req 21).
    """
    before = ctx.now - timedelta(days=ctx.settings.retention.expired_token_days)
    removed = delete_batch(ctx.db, RevokedJti, RevokedJti.expires_at < before, limit)
    removed += delete_batch(ctx.db, RefreshToken, RefreshToken.expires_at < before, limit)
    return removed + delete_batch(ctx.db, Authorization, Authorization.expires_at < before, limit)
