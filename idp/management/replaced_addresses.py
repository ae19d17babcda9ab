"""Old addresses that can still take their account back (K-12; docs/decisions/0048; req 69, 72)."""

from datetime import datetime
from typing import Final

from sqlalchemy import exists, select

from idp.context import Context
from idp.flows import engine
from idp.flows.models import Flow, OneTimeSecret

UNDO: Final = "address_undo"


def texts(ctx: Context, account_id: str) -> list[str]:
    """Return the addresses that an account had and that hold a link which still works, the oldest first."""
    kept = (engine.get(ctx, flow) for flow in _open(ctx, account_id))
    return [str(address) for found in kept if found for address in found["addresses"]]


def last_until(ctx: Context, account_id: str) -> datetime | None:
    """Return until when an old address can take the account back, None where none can."""
    return max((flow.expires_at for flow in _open(ctx, account_id)), default=None)


def _open(ctx: Context, account_id: str) -> list[Flow]:
    works = exists().where(
        OneTimeSecret.flow_id == Flow.id, OneTimeSecret.purpose == UNDO, OneTimeSecret.used_at.is_(None)
    )
    mine = (
        select(Flow)
        .where(
            Flow.account_id == account_id,
            Flow.purpose == engine.ADDRESS_UNDO,
            Flow.finished_at.is_(None),
            Flow.expires_at > ctx.now,
            works,
        )
        .order_by(Flow.created_at, Flow.id)
    )
    return list(ctx.db.scalars(mine))
