"""Operations on organisations: create, change, suspend, resume (req 23)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.db import new_id
from idp.errors import Refusal
from idp.installation import insert_once
from idp.management.actors import require_operator
from idp.management.ending import Ended, end_membership
from idp.organizations import memberships
from idp.organizations.memberships import normalized_customer_number
from idp.organizations.models import ACTIVE, BLOCKED, Membership, Organization

# At most 31 characters: a number can never look like an id.
_CUSTOMER_NUMBER: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9./-]{0,29}[A-Z0-9])?")
ADMIN_APPROVAL, POSTED_CODE, NUMBER_ONLY = "admin_approval", "posted_code", "number_only"
JOIN_POLICIES: Final = (ADMIN_APPROVAL, POSTED_CODE, NUMBER_ONLY)

#: what fits into the window of an envelope under a name of two lines (DIN 5008)
_ADDRESS_LINES: Final = 4
_ADDRESS_SIGNS: Final = 40


@dataclass(frozen=True, slots=True)
class OrganizationFacts:
    """An organisation as lists show it."""

    id: str
    name: str
    customer_number: str
    status: str
    require_second_factor: bool
    created_at: datetime
    join_policy: str
    address: list[str]


def create(
    ctx: Context,
    *,
    name: str,
    customer_number: str,
    join_policy: str | None = None,
    require_second_factor: bool = False,
    address: Sequence[str] = (),
) -> str:
    """Create an organisation and return its id.

    :param join_policy: None means the installation's, ``organizations.join``.
    :param address: lines under its name on a letter.
    :raises Refusal: ``actor.not_allowed``, ``organization.name``, ``customer.format``, ``customer.taken``,
        ``organization.join_policy``, ``organization.address``.
    """
    require_operator(ctx)
    if join_policy is None:
        join_policy = ctx.settings.organizations.join
    if join_policy not in JOIN_POLICIES:
        raise Refusal("organization.join_policy", join_policy=join_policy)
    number = checked_customer_number(customer_number)
    values = {
        "id": new_id(),
        "name": checked_name(name),
        "customer_number": number,
        "join_policy": join_policy,
        "require_second_factor": require_second_factor,
        "address": checked_address(address),
        "created_at": ctx.now,
    }
    if not insert_once(ctx.db, Organization.metadata.tables["organization"], values):
        raise Refusal("customer.taken", customer_number=number)
    record(
        ctx,
        Event.ORGANIZATION_CREATED,
        target=("organization", str(values["id"])),
        organization=str(values["id"]),
        new={"name": name, "customer_number": number},
    )
    return str(values["id"])


def change(
    ctx: Context,
    organization_id: str,
    *,
    name: str | None = None,
    require_second_factor: bool | None = None,
    join_policy: str | None = None,
    address: Sequence[str] | None = None,
) -> list[str]:
    """Change what is named and return the fields that differed.

    :raises Refusal: ``actor.not_allowed``, ``organization.unknown``, ``organization.name``,
        ``organization.join_policy``, ``organization.address``.
    """
    require_operator(ctx)
    if join_policy is not None and join_policy not in JOIN_POLICIES:
        raise Refusal("organization.join_policy", join_policy=join_policy)
    organization = locked(ctx, organization_id)
    wanted = {
        "name": None if name is None else checked_name(name),
        "require_second_factor": require_second_factor,
        "join_policy": join_policy,
        "address": None if address is None else checked_address(address),
    }
    new: dict[str, Any] = {k: v for k, v in wanted.items() if v is not None and v != getattr(organization, k)}
    if not new:
        return []
    old = {field: getattr(organization, field) for field in new}
    for field, value in new.items():
        setattr(organization, field, value)
    organization.version += 1
    _record(ctx, Event.ORGANIZATION_CHANGED, organization, old=old, new=new)
    return sorted(new)


def suspend(ctx: Context, organization_id: str, *, reason: str | None = None) -> Ended:
    """Suspend an organisation: everything issued for it ends, its members act for it no more (req 23).

    :raises Refusal: ``actor.not_allowed``, ``organization.unknown``, ``organization.status`` (status).
    """
    require_operator(ctx)
    members = select(Membership.account_id).where(Membership.organization_id == organization_id)
    accounts = select(Account.id).where(Account.id.in_(members)).order_by(Account.id)
    ctx.db.execute(accounts.with_for_update()).all()  # lock order: account, membership, authorization
    organization = locked(ctx, organization_id)
    _change_status(organization, ACTIVE, BLOCKED)
    _record(ctx, Event.ORGANIZATION_SUSPENDED, organization, reason=reason)
    ended = Ended()
    for member in memberships.of_organization(ctx, organization_id):
        ended += end_membership(ctx, member.id, member.account_id, "organization suspended")
    return ended


def resume(ctx: Context, organization_id: str, *, reason: str | None = None) -> None:
    """Let the members of a suspended organisation act for it again; what ended stays ended.

    :raises Refusal: ``actor.not_allowed``, ``organization.unknown``, ``organization.status`` (status).
    """
    require_operator(ctx)
    organization = locked(ctx, organization_id)
    _change_status(organization, BLOCKED, ACTIVE)
    _record(ctx, Event.ORGANIZATION_RESUMED, organization, reason=reason)


def find(ctx: Context, number_or_id: str) -> OrganizationFacts:
    """Return the organisation with this customer number or id.

    :raises Refusal: ``actor.not_allowed``, ``organization.unknown``.
    """
    require_operator(ctx)
    number = normalized_customer_number(number_or_id)
    wanted = (Organization.id == number_or_id) | (Organization.customer_number == number)
    organization = ctx.db.scalars(select(Organization).where(wanted)).one_or_none()
    if organization is None:
        raise Refusal("organization.unknown")
    return _facts(organization)


def find_id(ctx: Context, customer_number: str) -> str | None:
    """Return the id of the organisation with this customer number, or None.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    number = normalized_customer_number(customer_number)
    return ctx.db.scalar(select(Organization.id).where(Organization.customer_number == number))


def list_all(ctx: Context, *, after: str = "", limit: int = 100) -> list[OrganizationFacts]:
    """Return organisations in the order of their creation.

    :param after: the id of the last one of the page before.
    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    page = select(Organization).where(Organization.id > after).order_by(Organization.id)
    return [_facts(row) for row in ctx.db.scalars(page.limit(min(limit, 100)))]


def locked(ctx: Context, organization_id: str) -> Organization:
    """Return an organisation, fresh and locked until the transaction ends.

    :raises Refusal: ``organization.unknown``.
    """
    ctx.db.flush()
    row = select(Organization).where(Organization.id == organization_id).with_for_update()
    organization = ctx.db.execute(row, execution_options={"populate_existing": True}).scalar_one_or_none()
    if organization is None:
        raise Refusal("organization.unknown")
    return organization


def checked_customer_number(text: str) -> str:
    """Return a customer number as it is stored.

    :raises Refusal: ``customer.format``.
    """
    number = normalized_customer_number(text)
    if not _CUSTOMER_NUMBER.fullmatch(number):
        raise Refusal("customer.format")
    return number


def checked_name(name: str) -> str:
    """Return a name that pages can show.

    :raises Refusal: ``organization.name``.
    """
    if not name.strip() or name != name.strip() or len(name) > 255 or not name.isprintable():
        raise Refusal("organization.name")
    return name


def checked_address(lines: Sequence[str]) -> list[str]:
    """Return the lines of an address as a letter can have them; no line means no letters.

    :raises Refusal: ``organization.address``.
    """
    found = [line.strip() for line in lines]
    if len(found) > _ADDRESS_LINES or any(
        not line or len(line) > _ADDRESS_SIGNS or not line.isprintable() for line in found
    ):
        raise Refusal("organization.address", lines=_ADDRESS_LINES, signs=_ADDRESS_SIGNS)
    return found


def _change_status(organization: Organization, old: str, new: str) -> None:
    if organization.status != old:
        raise Refusal("organization.status", status=organization.state)
    organization.status = new
    organization.version += 1


def _record(
    ctx: Context,
    event: Event,
    organization: Organization,
    *,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    target = ("organization", organization.id)
    record(ctx, event, target=target, organization=organization.id, old=old, new=new, reason=reason)
    ctx.db.flush()


def _facts(row: Organization) -> OrganizationFacts:
    return OrganizationFacts(
        id=row.id,
        name=row.name,
        customer_number=row.customer_number,
        status=row.state,
        require_second_factor=row.require_second_factor,
        created_at=row.created_at,
        join_policy=row.join_policy,
        address=row.address,
    )
