"""Removing flows and one-time secrets whose time is long over (req 111)."""

from datetime import timedelta

from idp.context import Context
from idp.db import delete_batch
from idp.flows.models import Flow, OneTimeSecret


def purge(ctx: Context, limit: int) -> int:
    """Remove up to *limit* rows of each; a used secret stays a while: its reuse is seen (req 6)."""
    flows = ctx.now - timedelta(days=ctx.settings.retention.finished_flow_days)
    secrets = ctx.now - timedelta(days=ctx.settings.retention.expired_token_days)
    return delete_batch(ctx.db, OneTimeSecret, OneTimeSecret.expires_at < secrets, limit) + delete_batch(
        ctx.db, Flow, Flow.expires_at < flows, limit
    )
