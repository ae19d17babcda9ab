"""Operations on accounts: create, password, block, delete (req 23, 44, 53)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from idp.accounts import identifiers
from idp.accounts.deletion import UNDO
from idp.accounts.models import ACTIVE, BLOCKED, DELETED, Account, Identifier
from idp.accounts.password_policy import password_problems
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices, notices
from idp.authentication.second_factor import COUNTED
from idp.context import Context
from idp.crypto import random_token
from idp.db import is_id, new_id
from idp.delivery import mails
from idp.errors import Refusal
from idp.management import recovery
from idp.management.actors import require_operator
from idp.management.ending import Ended, end_account
from idp.organizations.models import ENDED, Membership

#: claims of OIDC Core §5.1 that an account keeps as they are
PROFILE: Final = (
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "address",
)


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account as lists show it."""

    id: str
    sub: str
    username: str | None
    name: str | None
    status: str
    emails: tuple[str, ...]
    created_at: datetime
    last_sign_in_at: datetime | None


def create(
    ctx: Context,
    *,
    username: str | None = None,
    password: str | None = None,
    emails: Iterable[str] = (),
    phones: Iterable[str] = (),
    profile: Mapping[str, Any] | None = None,
) -> str:
    """Create an account whose addresses and numbers count as verified, and return its id.

    :param profile: claims by name, of :data:`PROFILE`.
    :raises Refusal: ``actor.not_allowed``, ``profile.unknown`` (field), what ``idp.accounts.identifiers`` and
        :func:`set_password` refuse.
    """
    require_operator(ctx)
    fields = dict(profile or {})
    for field in fields:
        if field not in PROFILE:
            raise Refusal("profile.unknown", field=field)
    account = Account(
        id=new_id(), sub=random_token(24), status=ACTIVE, created_at=ctx.now, updated_at=ctx.now, **fields
    )
    ctx.db.add(account)
    ctx.db.flush()
    addresses = list(emails)
    if username is not None:
        identifiers.set_username(ctx, account, username)
    for address in addresses:
        identifiers.add_email(ctx, account.id, address, verified=True)
    for number in phones:
        identifiers.add_phone(ctx, account.id, number, purpose=identifiers.SIGN_IN, verified=True)
    if password is not None:
        _check_password(ctx, account, password, addresses)
        _store_password(ctx, account, password)
    record(
        ctx,
        Event.ACCOUNT_CREATED,
        target=("account", account.id),
        personal={"username": account.username, "emails": addresses},
    )
    ctx.db.flush()
    return account.id


def set_password(ctx: Context, account_id: str, password: str) -> Ended:
    """Give an account a password; everything issued before ends, and wrong tries count no more (req 44, 54).

    The person is told (req 72), remembered browsers are asked for the second factor again, and a young
    recovery password goes: a thief may have saved it.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``password.*`` (the first problem).
    :raises Busy: the hash pool is full.
    """
    require_operator(ctx)
    account = locked(ctx, account_id)
    addresses = [
        identifiers.text_of(ctx, found)
        for found in identifiers.of_account(ctx, account.id, identifiers.EMAIL)
    ]
    _check_password(ctx, account, password, addresses)
    _store_password(ctx, account, password)
    account.epoch += 1
    ctx.throttle.recovered(ctx.db, account.id)
    record(ctx, Event.PASSWORD_CHANGED, target=("account", account.id))
    ctx.db.flush()
    devices.forget(ctx, account.id)
    recovery.remove_young(ctx, account, at=ctx.now)
    notices.tell(ctx, account.id, mails.PasswordChanged(means="support"))
    return end_account(ctx, account.id, "password changed")


def block(ctx: Context, account_id: str, *, reason: str | None = None) -> Ended:
    """Block an account: at once, everywhere, whatever it belongs to (design §2); no browser is remembered.

    One that its owner deleted cannot be brought back while it is blocked.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status).
    """
    require_operator(ctx)
    account = locked(ctx, account_id)
    if not _change_restored(account, ACTIVE, BLOCKED):
        _change_status(ctx, account, ACTIVE, BLOCKED)
    account.epoch += 1
    record(ctx, Event.ACCOUNT_BLOCKED, target=("account", account.id), reason=reason)
    ctx.db.flush()
    devices.forget(ctx, account.id)
    return end_account(ctx, account.id, "account blocked")


def unblock(ctx: Context, account_id: str, *, reason: str | None = None) -> None:
    """Let a blocked account sign in again; what ended stays ended.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status).
    """
    require_operator(ctx)
    account = locked(ctx, account_id)
    if not _change_restored(account, BLOCKED, ACTIVE):
        _change_status(ctx, account, BLOCKED, ACTIVE)
    record(ctx, Event.ACCOUNT_UNBLOCKED, target=("account", account.id), reason=reason)
    ctx.db.flush()


def clear_tries(ctx: Context, account_id: str, *, reason: str | None = None) -> None:
    """Forget the wrong passwords and codes of an account: who was stopped by them may try again (req 54).

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``.
    """
    require_operator(ctx)
    account = locked(ctx, account_id)
    known = devices.lanes(ctx, account)
    ctx.throttle.recovered(ctx.db, account.id, factors=COUNTED, known_devices=known)
    record(ctx, Event.ACCOUNT_TRIES_CLEARED, target=("account", account.id), reason=reason)
    ctx.db.flush()


def delete(ctx: Context, account_id: str, *, reason: str | None = None) -> Ended:
    """Delete an account: access ends now, its memberships end, its data stays for the time of undo.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status).
    """
    require_operator(ctx)
    account = locked(ctx, account_id)
    if account.status == DELETED:
        raise Refusal("account.status", status=account.status)
    account.status = DELETED
    account.epoch += 1
    account.updated_at = ctx.now
    account.deletion_due_at = ctx.now + UNDO
    memberships = select(Membership).where(Membership.account_id == account.id, Membership.status != ENDED)
    for membership in ctx.db.scalars(memberships.order_by(Membership.id).with_for_update()).all():
        membership.restore_until = ctx.now + UNDO
        end_with_account(ctx, membership, "account deleted")
    record(ctx, Event.ACCOUNT_DELETED, target=("account", account.id), reason=reason)
    ctx.db.flush()
    return end_account(ctx, account.id, "account deleted")


def end_with_account(ctx: Context, membership: Membership, reason: str) -> None:
    """End a membership that is held, since its account goes; the company's log tells it (req 91).

    :param reason: a word for the log.
    """
    membership.status = ENDED
    membership.epoch += 1
    membership.version += 1
    membership.ended_at = membership.changed_at = ctx.now
    membership.changed_by = ctx.actor.id
    target = ("account", membership.account_id)
    record(ctx, Event.MEMBERSHIP_ENDED, target=target, organization=membership.organization_id, reason=reason)


def find(ctx: Context, typed: str) -> str:
    """Return the id of the account with this id, user name or verified address.

    The id counts first: nobody hides behind somebody who has taken it as user name (req 106).

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``.
    """
    require_operator(ctx)
    if is_id(typed) and ctx.db.get(Account, typed) is not None:
        return typed
    found = identifiers.find_account(ctx, typed)
    if found is None:
        raise Refusal("account.unknown")
    return found.id


def show(ctx: Context, account_id: str) -> AccountFacts:
    """Return one account.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``.
    """
    require_operator(ctx)
    account = ctx.db.get(Account, account_id)
    if account is None:
        raise Refusal("account.unknown")
    return _facts(ctx, [account])[0]


def list_all(ctx: Context, *, after: str = "", limit: int = 100) -> list[AccountFacts]:
    """Return accounts in the order of their creation.

    :param after: the id of the last one of the page before.
    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    page = select(Account).where(Account.id > after).order_by(Account.id).limit(min(limit, 100))
    return _facts(ctx, list(ctx.db.scalars(page)))


def locked(ctx: Context, account_id: str) -> Account:
    """Return an account, fresh and locked until the transaction ends.

    :raises Refusal: ``account.unknown``.
    """
    ctx.db.flush()
    row = select(Account).where(Account.id == account_id).with_for_update()
    account = ctx.db.execute(row, execution_options={"populate_existing": True}).scalar_one_or_none()
    if account is None:
        raise Refusal("account.unknown")
    return account


def _change_status(ctx: Context, account: Account, old: str, new: str) -> None:
    if account.status != old:
        raise Refusal("account.status", status=account.status)
    account.status = new
    account.updated_at = ctx.now


def _change_restored(account: Account, old: str, new: str) -> bool:
    """Change what undoing a deletion would give back; False where none can be undone."""
    if account.status != DELETED or account.restore_status != old:
        return False
    account.restore_status = new
    return True


def _check_password(ctx: Context, account: Account, password: str, addresses: Iterable[str]) -> None:
    names = (account.username, account.name, account.given_name, account.family_name)
    problems = password_problems(
        password,
        profile=ctx.settings.password.profile,
        single_factor=True,
        context_words=[ctx.settings.product.name, *filter(None, names), *addresses],
        allow_short_single_factor=ctx.settings.password.allow_short_single_factor,
    )
    if problems:
        raise problems[0]


def _store_password(ctx: Context, account: Account, password: str) -> None:
    account.password_hash = ctx.passwords.hash(password)
    account.password_changed_at = account.updated_at = ctx.now


def _facts(ctx: Context, accounts: list[Account]) -> list[AccountFacts]:
    ids = [account.id for account in accounts]
    emails: dict[str, list[str]] = {}
    owned = select(Identifier).where(Identifier.account_id.in_(ids), Identifier.kind == identifiers.EMAIL)
    for row in ctx.db.scalars(owned.order_by(Identifier.id)):
        emails.setdefault(row.account_id, []).append(identifiers.text_of(ctx, row))
    return [
        AccountFacts(
            id=account.id,
            sub=account.sub,
            username=account.username,
            name=account.name,
            status=account.status,
            emails=tuple(emails.get(account.id, ())),
            created_at=account.created_at,
            last_sign_in_at=account.last_sign_in_at,
        )
        for account in accounts
    ]
