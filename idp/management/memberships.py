"""Operations on memberships; every target is loaded by its organisation and its id (req 91, C7)."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select

from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.db import new_id
from idp.errors import Refusal
from idp.installation import insert_once
from idp.management import accounts, organizations
from idp.management.actors import require_operator
from idp.management.ending import Ended, end_membership
from idp.organizations import memberships, roles
from idp.organizations.memberships import MEMBER, STARTS, MembershipFacts, after
from idp.organizations.models import ACTIVE, INVITED, PENDING, Membership, MembershipPermission

UNDO: Final = timedelta(days=14)

_STARTED: Final = {
    INVITED: Event.MEMBERSHIP_INVITED,
    PENDING: Event.MEMBERSHIP_REQUESTED,
    ACTIVE: Event.MEMBERSHIP_CREATED,
}


def add(
    ctx: Context, *, organization_id: str, account_id: str, role: str = MEMBER, status: str = ACTIVE
) -> str:
    """Make an account a member and return the membership's id.

    An ended membership begins again in its old row, with a new epoch and without its old permissions.

    :param status: ``active``, ``pending`` or ``invited``.
    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``organization.unknown``,
        ``role.unknown`` (role, roles), ``membership.status`` (status, action) where there is one already.
    """
    require_operator(ctx)
    account = accounts.locked(ctx, account_id)
    organization = organizations.locked(ctx, organization_id)
    if not roles.exists(ctx.db, role):
        raise Refusal("role.unknown", role=role, roles=roles.known(ctx.db))
    if status not in STARTS:
        raise Refusal("membership.status", status=status, action="add")
    values = {
        "id": new_id(),
        "account_id": account.id,
        "organization_id": organization.id,
        "role": role,
        "status": status,
        "created_at": ctx.now,
        "changed_at": ctx.now,
        "changed_by": ctx.actor.id,
    }
    membership_id = str(values["id"])
    if not insert_once(ctx.db, Membership.metadata.tables["membership"], values):
        membership_id = _begin_again(ctx, organization.id, account.id, role=role, status=status)
    if account.home_organization_id is None:
        account.home_organization_id = organization.id
    _record(ctx, _STARTED[status], organization.id, account.id, new={"role": role, "status": status})
    return membership_id


def activate(ctx: Context, organization_id: str, membership_id: str) -> None:
    """Approve a membership that waits.

    :raises Refusal: ``actor.not_allowed``, ``membership.unknown``, ``membership.status`` (status, action).
    """
    membership = _changed(ctx, organization_id, membership_id, "activate")
    membership.ended_at = None
    _record(ctx, Event.MEMBERSHIP_ACTIVATED, organization_id, membership.account_id)


def block(ctx: Context, organization_id: str, membership_id: str, *, reason: str | None = None) -> Ended:
    """Block a person in one organisation, at once: what was issued for it ends (design §2, Block).

    Where no other membership lets the person in, all sessions end.

    :raises Refusal: ``actor.not_allowed``, ``membership.unknown``, ``membership.status`` (status, action).
    """
    membership = _changed(ctx, organization_id, membership_id, "block")
    membership.epoch += 1
    _record(ctx, Event.MEMBERSHIP_BLOCKED, organization_id, membership.account_id, reason=reason)
    return end_membership(ctx, membership.id, membership.account_id, "membership blocked")


def unblock(ctx: Context, organization_id: str, membership_id: str, *, reason: str | None = None) -> None:
    """Lift a block; what ended stays ended.

    :raises Refusal: ``actor.not_allowed``, ``membership.unknown``, ``membership.status`` (status, action).
    """
    membership = _changed(ctx, organization_id, membership_id, "unblock")
    _record(ctx, Event.MEMBERSHIP_UNBLOCKED, organization_id, membership.account_id, reason=reason)


def end(ctx: Context, organization_id: str, membership_id: str, *, reason: str | None = None) -> Ended:
    """End a membership, a request for one, or an invitation; 14 days remain to undo it.

    :raises Refusal: ``actor.not_allowed``, ``membership.unknown``, ``membership.status`` (status, action).
    """
    membership = _changed(ctx, organization_id, membership_id, "end")
    membership.epoch += 1
    membership.ended_at = ctx.now
    membership.restore_until = ctx.now + UNDO
    _record(ctx, Event.MEMBERSHIP_ENDED, organization_id, membership.account_id, reason=reason)
    return end_membership(ctx, membership.id, membership.account_id, "membership ended")


def list_all(ctx: Context, organization_id: str) -> list[MembershipFacts]:
    """Return the memberships of an organisation, ended ones too, oldest first.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    return memberships.of_organization(ctx, organization_id)


def locked(ctx: Context, organization_id: str, membership_id: str) -> Membership:
    """Return a membership of this organisation, fresh; its account and itself stay locked.

    :raises Refusal: ``membership.unknown``, also for one of another organisation (req 91).
    """
    ctx.db.flush()
    mine = select(Membership).where(
        Membership.organization_id == organization_id, Membership.id == membership_id
    )
    owner = select(Account.id).where(Account.id.in_(mine.with_only_columns(Membership.account_id)))
    ctx.db.execute(owner.with_for_update()).all()  # lock order: account, membership, authorization
    fresh = {"populate_existing": True}
    found = ctx.db.execute(mine.with_for_update(), execution_options=fresh).scalar_one_or_none()
    if found is None:
        raise Refusal("membership.unknown")
    return found


def _changed(ctx: Context, organization_id: str, membership_id: str, action: str) -> Membership:
    require_operator(ctx)
    membership = locked(ctx, organization_id, membership_id)
    membership.status = after(membership.status, action)
    membership.version += 1
    membership.changed_at = ctx.now
    membership.changed_by = ctx.actor.id
    return membership


def _begin_again(ctx: Context, organization_id: str, account_id: str, *, role: str, status: str) -> str:
    row = select(Membership).where(
        Membership.organization_id == organization_id, Membership.account_id == account_id
    )
    fresh = {"populate_existing": True}
    membership = ctx.db.execute(row.with_for_update(), execution_options=fresh).scalar_one()
    membership.status = after(membership.status, STARTS[status])
    membership.role = role
    membership.epoch += 1
    membership.version += 1
    membership.changed_at = ctx.now
    membership.changed_by = ctx.actor.id
    membership.ended_at = membership.restore_until = None
    membership.asked_at = None  # whatever its person asked for once, this is somebody's decision
    ctx.db.execute(delete(MembershipPermission).where(MembershipPermission.membership_id == membership.id))
    return membership.id


def _record(
    ctx: Context,
    event: Event,
    organization_id: str,
    account_id: str,
    *,
    new: dict[str, str] | None = None,
    reason: str | None = None,
) -> None:
    target = ("account", account_id)
    record(ctx, event, target=target, organization=organization_id, new=new, reason=reason)
    ctx.db.flush()
