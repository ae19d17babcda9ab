"""Removing authorizations, tokens and requests whose time is long over (req 111)."""

from datetime import timedelta

from sqlalchemy import exists, select

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

    A refresh token stays as long as its family, so that its reuse is seen for as long as that does harm
    (req 21, RFC 9700 §4.14.2); families may be large, so they go before what they belong to.
    """
    before = ctx.now - timedelta(days=ctx.settings.retention.expired_token_days)
    # what was presented or pushed, and opaque tokens, say nothing once their time is over, and name people
    at_once = (UsedJti, PushedRequest, AccessToken)
    removed = sum(delete_batch(ctx.db, table, table.expires_at < ctx.now, limit) for table in at_once)
    for table in (RevokedJti, DeviceRequest):
        removed += delete_batch(ctx.db, table, table.expires_at < before, limit)
    over = select(Authorization.id).where(Authorization.expires_at < before)
    removed += delete_batch(ctx.db, RefreshToken, RefreshToken.authorization_id.in_(over), limit)
    alone = ~exists().where(RefreshToken.authorization_id == Authorization.id)
    return removed + delete_batch(ctx.db, Authorization, (Authorization.expires_at < before) & alone, limit)
