"""Codes of six digits that go to an address or a number (NIST SP 800-63B-4 §3.1.3.2; req 65).

A code belongs to one flow, and with it to one browser and to the address the flow holds.  A new one voids the
old.  A try is counted before the code is looked at, so that parallel guesses do not share one.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update

from idp.context import Context
from idp.crypto import same
from idp.db import new_id
from idp.errors import Refusal
from idp.flows.models import Flow, OneTimeSecret
from idp.prepared import insert_rows

DIGITS: Final = 6
LIFETIME: Final = timedelta(minutes=10)
TRIES: Final = 5
PAUSE: Final = timedelta(seconds=60)
"""How long to wait before another one is sent."""

_BULK: Final = {"synchronize_session": False}


def issue(ctx: Context, purpose: str, flow: Flow) -> tuple[str, datetime]:
    """Return a new code, the only time it exists in clear, and until when it counts; older ones are void.

    :raises Refusal: ``code.too_soon`` (``until``) where the last one went out less than a minute ago.
    """
    last = sent_at(ctx, purpose, flow)
    if last is not None and ctx.now < last + PAUSE:
        raise Refusal("code.too_soon", until=last + PAUSE)
    ctx.db.execute(
        update(OneTimeSecret)
        .where(
            OneTimeSecret.target == flow.id,
            OneTimeSecret.purpose == purpose,
            OneTimeSecret.used_at.is_(None),
        )
        .values(used_at=ctx.now),
        execution_options=_BULK,
    )
    key, code = new_id(), f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    row = {
        "id": key,
        "purpose": purpose,
        "hash": _hash(ctx, key, code),
        "target": flow.id,
        "flow_id": flow.id,
        "created_at": ctx.now,
        "expires_at": ctx.now + LIFETIME,
    }
    insert_rows(ctx.db, (OneTimeSecret, row))
    return code, ctx.now + LIFETIME


def sent_at(ctx: Context, purpose: str, flow: Flow) -> datetime | None:
    """Return when the flow's last code was made, None where there was none."""
    made = select(OneTimeSecret.created_at).where(
        OneTimeSecret.target == flow.id, OneTimeSecret.purpose == purpose
    )
    return ctx.db.scalar(made.order_by(OneTimeSecret.created_at.desc(), OneTimeSecret.id.desc()).limit(1))


def is_used_up(ctx: Context, purpose: str, flow: Flow) -> bool:
    """Tell whether the flow's last code had all its tries, so that only another one helps."""
    made = select(OneTimeSecret.attempts, OneTimeSecret.used_at).where(
        OneTimeSecret.target == flow.id, OneTimeSecret.purpose == purpose
    )
    last = ctx.db.execute(
        made.order_by(OneTimeSecret.created_at.desc(), OneTimeSecret.id.desc()).limit(1)
    ).first()
    return last is not None and last.used_at is None and last.attempts >= TRIES


def redeem(ctx: Context, purpose: str, flow: Flow, typed: str) -> None:
    """Use the flow's code up; the caller commits also after a refusal, for the try is counted.

    :raises Refusal: ``code.wrong`` (``remaining``), ``code.used_up`` after five wrong ones,
        ``code.expired`` where no code counts any more.
    """
    live = (
        OneTimeSecret.target == flow.id,
        OneTimeSecret.purpose == purpose,
        OneTimeSecret.used_at.is_(None),
        OneTimeSecret.expires_at > ctx.now,
    )
    counted = ctx.db.execute(
        update(OneTimeSecret)
        .where(*live, OneTimeSecret.attempts < TRIES)
        .values(attempts=OneTimeSecret.attempts + 1)
        .returning(OneTimeSecret.id, OneTimeSecret.hash, OneTimeSecret.attempts),
        execution_options=_BULK,
    ).first()
    if counted is None:
        used_up = ctx.db.scalar(select(OneTimeSecret.id).where(*live).limit(1))
        raise Refusal("code.used_up" if used_up else "code.expired")
    key, stored, attempts = counted
    if not same(stored, _hash(ctx, key, typed)):
        remaining = TRIES - attempts
        raise Refusal("code.wrong", remaining=remaining) if remaining else Refusal("code.used_up")
    # the row is held since its try was counted
    ctx.db.execute(
        update(OneTimeSecret).where(OneTimeSecret.id == key).values(used_at=ctx.now),
        execution_options=_BULK,
    )


def _hash(ctx: Context, key: str, code: str) -> bytes:
    """Return what is stored: keyed, for six digits are guessed in no time from a plain hash."""
    return ctx.vault.keyed_hash("mailed code", f"{key}:{code}")
