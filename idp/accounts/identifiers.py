"""User names and e-mail addresses: how they are compared, stored and found (req 38, 88; RFC 8265 §3.3).

Addresses are sealed and found by a keyed hash, so the database alone does not tell whom it knows.
"""

import unicodedata
from typing import Final, NamedTuple

import idna
from sqlalchemy import Select, bindparam, delete, select, update

from idp.accounts.models import Account, Identifier
from idp.context import Context
from idp.db import is_id, new_id
from idp.errors import Refusal
from idp.prepared import Prepared

EMAIL: Final = "email"
PHONE: Final = "phone"
SIGN_IN: Final = "sign_in"

LONGEST_USERNAME: Final = 128
LONGEST_EMAIL: Final = 254


def username_key(typed: str) -> str:
    """Return a user name as it is compared: NFKC, case-folded, without blanks at its ends."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).casefold()).strip()


def email_key(typed: str) -> str:
    """Return an address as it is compared: case-folded, its domain in the ASCII form of DNS.

    Whatever is no address comes back folded, so that it can be looked for and is not found.
    """
    local, at, domain = typed.strip().rpartition("@")
    try:
        # IDNA 2008, as mail is sent by: straße.example and strasse.example are two domains
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        ascii_domain = username_key(domain)
    return f"{username_key(local)}{at}{ascii_domain}"


def sign_in_key(typed: str) -> str:
    """Return what a name typed at sign-in is compared and counted as, be it an address or a user name."""
    return email_key(typed) if "@" in typed else username_key(typed)


class SignInFacts(NamedTuple):
    """What a sign-in asks of an account."""

    id: str
    status: str
    epoch: int
    password_hash: str | None


_FACTS = select(*(getattr(Account, name) for name in SignInFacts._fields))
_BY_NAME = Prepared(_FACTS.where(Account.username_key == bindparam("key")))
_BY_EMAIL = Prepared(
    _FACTS.join(Identifier, Identifier.account_id == Account.id).where(
        Identifier.kind == EMAIL,
        Identifier.lookup == bindparam("lookup"),
        Identifier.purpose == SIGN_IN,
        Identifier.verified_at.is_not(None),
    )
)
_LOCKED = Prepared(_FACTS.where(Account.id == bindparam("key")).with_for_update())


def find_account(ctx: Context, typed: str) -> SignInFacts | None:
    """Return the account of a user name or a verified e-mail address, whatever its status, or None."""
    key = sign_in_key(typed)
    if not key or len(key) > LONGEST_EMAIL or "\0" in key:
        return None
    if "@" in key:
        found = _BY_EMAIL.first(ctx.db, lookup=lookup(ctx, EMAIL, key))
    else:
        found = _BY_NAME.first(ctx.db, key=key)
    return None if found is None else SignInFacts(*found)


def locked_account(ctx: Context, account_id: str) -> SignInFacts | None:
    """Return an account as it stands now, held until the transaction ends, or None."""
    found = _LOCKED.first(ctx.db, key=account_id)
    return None if found is None else SignInFacts(*found)


def proven(ctx: Context, kind: str, key: str) -> Identifier | None:
    """Return an address or number that somebody has proven to sign in with, or None."""
    found: Identifier | None = ctx.db.scalar(proven_query(ctx, kind, key))
    return found


def proven_query(ctx: Context, kind: str, key: str) -> Select[Identifier]:
    """Return the query for an address or number that somebody has proven to sign in with."""
    return select(Identifier).where(
        Identifier.kind == kind,
        Identifier.lookup == lookup(ctx, kind, key),
        Identifier.purpose == SIGN_IN,
        Identifier.verified_at.is_not(None),
    )


def username_refusal(ctx: Context, username: str, *, account_id: str = "") -> Refusal | None:
    """Return why an account, or a new one, cannot have a user name; None where it can.

    :returns: ``username.format`` (empty, too long, an ``@`` or a control sign); ``username.reserved`` where
        it looks like an account's id, by which operators find accounts too; ``username.taken``.
    """
    key = username_key(username)
    if not key or max(len(username), len(key)) > LONGEST_USERNAME or "@" in key or not key.isprintable():
        return Refusal("username.format")
    if is_id(key):
        return Refusal("username.reserved")
    other = ctx.db.scalar(select(Account.id).where(Account.username_key == key, Account.id != account_id))
    return None if other is None else Refusal("username.taken")


def set_username(ctx: Context, account: Account, username: str) -> None:
    """Give an account a user name.

    :raises Refusal: as :func:`username_refusal` says.
    """
    shown = unicodedata.normalize("NFC", username).strip()
    refusal = username_refusal(ctx, shown, account_id=account.id)
    if refusal is not None:
        raise refusal
    account.username = shown
    account.username_key = username_key(shown)
    account.updated_at = ctx.now
    ctx.db.flush()


def add_email(ctx: Context, account_id: str, address: str, *, verified: bool = False) -> Identifier:
    """Add an address that signs the account in once it is verified.

    :raises Refusal: ``email.format``, ``email.taken`` (verified, and another account has proven it).
    """
    shown = unicodedata.normalize("NFC", address).strip()
    key = email_key(shown)
    local, _, domain = key.rpartition("@")
    plausible = bool(local) and "." in domain.strip(".") and key.isprintable() and " " not in key
    if not plausible or max(len(shown), len(key)) > LONGEST_EMAIL:
        raise Refusal("email.format")
    return _add(ctx, account_id, EMAIL, shown, key, purpose=SIGN_IN, verified=verified)


def add_phone(
    ctx: Context, account_id: str, number: str, *, purpose: str = "factor", verified: bool = False
) -> Identifier:
    """Add a telephone number in the form of E.164, such as +49341000000.

    :raises Refusal: ``phone.format``, ``phone.taken``.
    """
    compact = "".join(sign for sign in number if sign not in " -/().")
    digits = compact.removeprefix("+")
    if (
        not compact.startswith("+")
        or not digits.isascii()
        or not digits.isdigit()
        or not 7 <= len(digits) <= 15
    ):
        raise Refusal("phone.format")
    return _add(ctx, account_id, PHONE, compact, compact, purpose=purpose, verified=verified)


def verify(ctx: Context, identifier: Identifier) -> None:
    """Note that the owner proved an address; unproven claims of others to it go (req 88).

    :raises Refusal: ``email.taken`` or ``phone.taken``: another account proved it before.
    """
    _refuse_taken(ctx, identifier.kind, identifier.lookup, identifier.account_id, identifier.purpose)
    ctx.db.execute(
        delete(Identifier).where(
            Identifier.kind == identifier.kind,
            Identifier.lookup == identifier.lookup,
            Identifier.purpose == SIGN_IN,
            Identifier.verified_at.is_(None),
            Identifier.account_id != identifier.account_id,
        )
    )
    ctx.db.execute(
        update(Identifier).where(Identifier.id == identifier.id).values(verified_at=ctx.now, pending=False)
    )


def text_of(ctx: Context, identifier: Identifier) -> str:
    """Return the address or number in clear; raises SealBroken."""
    return ctx.vault.open(identifier.sealed, table=Identifier.__tablename__, row=identifier.id).decode()


def of_account(ctx: Context, account_id: str, kind: str) -> list[Identifier]:
    """Return the addresses or numbers of an account, the oldest first."""
    return list(
        ctx.db.scalars(
            select(Identifier)
            .where(Identifier.account_id == account_id, Identifier.kind == kind)
            .order_by(Identifier.created_at, Identifier.id)
        )
    )


def lookup(ctx: Context, kind: str, key: str) -> bytes:
    """Return the hash an address or number is found by; *key* is in the form it is compared in."""
    return ctx.vault.keyed_hash(f"identifier.{kind}", key)


def mask_email(address: str) -> str:
    """Return an address that its owner recognises and nobody else learns: ``a…@muster.example``."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def _add(
    ctx: Context, account_id: str, kind: str, shown: str, key: str, *, purpose: str, verified: bool
) -> Identifier:
    found = lookup(ctx, kind, key)
    if verified:
        _refuse_taken(ctx, kind, found, account_id, purpose)
    row = new_id()
    identifier = Identifier(
        id=row,
        account_id=account_id,
        kind=kind,
        purpose=purpose,
        sealed=ctx.vault.seal(shown.encode(), table=Identifier.__tablename__, row=row),
        lookup=found,
        pending=not verified,
        verified_at=ctx.now if verified else None,
        created_at=ctx.now,
    )
    ctx.db.add(identifier)
    ctx.db.flush()
    return identifier


def _refuse_taken(ctx: Context, kind: str, found: bytes, account_id: str, purpose: str) -> None:
    owner = ctx.db.scalar(
        select(Identifier.account_id).where(
            Identifier.kind == kind,
            Identifier.lookup == found,
            Identifier.purpose == SIGN_IN,
            Identifier.verified_at.is_not(None),
            Identifier.account_id != account_id,
        )
    )
    if owner is not None and purpose == SIGN_IN:
        raise Refusal(f"{kind}.taken")
