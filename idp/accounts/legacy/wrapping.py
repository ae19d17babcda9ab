"""Weak imported hashes disappear inside Argon2id: the job of ``idp legacy wrap`` and of the worker (req 52).

What is hashed is the digest that the old form made; its configuration stays, so a typed password goes through
both.  The bare digest is replaced in the same statement, and only where it is still what was read: the job
may run twice, be stopped anywhere, and meet an import.  Hashing happens outside transactions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import bindparam, func, select, update

from idp.accounts.legacy.models import BROKEN, WEAK, WRAPPED, LegacyAccount
from idp.context import Context
from idp.crypto import PasswordHasher, SealBroken
from idp.logging import get_logger

_TABLE: Final = LegacyAccount.__tablename__
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bare:
    """A weak hash as it was read."""

    id: str
    sealed: bytes = field(repr=False)
    config: str = field(default="", repr=False)
    #: None: it cannot be read any more
    digest: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What takes its place."""

    bare: Bare
    argon2: str | None = field(repr=False)


def weak(ctx: Context, *, limit: int, after: str = "") -> list[Bare]:
    """Return weak hashes that wait, in the order of their ids, from an index of only those."""
    waiting = (
        select(LegacyAccount.id, LegacyAccount.hash)
        .where(LegacyAccount.hash_state == WEAK, LegacyAccount.hash.is_not(None), LegacyAccount.id > after)
        .order_by(LegacyAccount.id)
        .limit(limit)
    )
    return [_opened(ctx, row_id, sealed or b"") for row_id, sealed in ctx.db.execute(waiting)]


def remaining(ctx: Context) -> int:
    """Return how many weak hashes wait."""
    waiting = select(func.count()).select_from(LegacyAccount)
    return (
        ctx.db.scalar(waiting.where(LegacyAccount.hash_state == WEAK, LegacyAccount.hash.is_not(None))) or 0
    )


def wrap(passwords: PasswordHasher, bare: Bare) -> Wrapped:
    """Hash one digest; needs no database. Raises Busy."""
    return Wrapped(bare, None if bare.digest is None else passwords.hash(bare.digest))


def replace(ctx: Context, wrapped: Sequence[Wrapped]) -> int:
    """Put wrapped hashes in the place of the bare ones and return how many were still there."""
    table = LegacyAccount.metadata.tables[_TABLE]
    swap = (
        update(table)
        .where(table.c.id == bindparam("row_id"), table.c.hash == bindparam("bare"))
        .values(hash=bindparam("fresh"), hash_state=bindparam("state"))
        .returning(table.c.id)
    )
    done = 0
    for one in wrapped:
        found = ctx.db.execute(swap, {"row_id": one.bare.id, "bare": one.bare.sealed, **_fresh(ctx, one)})
        done += len(found.all())
    return done


def _fresh(ctx: Context, wrapped: Wrapped) -> dict[str, Any]:
    if wrapped.argon2 is None:
        _log.error("an imported hash cannot be read", legacy_account=wrapped.bare.id)
        return {"fresh": wrapped.bare.sealed, "state": BROKEN}
    value = {"config": wrapped.bare.config, "argon2": wrapped.argon2}
    return {"fresh": ctx.vault.seal_json(value, table=_TABLE, row=wrapped.bare.id), "state": WRAPPED}


def _opened(ctx: Context, row_id: str, sealed: bytes) -> Bare:
    try:
        value = ctx.vault.open_json(sealed, table=_TABLE, row=row_id)
        return Bare(row_id, sealed, value["config"], value["digest"])
    except (SealBroken, ValueError, LookupError, TypeError):
        return Bare(row_id, sealed)
