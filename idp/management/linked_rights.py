"""What linking an old account brings in a company: a membership and mapped permissions, and their undoing.

An import says who belonged to a company; the company's own decisions are newer and stand (req 90, 92):

- a membership begins only where there is none, where the one there was ended when a link was undone, or where
  its person asked for it by a customer number, for the first time, and nobody has answered;
- one that waits otherwise, is blocked or was ended by somebody stays as it is, and gets no permissions;
- none begins by an old account that somebody had linked before who was blocked or put out since: a second
  account is no way around that;
- a permission counts only while the company holds it, and one that somebody withdrew from this person, or
  from who had linked the old account before, does not come back.

What a link changed is kept in its row, so that undoing it takes away this and nothing else.  What a second
link would have brought as well passes to that one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import Table, delete, or_, select

from idp.accounts.legacy.directory import LegacyIdentity
from idp.accounts.legacy.models import LegacyLink
from idp.accounts.models import BLOCKED as ACCOUNT_BLOCKED
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record, tail
from idp.context import Context
from idp.db import new_id
from idp.installation import insert_once
from idp.management import organizations
from idp.management.ending import Ended, end_membership
from idp.oidc.models import Client
from idp.organizations import roles
from idp.organizations.memberships import MEMBER, after, normalized_customer_number
from idp.organizations.models import (
    ACTIVE,
    BLOCKED,
    ENDED,
    PENDING,
    Membership,
    MembershipPermission,
    Organization,
    OrganizationPermission,
    Permission,
)

_LATEST_WITHDRAWALS: Final = 100


@dataclass(slots=True)
class Changes:
    """What a link changed, by ids; the column ``legacy_link.changes``."""

    organization: str | None = None
    membership: str | None = None
    #: the membership began with the link
    begun: bool = False
    #: the company became the person's home with the link
    home: bool = False
    #: permissions that the old account stands for, had before or not
    mapped: list[str] = field(default_factory=list)
    #: those of them that the link gave
    granted: list[str] = field(default_factory=list)
    #: undoing the link ended the membership: what was ended otherwise is somebody's decision
    ended: bool = False

    def document(self) -> dict[str, Any]:
        """Return what is stored."""
        return asdict(self)


def grant(
    ctx: Context,
    account: Account,
    legacy_account_id: str,
    identity: LegacyIdentity,
    permission_map: Mapping[str, Mapping[str, Sequence[str]]],
) -> Changes:
    """Bring a person, whose account is locked, what an old account stands for; returns what changed.

    Permissions of the old portal without a mapping are left out.
    """
    organization = _organization(ctx, identity.customer_number)
    if organization is None:
        return Changes()
    changes = Changes(organization=organization.id)
    membership = _locked_membership(ctx, account.id, organization.id)
    before = _linked_before(ctx, legacy_account_id)
    if _may_begin(ctx, membership) and not _put_out(ctx, organization.id, before):
        membership = _begin(ctx, membership, account.id, organization.id)
        changes.begun = True
        if account.home_organization_id is None:
            account.home_organization_id = organization.id
            changes.home = True
    elif membership is None or membership.status != ACTIVE:
        return changes
    changes.membership = membership.id
    wanted = _wanted(ctx, organization.id, {account.id, *before}, identity.permissions, permission_map)
    changes.mapped = sorted(permission_id for found in wanted.values() for permission_id in found.values())
    for client_id, found in wanted.items():
        given = [key for key, one in found.items() if _give(ctx, membership.id, one, account.id)]
        changes.granted += [found[key] for key in given]
        if given:
            _record(ctx, Event.PERMISSION_GRANTED, organization.id, account.id, client=client_id, new=given)
    if changes.granted:
        membership.version += 1
        membership.changed_at = ctx.now
        membership.changed_by = account.id
    ctx.db.flush()
    return changes


def take_back(ctx: Context, account: Account, link: LegacyLink, others: Sequence[LegacyLink]) -> Ended:
    """Undo what a link changed; returns what ended with it.

    :param link: undone already; its account is locked.
    :param others: the person's other links that stand.
    """
    changes = Changes(**link.changes)
    if changes.membership is None or changes.organization is None:
        return Ended()
    membership = _locked_membership(ctx, account.id, changes.organization)
    if membership is None:
        return Ended()
    heirs = [(other, Changes(**other.changes)) for other in others]
    heirs = [(other, theirs) for other, theirs in heirs if theirs.membership == membership.id]
    gone = [one for one in changes.granted if not _inherited(one, heirs)]
    if heirs and changes.begun:
        heirs[0][1].begun, heirs[0][1].home = True, heirs[0][1].home or changes.home
    for other, theirs in heirs:
        other.changes = theirs.document()
    _take(ctx, membership.id, gone, account.id)
    membership.version += 1
    membership.changed_at = ctx.now
    ctx.db.flush()
    ends = changes.begun and not heirs and (membership.status, membership.role) == (ACTIVE, MEMBER)
    if not ends:
        return Ended()
    # who is blocked does not leave: a block outlasts the account, which may be deleted meanwhile
    changes.ended = ACCOUNT_BLOCKED not in (account.status, account.restore_status)
    link.changes = changes.document()
    return _end(ctx, account, membership, changes)


def _organization(ctx: Context, customer_number: str | None) -> Organization | None:
    """Return the company of a customer number, locked, if it is ours and active."""
    number = normalized_customer_number(customer_number or "")
    found = ctx.db.scalar(select(Organization.id).where(Organization.customer_number == number))
    if not number or found is None:
        return None
    organization = organizations.locked(ctx, found)
    return organization if organization.status == ACTIVE else None


def _locked_membership(ctx: Context, account_id: str, organization_id: str) -> Membership | None:
    mine = select(Membership).where(
        Membership.account_id == account_id, Membership.organization_id == organization_id
    )
    fresh = {"populate_existing": True}
    return ctx.db.execute(mine.with_for_update(), execution_options=fresh).scalar_one_or_none()


def _may_begin(ctx: Context, membership: Membership | None) -> bool:
    """Tell whether nobody has decided about a person in a company; each end raises the epoch."""
    if membership is None:
        return True
    if membership.status == PENDING:
        return membership.asked_at is not None and membership.epoch == 1
    return membership.status == ENDED and _ended_by_undo(ctx, membership)


def _ended_by_undo(ctx: Context, membership: Membership) -> bool:
    undone = select(LegacyLink.changes).where(
        LegacyLink.account_id == membership.account_id, LegacyLink.undone_at == membership.ended_at
    )
    return any(changes.get("ended") for changes in ctx.db.scalars(undone))


def _linked_before(ctx: Context, legacy_account_id: str) -> list[str]:
    """Return the accounts that an old account was linked to until it was freed."""
    before = select(LegacyLink.account_id).where(LegacyLink.legacy_account_id == legacy_account_id)
    return list(ctx.db.scalars(before.distinct()))


def _put_out(ctx: Context, organization_id: str, account_ids: Sequence[str]) -> bool:
    """Tell whether one of these accounts is blocked, or was blocked or put out of a company (req 23; C7)."""
    blocked = select(Account.id).where(
        Account.id.in_(account_ids),
        or_(Account.status == ACCOUNT_BLOCKED, Account.restore_status == ACCOUNT_BLOCKED),
    )
    if ctx.db.scalar(blocked.limit(1)) is not None:
        return True
    theirs = select(Membership).where(
        Membership.account_id.in_(account_ids),
        Membership.organization_id == organization_id,
        Membership.status.in_([BLOCKED, ENDED]),
    )
    return any(one.status == BLOCKED or not _ended_by_undo(ctx, one) for one in ctx.db.scalars(theirs))


def _begin(ctx: Context, membership: Membership | None, account_id: str, organization_id: str) -> Membership:
    if membership is None:
        roles.exists(ctx.db, MEMBER)  # makes the roles of a new installation
        membership = Membership(
            id=new_id(),
            account_id=account_id,
            organization_id=organization_id,
            epoch=1,
            version=1,
            created_at=ctx.now,
        )
        ctx.db.add(membership)
    else:
        table = MembershipPermission.metadata.tables["membership_permission"]
        ctx.db.execute(delete(table).where(table.c.membership_id == membership.id))
        membership.epoch += 1
        membership.version += 1
    # the old account says what an approval would have
    membership.status = after(membership.status or "", "activate" if membership.status == PENDING else "add")
    membership.role = MEMBER
    membership.changed_at, membership.changed_by = ctx.now, account_id
    membership.ended_at = membership.restore_until = None
    ctx.db.flush()
    new = {"role": MEMBER, "status": ACTIVE}
    _record(ctx, Event.MEMBERSHIP_CREATED, organization_id, account_id, new=new, reason="old account linked")
    return membership


def _wanted(
    ctx: Context,
    organization_id: str,
    account_ids: Collection[str],
    names: Sequence[str],
    permission_map: Mapping[str, Mapping[str, Sequence[str]]],
) -> dict[str, dict[str, str]]:
    """Return client → key → id of what the names stand for, the company holds and nobody withdrew."""
    mapped: dict[str, set[str]] = {}
    for name in names:
        for client_id, keys in permission_map.get(name, {}).items():
            mapped.setdefault(client_id, set()).update(keys)
    for account_id in account_ids if mapped else []:
        for client_id, keys in _withdrawn(ctx, organization_id, account_id):
            mapped.get(client_id, set()).difference_update(keys)
    held = (
        select(Client.client_id, Permission.key, Permission.id)
        .join(Permission, Permission.client_id == Client.id)
        .join(OrganizationPermission, OrganizationPermission.permission_id == Permission.id)
        .where(OrganizationPermission.organization_id == organization_id, Client.client_id.in_(mapped))
        .order_by(Client.client_id, Permission.position, Permission.key)
        .with_for_update(of=OrganizationPermission, read=True)
    )
    wanted: dict[str, dict[str, str]] = {}
    for client_id, key, permission_id in ctx.db.execute(held) if mapped else []:
        if key in mapped[client_id]:
            wanted.setdefault(client_id, {})[key] = permission_id
    return wanted


def _withdrawn(ctx: Context, organization_id: str, account_id: str) -> list[tuple[str, list[str]]]:
    """Return what was withdrawn from a person in a company, as the audit log remembers it."""
    ctx.db.flush()
    entries = tail(
        ctx,
        limit=_LATEST_WITHDRAWALS,
        organization=organization_id,
        account=account_id,
        event=Event.PERMISSION_WITHDRAWN,
    )
    return [(entry.client or "", list(entry.new or [])) for entry in entries if entry.target_id == account_id]


def _give(ctx: Context, membership_id: str, permission_id: str, account_id: str) -> bool:
    values = {
        "membership_id": membership_id,
        "permission_id": permission_id,
        "granted_at": ctx.now,
        "granted_by": account_id,
    }
    return insert_once(ctx.db, _granted(), values)


def _inherited(permission_id: str, heirs: Sequence[tuple[LegacyLink, Changes]]) -> bool:
    """Tell whether another link stands for a permission too, and let it have it."""
    for _, theirs in heirs:
        if permission_id in theirs.mapped:
            theirs.granted.append(permission_id)
            return True
    return False


def _take(ctx: Context, membership_id: str, ids: Sequence[str], account_id: str) -> None:
    """Take away what the person's links gave; what somebody granted anew since is not theirs."""
    table = _granted()
    ctx.db.execute(
        delete(table).where(
            table.c.membership_id == membership_id,
            table.c.permission_id.in_(ids),
            table.c.granted_by == account_id,
        )
    )


def _end(ctx: Context, account: Account, membership: Membership, changes: Changes) -> Ended:
    membership.status = after(membership.status, "end")
    membership.epoch += 1
    membership.changed_by = ctx.actor.id
    # the same moment as the link's undoing: linking again may begin it again
    membership.ended_at, membership.restore_until = ctx.now, None
    if changes.home and account.home_organization_id == changes.organization:
        account.home_organization_id = None
    _record(ctx, Event.MEMBERSHIP_ENDED, membership.organization_id, account.id, reason="link undone")
    return end_membership(ctx, membership.id, account.id, "link undone")


def _granted() -> Table:
    return MembershipPermission.metadata.tables["membership_permission"]


def _record(ctx: Context, event: Event, organization_id: str, account_id: str, **facts: Any) -> None:
    record(ctx, event, target=("account", account_id), organization=organization_id, **facts)
    ctx.db.flush()
