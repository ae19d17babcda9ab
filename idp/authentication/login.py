"""Signing in with a password (NIST SP 800-63B-4 §3.1.1; OWASP ASVS 5.0 6.3.8; req 55-60).

Four steps, so that nothing waits for a hash while it holds a transaction (the surface commits between them)::

    candidate = look_up(ctx, typed); ctx.db.commit()
    attempt = check(ctx, candidate, password)      # no transaction: counts the try, spends one hash
    account = conclude(ctx, attempt)               # all that changes, in one transaction

An unknown, deleted or passwordless account costs and answers what a wrong password does (req 59).
Who planned the deletion and knows the password hears of it, for it can be undone (K-14).
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, update

from idp.accounts import deletion, identifiers
from idp.accounts.identifiers import SignInFacts
from idp.accounts.models import ACTIVE, BLOCKED, DELETED, Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices, sessions
from idp.context import Context
from idp.crypto import Verification
from idp.errors import Busy, Refusal
from idp.organizations import memberships, policy
from idp.organizations.models import ENDED
from idp.prepared import Prepared
from idp.throttling import Reservation

_NOBODY: Final = "-"
_REHASH: Final = Prepared(
    update(Account).where(Account.id == bindparam("key")).values(password_hash=bindparam("fresh"))
)


@dataclass(frozen=True, slots=True, repr=False)
class Candidate:
    """Whom a typed name may mean."""

    typed: str
    account_id: str | None
    password_hash: str | None
    #: what the throttle counts a known browser under
    known_device: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Attempt:
    """A password that was compared."""

    candidate: Candidate
    reservation: Reservation
    verification: Verification
    #: the same password under today's parameters, where the stored hash is older
    rehashed: str | None = None


@dataclass(frozen=True, slots=True)
class Recognised:
    """A right password: whose, and how many tries failed before it (req 60)."""

    account: SignInFacts
    earlier_failures: int
    #: kinds of second factors the account has
    second_factors: tuple[str, ...]


def look_up(ctx: Context, typed: str) -> Candidate:
    """Find whom a typed user name or e-mail address may mean; the statements are the same for nobody."""
    account = identifiers.find_account(ctx, typed)
    known = devices.find(ctx, account.id if account else _NOBODY, ctx.origin.device)
    usable = account is not None and account.status in (ACTIVE, BLOCKED, DELETED)
    return Candidate(
        typed=identifiers.sign_in_key(typed),
        account_id=account.id if account else None,
        password_hash=account.password_hash if account and usable else None,
        known_device=devices.lane(known.id, account.epoch) if known and account else None,
    )


def of_account(ctx: Context, account_id: str) -> Candidate:
    """Return who is signed in, for a password that is asked again: counted as at the sign-in (req 55)."""
    account = ctx.db.get_one(Account, account_id, populate_existing=True)
    known = devices.find(ctx, account_id, ctx.origin.device)
    return Candidate(
        typed="",
        account_id=account_id,
        password_hash=account.password_hash if account.status in (ACTIVE, BLOCKED) else None,
        known_device=devices.lane(known.id, account.epoch) if known else None,
    )


def check(ctx: Context, candidate: Candidate, password: str) -> Attempt:
    """Count the try, then compare the password; needs no transaction and must not be inside one.

    :raises Refusal: ``login.throttled`` (``until``), ``login.stopped``.
    :raises Busy: the hash pool is full; the try is given back.
    """
    if ctx.db.in_transaction():
        raise RuntimeError("a password is checked outside of transactions")
    try:
        reservation = ctx.throttle.password_try(
            account_id=candidate.account_id,
            name=candidate.typed,
            ip=ctx.origin.ip,
            known_device=candidate.known_device,
            now=ctx.now,
        )
    except Refusal as refusal:
        record(ctx, Event.SIGN_IN_THROTTLED, target=_target(candidate), reason=refusal.code)
        raise
    try:
        if candidate.password_hash is None:
            ctx.passwords.verify_nothing(password)
            verification = Verification(valid=False)
        else:
            verification = ctx.passwords.verify(candidate.password_hash, password)
    except Busy:
        ctx.throttle.give_back(reservation)
        raise
    return Attempt(candidate, reservation, verification, _rehash(ctx, verification, password))


def conclude(ctx: Context, attempt: Attempt) -> Recognised:
    """Say whose password it was; one transaction, which the caller commits also after a refusal.

    :raises Refusal: ``login.failed``; after a right password ``account.blocked``,
        ``account.deletion_planned`` or ``login.blocked`` (``company``).
    """
    account = _proven_account(ctx, attempt)
    if account is None:
        record(
            ctx,
            Event.SIGN_IN_FAILED,
            target=_target(attempt.candidate),
            reason="wrong_password" if attempt.candidate.password_hash else "no_such_sign_in",
        )
        raise Refusal("login.failed")
    ctx.throttle.succeeded(ctx.db, attempt.reservation)
    second_factors = sessions.ask_second_factors(ctx, account.id)
    refusal = turned_away(ctx, account)
    if refusal is not None:
        raise refusal
    if attempt.rehashed is not None:
        _REHASH.run(ctx.db, key=account.id, fresh=attempt.rehashed)
        record(ctx, Event.PASSWORD_REHASHED, target=("account", account.id))
    return Recognised(account, attempt.reservation.earlier_failures, second_factors())


def _target(candidate: Candidate) -> tuple[str, str] | None:
    """What was typed is not written down: people type passwords into the wrong field."""
    return ("account", candidate.account_id) if candidate.account_id else None


def _rehash(ctx: Context, verification: Verification, password: str) -> str | None:
    if not (verification.valid and verification.needs_rehash):
        return None
    try:
        return ctx.passwords.hash(password)
    except Busy:
        return None  # the next sign-in does it: nobody is turned away for housekeeping


def _proven_account(ctx: Context, attempt: Attempt) -> SignInFacts | None:
    """Return the account, locked, if the password was right and is still the account's password."""
    if not attempt.verification.valid or attempt.candidate.account_id is None:
        return None
    account = identifiers.locked_account(ctx, attempt.candidate.account_id)
    if account is None or account.status not in (ACTIVE, BLOCKED, DELETED):
        return None
    if account.status == DELETED and deletion.planned(ctx, account.id) is None:
        return None
    return account if account.password_hash == attempt.candidate.password_hash else None


def turned_away(ctx: Context, account: SignInFacts) -> Refusal | None:
    """Return why somebody who has proven to be the owner may not come in, and record it, or None."""
    refusal = standing(ctx, account)
    if refusal is not None:
        record(ctx, Event.SIGN_IN_REFUSED, target=("account", account.id), reason=refusal.code)
    return refusal


def standing(ctx: Context, account: SignInFacts) -> Refusal | None:
    """Return why the person may not come in, or None (design §2, Block; req 23)."""
    if account.status == DELETED:
        undoable = deletion.can_be_undone(deletion.planned(ctx, account.id))
        return Refusal("account.deletion_planned" if undoable else "account.blocked")
    if account.status == BLOCKED:
        return Refusal("account.blocked")
    mine = memberships.for_account(ctx, account.id)
    if policy.blocked_everywhere(mine):
        company = next(m.organization_name for m in mine if m.status != ENDED)
        return Refusal("login.blocked", company=company)
    return None  # who waits for an approval may come in: the hub says so where a portal needs a membership
