"""Codes and links that work once, in one typed table (security reference, A1, D2; req 22).

What a person or client presents is stored as its SHA-256; the purpose is part of the key, so that a value
made for one purpose opens nothing else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from idp.context import Context
from idp.crypto import random_token, sha256
from idp.db import Base, new_id
from idp.flows.models import OneTimeSecret
from idp.prepared import insert_rows


@dataclass(frozen=True, slots=True)
class OneTimeSecretFacts:
    """A secret as it was found: what it opens, and when it was made and used."""

    id: str
    target: str
    flow_id: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


_COLUMNS = (
    OneTimeSecret.id,
    OneTimeSecret.target,
    OneTimeSecret.flow_id,
    OneTimeSecret.created_at,
    OneTimeSecret.expires_at,
    OneTimeSecret.used_at,
)


def make(
    ctx: Context, purpose: str, *, target: str, lifetime: timedelta, flow_id: str | None = None
) -> tuple[str, tuple[type[Base], dict[str, Any]]]:
    """Return a new secret of 256 bit, the only time it exists in clear, and its row, yet to be inserted.

    :param target: what it opens, at most 64 characters.
    """
    token = random_token()
    row = {
        "id": new_id(),
        "purpose": purpose,
        "hash": sha256(token),
        "target": target,
        "flow_id": flow_id,
        "created_at": ctx.now,
        "expires_at": ctx.now + lifetime,
    }
    return token, (OneTimeSecret, row)


def create(
    ctx: Context, purpose: str, *, target: str, lifetime: timedelta, flow_id: str | None = None
) -> str:
    """Insert a new secret and return it; as :func:`make`."""
    token, row = make(ctx, purpose, target=target, lifetime=lifetime, flow_id=flow_id)
    insert_rows(ctx.db, row)
    return token


def consume(ctx: Context, purpose: str, token: str) -> OneTimeSecretFacts | None:
    """Use a secret up and return its facts; None when unknown, expired, of another purpose or used (A1)."""
    row = ctx.db.execute(
        update(OneTimeSecret)
        .where(
            OneTimeSecret.purpose == purpose,
            OneTimeSecret.hash == sha256(token),
            OneTimeSecret.used_at.is_(None),
            OneTimeSecret.expires_at > ctx.now,
        )
        .values(used_at=ctx.now)
        .returning(*_COLUMNS)
        .execution_options(synchronize_session=False)
    ).first()
    return OneTimeSecretFacts(*row) if row else None


def find_used(ctx: Context, purpose: str, token: str) -> OneTimeSecretFacts | None:
    """Return the facts of a secret that was used before: somebody presents it again."""
    row = ctx.db.execute(
        select(*_COLUMNS).where(
            OneTimeSecret.purpose == purpose,
            OneTimeSecret.hash == sha256(token),
            OneTimeSecret.used_at.is_not(None),
        )
    ).first()
    return OneTimeSecretFacts(*row) if row else None


def find(ctx: Context, purpose: str, token: str) -> OneTimeSecretFacts | None:
    """Return the facts of a secret, used or not, that has not expired; it stays as it is."""
    row = ctx.db.execute(
        select(*_COLUMNS).where(
            OneTimeSecret.purpose == purpose,
            OneTimeSecret.hash == sha256(token),
            OneTimeSecret.expires_at > ctx.now,
        )
    ).first()
    return OneTimeSecretFacts(*row) if row else None


def take_try(ctx: Context, purpose: str, token: str, *, at_most: int) -> bool:
    """Count a try at what a secret needs beside itself; False where it is used, expired or tried out."""
    counted = ctx.db.execute(
        update(OneTimeSecret)
        .where(
            OneTimeSecret.purpose == purpose,
            OneTimeSecret.hash == sha256(token),
            OneTimeSecret.used_at.is_(None),
            OneTimeSecret.expires_at > ctx.now,
            OneTimeSecret.attempts < at_most,
        )
        .values(attempts=OneTimeSecret.attempts + 1)
        .returning(OneTimeSecret.id)
        .execution_options(synchronize_session=False)
    ).first()
    return counted is not None
