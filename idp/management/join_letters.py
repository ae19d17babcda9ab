"""Letters that bring a company the codes for those who wait for it (design §2, ``posted_code``)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select, update

from idp.accounts.models import ACTIVE as ACCOUNT_ACTIVE
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.management.actors import require_operator
from idp.management.join_codes import issue
from idp.management.organizations import POSTED_CODE
from idp.organizations.models import ACTIVE, PENDING, JoinRequest, Membership, Organization

LONGEST_NAME: Final = 60
"""Signs of a name that a letter shows: whoever asks chose it, and it stands on our paper."""
AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Due:
    """A letter that is to be made."""

    request_id: str
    organization_id: str
    organization: str
    customer_number: str
    address: tuple[str, ...]
    account_id: str
    person: str
    asked_at: datetime
    letter_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """What stands in a letter; its code exists nowhere else in clear."""

    organization: str
    customer_number: str
    address: tuple[str, ...]
    person: str
    asked_at: datetime
    code: str = field(repr=False)
    until: datetime


def due(ctx: Context, organization_id: str | None = None, *, again: bool = False) -> list[Due]:
    """Return the letters to make, the oldest request first; those without an address cannot be made.

    :param again: those that were made before as well.
    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    found = _waiting().limit(AT_ONCE)
    if organization_id is not None:
        found = found.where(Organization.id == organization_id)
    if not again:
        found = found.where(JoinRequest.letter_at.is_(None))
    return [
        Due(
            request_id=request.id,
            organization_id=organization.id,
            organization=organization.name,
            customer_number=organization.customer_number,
            address=tuple(organization.address),
            account_id=account.id,
            person=_shortened(account.name or account.username or ""),
            asked_at=request.asked_at,
            letter_at=request.letter_at,
        )
        for request, organization, account in ctx.db.execute(found)
    ]


def make(ctx: Context, wanted: list[Due]) -> list[Letter]:
    """Make codes for letters and note that they are made; one that somebody else made meanwhile is left out.

    A letter voids the code of the one before, and its reader has all tries again.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    return [letter for one in wanted if (letter := _make(ctx, one)) is not None]


def _make(ctx: Context, one: Due) -> Letter | None:
    if not one.address:
        return None
    as_seen = (
        JoinRequest.letter_at.is_(None) if one.letter_at is None else JoinRequest.letter_at == one.letter_at
    )
    made = ctx.db.execute(
        update(JoinRequest)
        .where(JoinRequest.id == one.request_id, as_seen)
        .values(letter_at=ctx.now, tries=0)
        .returning(JoinRequest.id),
        execution_options={"synchronize_session": False},
    ).first()
    if made is None:
        return None
    code, until = issue(ctx, one.request_id)
    record(
        ctx,
        Event.JOIN_LETTER_CREATED,
        target=("account", one.account_id),
        organization=one.organization_id,
        new={"again": one.letter_at is not None},
    )
    return Letter(
        organization=one.organization,
        customer_number=one.customer_number,
        address=one.address,
        person=one.person,
        asked_at=one.asked_at,
        code=code,
        until=until,
    )


def _waiting() -> Select[*tuple[Any, ...]]:
    return (
        select(JoinRequest, Organization, Account)
        .join(Membership, Membership.id == JoinRequest.membership_id)
        .join(Organization, Organization.id == Membership.organization_id)
        .join(Account, Account.id == Membership.account_id)
        .where(
            Membership.status == PENDING,
            Account.status == ACCOUNT_ACTIVE,
            Organization.status == ACTIVE,
            Organization.join_policy == POSTED_CODE,
        )
        .order_by(JoinRequest.asked_at, JoinRequest.id)
    )


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
