"""K-14: a person deletes their account, may undo it for 14 days, then nothing of them stays (req 40, 109).

Access ends at once; memberships stay as they are until the data goes, so that a company which blocks or ends
one meanwhile has the last word (docs/decisions/0049).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from idp.accounts.deletion import UNDO, can_be_undone, planned
from idp.accounts.legacy.models import LegacyLink
from idp.accounts.models import ACTIVE, DELETED, Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices, notices
from idp.context import Actor, Context
from idp.delivery import mails
from idp.errors import Refusal
from idp.flows import engine, one_time_secrets
from idp.flows.models import Flow, OneTimeSecret
from idp.management import accounts, consents, erasure, own_sessions, replaced_addresses
from idp.management.actors import require_person_or_operator
from idp.management.ending import end_account
from idp.organizations import memberships
from idp.organizations.memberships import ADMINISTRATOR
from idp.organizations.models import ACTIVE as ACTIVE_MEMBER
from idp.organizations.models import ENDED, Membership

LINK: Final = "deletion_undo"
LINK_PATH: Final = "/account/delete/undo"
AT_A_TIME: Final = 50
"""Accounts a transaction of the job erases: each is more than a row."""


@dataclass(frozen=True, slots=True)
class Company:
    """A company the person belongs to."""

    name: str
    role: str
    #: nobody else there is an administrator, and there are other people
    needs_administrator: bool


@dataclass(frozen=True, slots=True)
class Consequences:
    """What goes with an account."""

    #: names, in their order
    portals: tuple[str, ...]
    companies: tuple[Company, ...]
    #: how many accounts of old portals are linked
    old_accounts: int

    @property
    def refused(self) -> bool:
        """Whether a company would be left without an administrator."""
        return any(company.needs_administrator for company in self.companies)


@dataclass(frozen=True, slots=True)
class Undoable:
    """A deletion that can be undone, and when it no longer can."""

    account_id: str
    due: datetime


def consequences(ctx: Context, account_id: str) -> Consequences:
    """Return what a deletion would end.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    allowed = consents.list_all(ctx, account_id)
    used = consents.used_without(ctx, account_id)
    names = {facts.client_name for facts in allowed} | {facts.client_name for facts in used}
    names |= {device.program for device in own_sessions.connected(ctx, account_id)}
    live = [m for m in memberships.for_account(ctx, account_id) if m.status != ENDED]
    linked = select(LegacyLink.id).where(LegacyLink.account_id == account_id, LegacyLink.undone_at.is_(None))
    return Consequences(
        portals=tuple(sorted(names, key=str.casefold)),
        companies=tuple(
            Company(
                m.organization_name,
                m.role,
                m.role == ADMINISTRATOR
                and m.status == ACTIVE_MEMBER
                and _is_needed(ctx, m.organization_id, account_id),
            )
            for m in live
        ),
        old_accounts=len(ctx.db.scalars(linked).all()),
    )


def plan(ctx: Context, account_id: str) -> datetime:
    """End all access of a person now, and return when the data goes.

    The mail also goes to addresses that can still take the account back: who stole it and changed the address
    would be the only one told.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status), ``admin.last``.
    """
    require_person_or_operator(ctx, account_id)
    account = accounts.locked(ctx, account_id)
    if account.status != ACTIVE:
        raise Refusal("account.status", status=account.status)
    _hold_administrators(ctx, account_id)
    if consequences(ctx, account_id).refused:
        raise Refusal("admin.last")
    account.status, account.restore_status = DELETED, ACTIVE
    account.deletion_due_at = due = ctx.now + UNDO
    account.epoch += 1
    account.updated_at = ctx.now
    record(ctx, Event.ACCOUNT_DELETED, target=("account", account.id), new={"due": due.isoformat()})
    ctx.db.flush()
    devices.forget(ctx, account.id)
    end_account(ctx, account.id, "account deleted")
    token = one_time_secrets.create(ctx, LINK, target=account.id, lifetime=UNDO)
    link = f"{ctx.settings.issuer}{LINK_PATH}?token={token}"
    own, former = notices.addresses(ctx, account.id), replaced_addresses.texts(ctx, account.id)
    for address in dict.fromkeys([*own, *former]):
        mail = mails.DeletionPlanned(on=due, link=link if address in own else None)
        mails.post(ctx, mail, to=address, locale=account.locale, expires_at=due)
    return due


def of_link(ctx: Context, token: str) -> Undoable:
    """Return what the link of a mail undoes; nothing is used up (req 68).

    :raises Refusal: ``token.expired``, ``token.used``.
    """
    return _undoable(ctx, _account_of(ctx, token))


def undo_by_link(ctx: Context, token: str) -> None:
    """Bring the account back.

    :raises Refusal: as :func:`of_link`.
    """
    account_id = _account_of(ctx, token)  # whether it can be undone is asked once nobody else can undo it
    accounts.locked(ctx, account_id)  # before the secret: the job, too, holds the account first
    if one_time_secrets.consume(ctx, LINK, token) is None:
        # used by another click, or gone with the account
        raise Refusal("token.used" if one_time_secrets.find_used(ctx, LINK, token) else "token.expired")
    bring_back(ctx, account_id)


def _account_of(ctx: Context, token: str) -> str:
    secret = one_time_secrets.find(ctx, LINK, token)
    if secret is None:
        raise Refusal("token.expired")
    if secret.used_at is not None:
        raise Refusal("token.used")
    return secret.target


def offer(ctx: Context, account_id: str, *, then: Flow | None, browser_hash: bytes) -> Flow:
    """Begin a flow that undoes the deletion, for who just gave the account's password.

    Which proves as much as the mailbox does: who undoes it gets nothing but the sign-in page.

    :param then: the flow that the person came from.
    """
    made = engine.start(
        ctx,
        engine.DELETION_UNDO,
        browser_hash=browser_hash,
        client_id=then.client_id if then else None,
        request=engine.carried(then),
    )
    made.account_id = account_id
    ctx.db.flush()
    return made


def of_flow(ctx: Context, flow: Flow) -> Undoable:
    """Return what a flow of :func:`offer` undoes.

    :raises Refusal: ``flow.lost`` where it is of another kind; ``token.expired``.
    """
    if flow.purpose != engine.DELETION_UNDO:
        raise Refusal("flow.lost")
    return _undoable(ctx, str(flow.account_id))


def undo_in(ctx: Context, flow: Flow) -> None:
    """Bring the account of a flow back.

    :raises Refusal: as :func:`of_flow`; ``token.used`` where the flow did it before.
    """
    found = of_flow(ctx, flow)
    if not engine.finish(ctx, flow):
        raise Refusal("token.used")
    bring_back(ctx, found.account_id)


def bring_back(ctx: Context, account_id: str) -> None:
    """Give the account its status back; what ended stays ended, and every other link is void.

    :raises Refusal: ``token.expired`` where it cannot be undone.
    """
    account = accounts.locked(ctx, account_id)
    _undoable(ctx, account_id)
    account.status, account.restore_status, account.deletion_due_at = ACTIVE, None, None
    account.updated_at = ctx.now
    ctx.db.execute(
        update(OneTimeSecret)
        .where(
            OneTimeSecret.purpose == LINK, OneTimeSecret.target == account_id, OneTimeSecret.used_at.is_(None)
        )
        .values(used_at=ctx.now),
        execution_options={"synchronize_session": False},
    )
    acting = ctx.acting(Actor("account", account_id))
    record(acting, Event.ACCOUNT_RESTORED, target=("account", account_id))
    ctx.db.flush()
    notices.tell(ctx, account_id, mails.DeletionUndone())


def erase_due(ctx: Context, limit: int) -> int:
    """Make tombstones of up to *limit* accounts whose time to undo is over; returns how many (req 109)."""
    due = (
        select(Account.id)
        .where(Account.deletion_due_at.is_not(None), Account.deletion_due_at <= ctx.now)
        .order_by(Account.deletion_due_at)
        .limit(limit)
    )
    erased = 0
    for account_id in sorted(ctx.db.scalars(due)):  # who holds many holds the smaller id first
        account = accounts.locked(ctx, account_id)
        if account.deletion_due_at is not None and account.deletion_due_at <= ctx.now:
            erasure.erase(ctx, account_id)
            erased += 1
    return erased


def _undoable(ctx: Context, account_id: str) -> Undoable:
    found = planned(ctx, account_id)
    if found is None or not can_be_undone(found):
        raise Refusal("token.expired")
    return Undoable(account_id, found.due)


def _hold_administrators(ctx: Context, account_id: str) -> None:
    """Hold the administrators' memberships of a person's companies: of two that leave, one sees the other."""
    administered = select(Membership.organization_id).where(
        Membership.account_id == account_id, Membership.role == ADMINISTRATOR, Membership.status != ENDED
    )
    ctx.db.execute(
        select(Membership.id)
        .where(Membership.organization_id.in_(administered), Membership.role == ADMINISTRATOR)
        .order_by(Membership.id)
        .with_for_update()
    ).all()


def _is_needed(ctx: Context, organization_id: str, account_id: str) -> bool:
    """Tell whether an organisation has other people, and no other administrator among them."""
    others = (
        select(Membership.role, Membership.status, Account.status)
        .join(Account, Account.id == Membership.account_id)
        .where(
            Membership.organization_id == organization_id,
            Membership.account_id != account_id,
            Membership.status != ENDED,
            Account.status != DELETED,
        )
    )
    rows = ctx.db.execute(others).all()
    return bool(rows) and (ADMINISTRATOR, ACTIVE_MEMBER, ACTIVE) not in [tuple(row) for row in rows]
