"""The recovery password: drawn here, its person keeps it, we its hash (Amt24 step 1; req 54-59, 70).

It sets a new password where the old one is forgotten, once.  Its signs are such that none reads like another,
so it can be copied by hand; case, blanks and hyphens do not matter when it is typed.
"""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, bindparam, delete, select

from idp.accounts import identifiers
from idp.accounts.identifiers import SignInFacts
from idp.accounts.models import ACTIVE
from idp.authentication.models import RecoveryPassword
from idp.context import Context
from idp.crypto import same, sha256
from idp.prepared import Prepared

#: without 0 O, 1 I L, 2 Z, 5 S, 8 B, U V: of each such pair neither
ALPHABET: Final = "34679ACDEFGHJKMNPQRTWXY"
GROUPS: Final = 6
GROUP_SIZE: Final = 5
"""Thirty signs of 23: 135 bits."""

_NOBODY: Final = "-"
_HASH = Prepared(select(RecoveryPassword.hash).where(RecoveryPassword.account_id == bindparam("account_id")))


@dataclass(frozen=True, slots=True, repr=False)
class Candidate:
    """Whom a typed name may mean."""

    account: SignInFacts | None
    hash: bytes


def draw() -> str:
    """Return a new recovery password, in groups; it is stored nowhere yet."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_SIZE)) for _ in range(GROUPS))
    return "-".join(groups)


def plain(typed: str) -> str:
    """Return a recovery password as it is compared: capitals without blanks and hyphens."""
    folded = unicodedata.normalize("NFKC", typed).upper()
    return "".join(sign for sign in folded if not (sign.isspace() or unicodedata.category(sign) == "Pd"))


def created_at(ctx: Context, account_id: str) -> datetime | None:
    """Return since when an account has a recovery password, None without one."""
    return ctx.db.scalar(select(RecoveryPassword.created_at).where(RecoveryPassword.account_id == account_id))


def replace(ctx: Context, account_id: str, text: str) -> bool:
    """Keep the hash of a recovery password in the place of the one before; returns whether there was one."""
    replaced = remove(ctx, account_id)
    ctx.db.add(RecoveryPassword(account_id=account_id, hash=sha256(plain(text)), created_at=ctx.now))
    ctx.db.flush()
    return replaced


def look_up(ctx: Context, typed: str) -> Candidate:
    """Find whom a typed user name or e-mail address may mean; the statements are the same for nobody."""
    account = identifiers.find_account(ctx, typed)
    key = account.id if account else _NOBODY
    found = _HASH.first(ctx.db, account_id=key)
    usable = account is not None and account.status == ACTIVE
    return Candidate(
        account=account,
        # nobody has it: what is compared has its length
        hash=found[0] if found and usable else sha256(secrets.token_hex()),
    )


def fits(candidate: Candidate, typed: str) -> bool:
    """Tell whether a recovery password is the candidate's; nothing is used up."""
    return same(candidate.hash, sha256(plain(typed)))


def is_current(ctx: Context, account_id: str, hash_: bytes) -> bool:
    """Tell whether the account still has this recovery password."""
    found = _HASH.first(ctx.db, account_id=account_id)
    return found is not None and same(found[0], hash_)


def consume(ctx: Context, account_id: str, hash_: bytes) -> bool:
    """Use a recovery password up; False where it is gone or replaced, as for all but one who try (req 22)."""
    return remove(ctx, account_id, RecoveryPassword.hash == hash_)


def remove(ctx: Context, account_id: str, *more: ColumnElement[bool]) -> bool:
    """Remove the recovery password of an account, where *more* holds; returns whether it did."""
    gone = ctx.db.execute(
        delete(RecoveryPassword)
        .where(RecoveryPassword.account_id == account_id, *more)
        .returning(RecoveryPassword.account_id),
        execution_options={"synchronize_session": False},
    )
    return gone.first() is not None
