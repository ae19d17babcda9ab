"""Memberships: which changes of status exist, and what the rest of the product reads about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, or_, select

from idp.context import Context
from idp.errors import Refusal
from idp.organizations.models import ACTIVE, BLOCKED, ENDED, INVITED, PENDING, Membership, Organization
from idp.prepared import Prepared

ADMINISTRATOR: Final = "administrator"
MEMBER: Final = "member"

#: (status, action) → status after it; "" is "no membership yet".  What is missing here is refused.
#: A request or invitation is declined by ending it: blocking one would let "unblock" skip the approval.
TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    ("", "invite"): INVITED,
    ("", "request"): PENDING,
    ("", "add"): ACTIVE,
    (ENDED, "invite"): INVITED,
    (ENDED, "request"): PENDING,
    (ENDED, "add"): ACTIVE,
    (INVITED, "accept"): ACTIVE,
    (PENDING, "activate"): ACTIVE,
    (ACTIVE, "block"): BLOCKED,
    (BLOCKED, "unblock"): ACTIVE,
    (INVITED, "end"): ENDED,
    (PENDING, "end"): ENDED,
    (ACTIVE, "end"): ENDED,
    (BLOCKED, "end"): ENDED,
}

STARTS: Final = {INVITED: "invite", PENDING: "request", ACTIVE: "add"}
"""First status of a membership → the action that gives it."""


@dataclass(frozen=True, slots=True)
class MembershipFacts:
    """A membership with what is known of its organisation, as one statement read it."""

    id: str
    account_id: str
    status: str
    epoch: int
    version: int
    role: str
    organization_id: str
    organization_name: str
    customer_number: str
    organization_status: str
    organization_version: int
    #: the organisation demands a second factor of everyone who acts for it
    require_second_factor: bool = False


def after(status: str, action: str) -> str:
    """Return the status a membership has after an action.

    :raises Refusal: ``membership.status`` (status, action) when the action does not exist in this status.
    """
    try:
        return TRANSITIONS[status, action]
    except KeyError:
        raise Refusal("membership.status", status=status, action=action) from None


def normalized_customer_number(text: str) -> str:
    """Return a customer number as it is stored: without the printed leading D, without spaces."""
    compact = "".join(text.split()).upper()
    return compact[1:] if compact[:1] == "D" and compact[1:].isdigit() else compact


_FACTS: Final[Select[*tuple[Any, ...]]] = (
    select(
        Membership.id,
        Membership.account_id,
        Membership.status,
        Membership.epoch,
        Membership.version,
        Membership.role,
        Organization.id,
        Organization.name,
        Organization.customer_number,
        Organization.status,
        Organization.version,
        Organization.require_second_factor,
    )
    .join(Organization, Organization.id == Membership.organization_id)
    .order_by(Organization.name, Membership.id)
)


MAY_BE_KNOWN: Final = or_(Membership.status != PENDING, Membership.asked_at.is_(None))
"""Who typed a customer number must not learn from what waits that the number is one, nor whose (req 59)."""


def of_owner(account_id: ColumnElement[str]) -> Select[*tuple[Any, ...]]:
    """Return the statement whose rows :func:`facts` takes, for the account that an expression names."""
    return _FACTS.where(Membership.account_id == account_id, MAY_BE_KNOWN)


_OF_ACCOUNT: Final = Prepared(of_owner(bindparam("account_id")))


def facts(rows: Iterable[Iterable[Any]]) -> list[MembershipFacts]:
    """Return what rows tell."""
    return [MembershipFacts(*row) for row in rows]


def for_account(ctx: Context, account_id: str) -> list[MembershipFacts]:
    """Return the memberships an account may know of, ended ones too, ordered by the organisation's name.

    Those that wait because somebody typed a customer number are left out: ``management.joining`` shows the
    number in their place.
    """
    return facts(_OF_ACCOUNT.rows(ctx.db, account_id=account_id))


def find(ctx: Context, membership_id: str) -> MembershipFacts | None:
    """Return one membership, or None."""
    found = facts(ctx.db.execute(_FACTS.where(Membership.id == membership_id)))
    return found[0] if found else None


def of_organization(ctx: Context, organization_id: str) -> list[MembershipFacts]:
    """Return all memberships of an organisation, ended ones too, oldest first."""
    mine = _FACTS.where(Membership.organization_id == organization_id)
    return facts(ctx.db.execute(mine.order_by(None).order_by(Membership.id)))
