"""Deciding about people who wait for a company: who they are, letting in, declining (screens R-05, M12)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from idp.accounts import identifiers
from idp.accounts.models import ACTIVE as ACCOUNT_ACTIVE
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.delivery import mails
from idp.errors import Refusal
from idp.management import accounts
from idp.management.actors import require_operator
from idp.management.join_codes import activate
from idp.management.memberships import locked
from idp.organizations.memberships import after
from idp.organizations.models import ACTIVE, ENDED, PENDING, JoinRequest, Membership, Organization


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person who waits for a company."""

    customer_number: str
    organization: str
    name: str | None
    username: str | None
    email: str | None
    since: datetime
    told_at: datetime | None
    letter_at: datetime | None
    join_policy: str
    account_id: str


def waiting(ctx: Context, organization_id: str | None = None, *, limit: int = 100) -> list[Waiting]:
    """Return who waits, for one company or for all, the longest first, unless the account is blocked or goes.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    found = (
        select(Membership, Organization, Account, JoinRequest.told_at, JoinRequest.letter_at)
        .join(Organization, Organization.id == Membership.organization_id)
        .join(Account, Account.id == Membership.account_id)
        .outerjoin(JoinRequest, JoinRequest.membership_id == Membership.id)
        .where(Membership.status == PENDING, Account.status == ACCOUNT_ACTIVE)
        .order_by(Membership.changed_at, Membership.id)
        .limit(limit)
    )
    if organization_id is not None:
        found = found.where(Membership.organization_id == organization_id)
    return [
        Waiting(
            customer_number=organization.customer_number,
            organization=organization.name,
            name=account.name,
            username=account.username,
            email=address_of(ctx, account.id),
            since=membership.asked_at or membership.changed_at,
            told_at=told_at,
            letter_at=letter_at,
            join_policy=organization.join_policy,
            account_id=account.id,
        )
        for membership, organization, account, told_at, letter_at in ctx.db.execute(found)
    ]


def approve(ctx: Context, organization_id: str, membership_id: str) -> bool:
    """Let a person in and tell them; False, and nothing done, where they are in already.

    :raises Refusal: ``actor.not_allowed``, ``membership.unknown``; ``membership.status`` (status, action)
        where nothing waits; ``organization.status`` (status); ``account.status`` (status).
    """
    require_operator(ctx)
    membership = locked(ctx, organization_id, membership_id)
    if membership.status == ACTIVE:
        return False
    organization = ctx.db.get_one(Organization, organization_id)
    if organization.status != ACTIVE:
        raise Refusal("organization.status", status=organization.state)
    account = accounts.locked(ctx, membership.account_id)
    if account.status != ACCOUNT_ACTIVE:
        raise Refusal("account.status", status=account.status)
    activate(ctx, account, membership)
    _tell(ctx, account, mails.AccessActivated(organization=organization.name))
    return True


def decline(ctx: Context, organization_id: str, membership_id: str, *, reason: str | None = None) -> bool:
    """Do not let a person in and tell them; False, and nothing done, where that was done before.

    Nothing was issued for what waits, so no session ends.

    :raises Refusal: ``actor.not_allowed``, ``membership.unknown``; ``membership.status`` (status, action)
        where nothing waits.
    """
    require_operator(ctx)
    membership = locked(ctx, organization_id, membership_id)
    if membership.status == ENDED:
        return False
    if membership.status != PENDING:
        raise Refusal("membership.status", status=membership.status, action="decline")
    membership.status = after(membership.status, "end")
    membership.epoch += 1
    membership.version += 1
    membership.changed_at, membership.changed_by = ctx.now, ctx.actor.id
    membership.ended_at = ctx.now
    target = ("account", membership.account_id)
    new = {"declined": True}
    record(ctx, Event.MEMBERSHIP_ENDED, target=target, organization=organization_id, new=new, reason=reason)
    ctx.db.flush()
    organization = ctx.db.get_one(Organization, organization_id)
    account = ctx.db.get_one(Account, membership.account_id)
    _tell(ctx, account, mails.AccessDeclined(organization=organization.name))
    return True


def address_of(ctx: Context, account_id: str) -> str | None:
    """Return the address that mails to a person go to, the oldest that they have proven."""
    for found in identifiers.of_account(ctx, account_id, identifiers.EMAIL):
        if found.verified_at is not None:
            return identifiers.text_of(ctx, found)
    return None


def _tell(ctx: Context, account: Account, mail: mails.Mail) -> None:
    address = address_of(ctx, account.id)
    if address is not None:
        mails.post(ctx, mail, to=address, locale=account.locale)
