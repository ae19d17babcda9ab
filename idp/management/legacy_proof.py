"""Whose old account is it?  Counting the try, asking the directory, and what it proves (req 55, 59).

The same check serves the page that links and the sign-in page, which may offer to link where somebody signs
in with an old user name and password.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.accounts import identifiers
from idp.accounts.identifiers import username_key
from idp.accounts.legacy import directory as directories
from idp.accounts.legacy.adapters import adapter_for
from idp.accounts.legacy.directory import Directory, DirectoryAway, LegacyIdentity
from idp.accounts.legacy.imported_table import whose
from idp.accounts.legacy.models import LegacyAccount
from idp.accounts.models import Identifier
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.errors import Busy, Refusal
from idp.management.actors import require_operator
from idp.throttling import Reservation


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """A person has shown the password of an old account."""

    account_id: str
    identity: LegacyIdentity
    #: forgotten once the old account is linked
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Offer:
    """Credentials typed at sign-in that belong to an old account nobody linked."""

    directory: Directory
    identity: LegacyIdentity

    def document(self) -> dict[str, Any]:
        """Return what a flow keeps, sealed, until somebody has an account to link it to."""
        return asdict(self.identity)


def prove(ctx: Context, account_id: str, slug: str, username: str, password: str) -> Proof:
    """Count the try, then ask the directory; needs no transaction and must not be inside one.

    :raises Refusal: ``legacy_directory.unknown``; ``login.throttled`` (until), ``link.stopped``;
        ``link.failed``; ``link.taken`` (own) after a right password; ``link.away`` (directory), which counts
        nothing.
    :raises Busy: the hash pool is full; the try is given back.
    """
    _outside_transactions(ctx)
    with directories.reading(ctx) as db:
        directory = directories.find(db, slug)
        own = _addresses(db, account_id)
    if directory is None:
        raise Refusal("legacy_directory.unknown", slug=slug)
    target = ("account", account_id)
    try:
        reservation = _try(ctx, directory, username, account_id=account_id, own=own)
    except Refusal as refusal:
        record(ctx, Event.LEGACY_LINK_REFUSED, target=target, new={"directory": slug}, reason=refusal.code)
        raise
    identity = _ask(ctx, directory, username, password, reservation)
    if identity is None:
        record(ctx, Event.LEGACY_LINK_REFUSED, target=target, new={"directory": slug}, reason="link.failed")
        raise Refusal("link.failed", de=directory.name_de, en=directory.name_en)
    if identity.linked:
        raise taken(ctx, Proof(account_id, identity, reservation))
    return Proof(account_id, identity, reservation)


def offer(ctx: Context, username: str, password: str) -> Offer | None:
    """Tell whether credentials that do not sign in are those of an old account nobody linked.

    Asks every directory with ``offer_at_sign_in``, whatever the user name means here, so that everybody waits
    alike; called after a sign-in failed, outside of transactions.  Tries count as on the page that links.

    :raises Busy: the hash pool is full.
    """
    _outside_transactions(ctx)
    with directories.reading(ctx) as db:
        offering = [found for found in directories.all_directories(db) if found.offer_at_sign_in]
    for directory in offering:
        try:
            reservation = _try(ctx, directory, username)
            identity = _ask(ctx, directory, username, password, reservation)
        except Refusal:  # too many tries, or away: at sign-in that is no news for anybody
            continue
        if identity is not None and not identity.linked:
            ctx.throttle.succeeded(ctx.db, reservation)
            return Offer(directory, identity)
    return None


def accept(account_id: str, document: Mapping[str, Any]) -> Proof:
    """Return the proof that a flow kept since :func:`offer`, for the account that came of it.

    It binds to the old account as it was: what was linked or imported anew meanwhile refuses.
    """
    facts = {**document, "permissions": tuple(document["permissions"])}
    return Proof(account_id, LegacyIdentity(**facts))


def taken(ctx: Context, proof: Proof, legacy_id: str | None = None) -> Refusal:
    """Return the refusal for who knows the password of an account that is linked already."""
    if proof.reservation is not None:
        ctx.throttle.succeeded(ctx.db, proof.reservation)
    mine = select(LegacyAccount.owner_id).where(LegacyAccount.id == (legacy_id or proof.identity.account_id))
    own = ctx.db.scalar(mine) == proof.account_id
    target = ("account", proof.account_id)
    record(ctx, Event.LEGACY_LINK_REFUSED, target=target, reason="link.taken")
    return Refusal("link.taken", own=own)


def clear_tries(ctx: Context, slug: str, username: str) -> None:
    """Forget the wrong passwords of an old account, whoever typed them: it may be tried again.

    :raises Refusal: ``actor.not_allowed``, ``legacy_directory.unknown``.
    """
    require_operator(ctx)
    directory = directories.find(ctx.db, slug)
    if directory is None:
        raise Refusal("legacy_directory.unknown", slug=slug)
    row_id, _ = whose(ctx, directory, username)
    ctx.throttle.legacy_recovered(ctx.db, directory=directory.id, name=_counted_as(row_id, username))
    target = ("legacy_directory", directory.id)
    record(ctx, Event.LEGACY_DIRECTORY_TRIES_CLEARED, target=target, new={"legacy_account": row_id})


def _outside_transactions(ctx: Context) -> None:
    if ctx.db.in_transaction():
        raise RuntimeError("a password is checked outside of transactions")


def _try(
    ctx: Context,
    directory: Directory,
    username: str,
    *,
    account_id: str | None = None,
    own: frozenset[bytes] = frozenset(),
) -> Reservation:
    """Take a try at the old account a name means, or at the name where it means none."""
    row_id, address = whose(ctx, directory, username)
    return ctx.throttle.legacy_try(
        directory=directory.id,
        name=_counted_as(row_id, username),
        account_id=account_id,
        ip=ctx.origin.ip,
        own=address in own,
        now=ctx.now,
    )


def _counted_as(row_id: str | None, username: str) -> str:
    return f"account:{row_id}" if row_id else f"name:{username_key(username)}"


def _ask(
    ctx: Context, directory: Directory, username: str, password: str, reservation: Reservation
) -> LegacyIdentity | None:
    try:
        return adapter_for(ctx, directory).verify(username, password)
    except DirectoryAway:
        ctx.throttle.give_back(reservation)
        raise Refusal("link.away", de=directory.name_de, en=directory.name_en) from None
    except Busy:
        ctx.throttle.give_back(reservation)
        raise


def _addresses(db: Session, account_id: str) -> frozenset[bytes]:
    """Return the look-up hashes of the addresses a person has proven."""
    proven = select(Identifier.lookup).where(
        Identifier.account_id == account_id,
        Identifier.kind == identifiers.EMAIL,
        Identifier.verified_at.is_not(None),
    )
    return frozenset(db.scalars(proven))
