"""The directory whose accounts were imported: look up, compute the old form's digest, compare (req 59, 90).

Whoever asks for a name that does not exist waits as long as for one that does: such a name is given, by a
keyed hash, one of the forms that the directory's accounts have, as often as they have it.  Each check costs
one digest of the form, and one Argon2id where the form is weak, whether it is wrapped already or not.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import ColumnElement, LargeBinary, bindparam, or_, select

from idp.accounts.legacy.directory import (
    LONGEST_PASSWORD,
    Directory,
    LegacyIdentity,
    email_lookup,
    lookup,
    reading,
)
from idp.accounts.legacy.hash_formats import decoy, is_strong
from idp.accounts.legacy.models import LegacyAccount
from idp.context import Context
from idp.crypto import SealBroken, same
from idp.logging import get_logger

_TABLE: Final = LegacyAccount.__tablename__
_UNIMPORTED: Final = {"md5(password)": 1}
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Hash:
    """What is known of a password: a digest, or what Argon2id made of it; neither matches anything."""

    config: str
    digest: str | None = None
    argon2: str | None = None


class ImportedTable:
    """Checks credentials of one directory against the imported accounts."""

    def __init__(self, ctx: Context, directory: Directory) -> None:
        self._ctx = ctx
        self._directory = directory

    def verify(self, username: str, password: str) -> LegacyIdentity | None:
        """Return whose credentials these are, or None; raises Busy.

        A name with an ``@`` may also be the address of exactly one account.
        """
        key = lookup(self._ctx, self._directory.id, username)
        row = _find(self._ctx, self._directory, username)
        hash_ = self._hash_of(row) or _Hash(decoy(self._form_for(key)))
        too_long = len(password) > LONGEST_PASSWORD
        right = self._matches(hash_, "" if too_long else password)
        if row is None or not right or too_long:
            return None
        return self._identity(row)

    def _hash_of(self, row: LegacyAccount | None) -> _Hash | None:
        """Return what is stored; None where nothing is, or where it cannot be read any more."""
        if row is None or row.hash is None:
            return None
        try:
            return _Hash(**self._ctx.vault.open_json(row.hash, table=_TABLE, row=row.id))
        except (SealBroken, ValueError, TypeError):
            _log.error("an imported hash cannot be read", legacy_account=row.id)
            return None

    def _form_for(self, key: bytes) -> str:
        """Return the form that a name which has none is taken to have: always the same for one name."""
        seen = {form: count for form, count in self._directory.hash_formats.items() if count > 0}
        forms = sorted(seen or _UNIMPORTED)
        bounds = list(accumulate((seen or _UNIMPORTED)[form] for form in forms))
        drawn = self._ctx.vault.keyed_hash("legacy.decoy", key.hex())
        return forms[bisect_right(bounds, int.from_bytes(drawn[:8], "big") % bounds[-1])]

    def _matches(self, hash_: _Hash, password: str) -> bool:
        passwords = self._ctx.passwords
        found = passwords.imported_digest(hash_.config, password)
        if hash_.argon2 is not None:
            return passwords.verify(hash_.argon2, found).valid
        if not is_strong(hash_.config.partition("|")[0]):
            passwords.verify_nothing(found)
        return hash_.digest is not None and same(found.encode(), hash_.digest.encode())

    def _identity(self, row: LegacyAccount) -> LegacyIdentity | None:
        try:
            personal = open_personal(self._ctx, row)
        except (SealBroken, ValueError):
            _log.error("an imported account cannot be read", legacy_account=row.id)
            return None
        return LegacyIdentity(
            directory_id=row.directory_id,
            account_id=row.id,
            revision=row.revision,
            linked=row.linked_at is not None,
            permissions=tuple(row.permissions),
            security_question=row.security_question,
            **personal,
        )


def open_personal(ctx: Context, row: LegacyAccount) -> dict[str, Any]:
    """Return what an imported account says of a person, by field names; raises SealBroken."""
    personal: dict[str, Any] = ctx.vault.open_json(row.personal, table=_TABLE, row=row.id)
    return personal


def personal_of(ctx: Context, row: LegacyAccount) -> dict[str, Any]:
    """Return the same, nothing where it cannot be read any more."""
    try:
        return open_personal(ctx, row)
    except (SealBroken, ValueError):
        return {}


def whose(ctx: Context, directory: Directory, username: str) -> tuple[str | None, bytes | None]:
    """Return the row that a typed name means, and the hash of its address; nothing where it means none."""
    row = _find(ctx, directory, username)
    return (None, None) if row is None else (row.id, row.email_lookup)


def _find(ctx: Context, directory: Directory, username: str) -> LegacyAccount | None:
    key = lookup(ctx, directory.id, username)
    mail = email_lookup(ctx, username) if "@" in username else None
    # a parameter, so that without an address it reads "= NULL", which nothing is, and not "IS NULL"
    address = bindparam("address", mail, type_=LargeBinary)
    either: ColumnElement[bool] = or_(LegacyAccount.lookup == key, LegacyAccount.email_lookup == address)
    found = select(LegacyAccount).where(LegacyAccount.directory_id == directory.id, either).limit(3)
    with reading(ctx) as db:
        rows = list(db.scalars(found))
    named = [row for row in rows if row.lookup == key]
    if named:
        return named[0]
    return rows[0] if len(rows) == 1 else None
