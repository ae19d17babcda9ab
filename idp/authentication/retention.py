"""Removing sessions that ended long ago (req 111)."""

from datetime import timedelta

from sqlalchemy import or_

from idp.authentication.models import Session
from idp.context import Context
from idp.db import delete_batch


def purge(ctx: Context, limit: int) -> int:
    """Remove up to *limit* sessions with their events."""
    before = ctx.now - timedelta(days=ctx.settings.retention.ended_session_days)
    return delete_batch(ctx.db, Session, or_(Session.expires_at < before, Session.ended_at < before), limit)
