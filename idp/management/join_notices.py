"""Telling our own people and a company's administrators that somebody waits (M11), by the worker (req 59).

Not in the request that asks: there, mails would tell a number we have from one nobody has.  A company hears
at most every quarter of an hour, in one mail about all who came meanwhile, so that a flood of requests is
none of mails.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update

from idp.accounts.models import ACTIVE as ACCOUNT_ACTIVE
from idp.accounts.models import Account
from idp.context import Actor, Context, Services
from idp.delivery import mails
from idp.management.join_approval import address_of
from idp.organizations.memberships import ADMINISTRATOR
from idp.organizations.models import ACTIVE, PENDING, JoinRequest, Membership, Organization

PAUSE: Final = timedelta(minutes=15)
_AT_ONCE: Final = 20


def step(services: Services, now: datetime | None = None) -> int:
    """Tell of those who wait for some companies and return how many people that are."""
    with services.database.session() as db, db.begin():
        return tell(services.context(db, now=now, actor=Actor(kind="system")))


def tell(ctx: Context) -> int:
    """Tell of everybody who has not been told of, and return how many that are."""
    return sum(
        _tell(ctx, organization_id)
        for organization_id in _due(ctx)
        # a request that is taken back takes with it when it was told of
        if ctx.throttle.company_notice(ctx.db, organization_id, pause=PAUSE, now=ctx.now)
    )


def _due(ctx: Context) -> list[str]:
    """Return the companies that somebody waits for and that have not been told of anybody lately."""
    of_company = select(Membership.organization_id).join(
        JoinRequest, JoinRequest.membership_id == Membership.id
    )
    lately = of_company.where(JoinRequest.told_at > ctx.now - PAUSE)
    due = (
        of_company.join(Organization, Organization.id == Membership.organization_id)
        .join(Account, Account.id == Membership.account_id)
        .where(
            JoinRequest.told_at.is_(None),
            Membership.status == PENDING,
            Organization.status == ACTIVE,
            Account.status == ACCOUNT_ACTIVE,  # whose account goes waits for nobody
            Membership.organization_id.not_in(lately),
        )
    )
    return list(ctx.db.scalars(due.distinct().limit(_AT_ONCE)))


def _tell(ctx: Context, organization_id: str) -> int:
    waiting = (
        select(Membership.id)
        .join(Account, Account.id == Membership.account_id)
        .where(
            Membership.organization_id == organization_id,
            Membership.status == PENDING,
            Account.status == ACCOUNT_ACTIVE,
        )
    )
    told = ctx.db.scalars(
        update(JoinRequest)
        .where(JoinRequest.told_at.is_(None), JoinRequest.membership_id.in_(waiting))
        .values(told_at=ctx.now)
        .returning(JoinRequest.account_id),
        execution_options={"synchronize_session": False},
    ).all()
    if not told:  # another worker was faster
        return 0
    first = ctx.db.get_one(Account, min(told))
    organization = ctx.db.get_one(Organization, organization_id)
    mail = mails.AccessWaiting(
        person=first.name or first.username or "", organization=organization.name, others=len(told) - 1
    )
    for address, locale in _administrators(ctx, organization_id):
        mails.post(ctx, mail, to=address, locale=locale)
    support = ctx.settings.support.mail
    if support is not None:
        mails.post(ctx, replace(mail, customer_number=organization.customer_number), to=support, locale=None)
    return len(told)


def _administrators(ctx: Context, organization_id: str) -> Iterator[tuple[str, str | None]]:
    """Yield address and language of each administrator who can be reached."""
    found = (
        select(Account)
        .join(Membership, Membership.account_id == Account.id)
        .where(
            Membership.organization_id == organization_id,
            Membership.role == ADMINISTRATOR,
            Membership.status == ACTIVE,
            Account.status == ACCOUNT_ACTIVE,
        )
        .order_by(Membership.id)
    )
    for account in ctx.db.scalars(found):
        address = address_of(ctx, account.id)
        if address is not None:
            yield address, account.locale
