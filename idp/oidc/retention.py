"""Removing authorizations, tokens and requests whose time is long over (req 111)."""

from datetime import timedelta

from idp.context import Context
from idp.db import delete_batch
from idp.oidc.models import (
    AccessToken,
    Authorization,
    DeviceRequest,
    PushedRequest,
    RefreshToken,
    RevokedJti,
    UsedJti,
)


def purge(ctx: Context, limit: int) -> int:
    """Remove up to *limit* rows of each table.

    A used refresh token stays as long as its family could be used, so that its reuse is seen (req 21).
    """
    before = ctx.now - timedelta(days=ctx.settings.retention.expired_token_days)
    tables = (RevokedJti, DeviceRequest, RefreshToken, Authorization)
    # what was presented or pushed, and opaque tokens, say nothing once their time is over, and name people
    at_once = (UsedJti, PushedRequest, AccessToken)
    removed = sum(delete_batch(ctx.db, table, table.expires_at < ctx.now, limit) for table in at_once)
    return removed + sum(delete_batch(ctx.db, table, table.expires_at < before, limit) for table in tables)
