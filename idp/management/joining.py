"""Joining a company by its customer number (design §2, Customer number; screens R-04, R-05; req 59; C4, C5).

Two steps, so that nothing is counted inside a transaction::

    joining.admit(ctx, account_id, typed)         # no transaction: checks the form of the number, counts
    asked = joining.ask(ctx, account_id, typed)   # all that changes, in one transaction

Customer numbers stand on letterheads, and who tries them one after another must not learn which of them are
ours or whose they are.  So a request is a row for every number, its statements are the same ones whether a
company has the number or not, and what waits is shown to its own person as the number that was typed, never
as a company.  Those who decide are told by the worker (``idp.management.join_notices``).  Only under
``number_only``, while the company has no administrator, does the number itself open the access.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Table, and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.accounts.models import ACTIVE as ACCOUNT_ACTIVE
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.db import delete_batch, new_id
from idp.errors import Refusal
from idp.management import accounts
from idp.management.actors import require_person_or_operator
from idp.management.organizations import NUMBER_ONLY, checked_customer_number
from idp.organizations import roles
from idp.organizations.memberships import ADMINISTRATOR, MEMBER
from idp.organizations.models import (
    ACTIVE,
    ENDED,
    PENDING,
    JoinRequest,
    Membership,
    MembershipPermission,
    Organization,
)

REQUEST_LASTS: Final = timedelta(days=90)
"""How long a number is shown as waiting that nobody answers for."""

SENT: Final = "sent"
JOINED: Final = "joined"
ALREADY_MEMBER: Final = "already_member"


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking came to.

    :param outcome: ``sent`` for every number, known or not; ``joined`` where the number alone is enough;
        ``already_member``.
    :param membership_id: known for the last two only.
    """

    outcome: Literal["sent", "joined", "already_member"]
    customer_number: str
    membership_id: str | None = None
    organization_name: str | None = None


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A customer number that waits for an answer, as its own person may see it."""

    customer_number: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class _Company:
    """The company that has a number, and what the person is there."""

    id: str
    name: str
    join_policy: str
    has_administrator: bool
    membership_id: str | None
    membership_status: str | None


def admit(ctx: Context, account_id: str, typed: str) -> None:
    """Check the form of a customer number and count the try; needs no transaction, must not be inside one.

    :raises Refusal: ``customer.format``, ``customer.unlike``; ``join.throttled`` (until).
    """
    understood(ctx, typed)
    ctx.throttle.join_try("number", account_id=account_id, ip=ctx.origin.ip, now=ctx.now)


def ask(ctx: Context, account_id: str, typed: str) -> Asked:
    """Ask the company of a customer number, if there is one, to let a person in.

    Asked again, nothing is begun twice.  Who was blocked stays so and hears the same as everybody.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status);
        ``customer.format``, ``customer.unlike``.
    """
    require_person_or_operator(ctx, account_id)
    number = understood(ctx, typed)
    account = accounts.locked(ctx, account_id)
    if account.status != ACCOUNT_ACTIVE:
        raise Refusal("account.status", status=account.status)
    found = _company(ctx, account_id, checked_customer_number(typed), number)
    if found is not None and found.membership_status == ACTIVE:
        return Asked(ALREADY_MEMBER, number, found.membership_id, found.name)
    if found is not None and _number_is_enough(found):
        return _join(ctx, account, number, found)
    roles.exists(ctx.db, MEMBER)  # makes the roles of a new installation
    begun = _put(ctx, account_id, found.id if found else "", PENDING)
    _forget_permissions(ctx, begun)
    waiting = found.membership_id if found and found.membership_status == PENDING else None
    _note(ctx, account_id, number, begun or waiting, anew=begun is not None)
    record(
        ctx,
        Event.MEMBERSHIP_REQUESTED,
        target=("account", account_id),
        organization=found.id if found else None,
        new={"customer_number": number},
    )
    ctx.db.flush()
    return Asked(SENT, number)


def withdraw(ctx: Context, account_id: str, customer_number: str) -> bool:
    """Take a person's request back; False, and nothing done, where it waits no more.

    Statements are the same ones whether a company has the number or not.  A membership that began with the
    request goes with it: ended, it would tell its person whose the number is (req 59).  One that there was
    before ends again, and what somebody else began waits on.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``.
    """
    require_person_or_operator(ctx, account_id)
    accounts.locked(ctx, account_id)  # as by whoever decides
    found = next((row for row in _open(ctx, account_id) if row.customer_number == customer_number), None)
    if found is None:
        return False
    ctx.db.execute(delete(JoinRequest).where(JoinRequest.id == found.id), execution_options=_BULK)
    # asked once more while its company was suspended, the request has lost sight of what waits
    named = select(Organization.id).where(Organization.customer_number == customer_number)
    waiting = (
        Membership.account_id == account_id,
        or_(Membership.id == (found.membership_id or ""), Membership.organization_id.in_(named)),
        Membership.status == PENDING,
        Membership.asked_at.is_not(None),
    )
    begun_by_it = delete(Membership).where(*waiting, Membership.epoch == 1)
    ctx.db.execute(begun_by_it, execution_options=_BULK)
    end = {
        "status": ENDED,
        "epoch": Membership.epoch + 1,
        "version": Membership.version + 1,
        "changed_at": ctx.now,
        "changed_by": ctx.actor.id,
        "ended_at": func.coalesce(Membership.ended_at, literal(ctx.now, Membership.ended_at.type)),
    }
    ctx.db.execute(update(Membership).where(*waiting).values(end), execution_options=_BULK)
    record(
        ctx,
        Event.MEMBERSHIP_REQUEST_WITHDRAWN,
        target=("account", account_id),
        organization=found.organization_id,
        new={"customer_number": customer_number},
    )
    ctx.db.flush()
    return True


def open_requests(ctx: Context, account_id: str) -> list[OpenRequest]:
    """Return the numbers of a person that wait, the newest first; a number nobody has waits as well."""
    return [OpenRequest(row.customer_number, row.asked_at) for row in _open(ctx, account_id)]


def purge(ctx: Context, limit: int) -> int:
    """Remove up to *limit* requests that are shown no more."""
    return delete_batch(ctx.db, JoinRequest, JoinRequest.asked_at < ctx.now - REQUEST_LASTS, limit)


def understood(ctx: Context, typed: str) -> str:
    """Return the number somebody means: without the printed D, blanks and leading zeros.

    :raises Refusal: ``customer.format`` where it has not the nine digits of a customer number,
        ``customer.unlike`` where this installation's numbers look otherwise.
    """
    digits = ctx.settings.organizations.number_digits
    refusal = Refusal("customer.format" if digits == _NINE else "customer.unlike")
    try:
        number = checked_customer_number(typed)
    except Refusal:
        raise refusal from None
    plain = number.isascii() and number.isdigit()
    if plain:  # a zero in front stands on some letters; where the length is known, no more than is too many
        too_many = len(number) if digits is None else len(number) - digits
        number = re.sub(f"^0{{0,{max(too_many, 0)}}}", "", number)
    if not number.strip("0") or (digits is not None and not (plain and len(number) == digits)):
        raise refusal
    return number


def can_be_typed(ctx: Context, customer_number: str) -> bool:
    """Tell whether a person who types a number that a company has would find the company."""
    try:
        return bool(understood(ctx, customer_number))
    except Refusal:
        return False


_NINE: Final = 9
_BULK: Final = {"synchronize_session": False}


def _open(ctx: Context, account_id: str) -> list[Any]:
    waiting = (
        select(
            JoinRequest.id,
            JoinRequest.customer_number,
            JoinRequest.asked_at,
            JoinRequest.membership_id,
            Membership.organization_id,
        )
        .outerjoin(Membership, Membership.id == JoinRequest.membership_id)
        .where(
            JoinRequest.account_id == account_id,
            JoinRequest.asked_at > ctx.now - REQUEST_LASTS,
            or_(JoinRequest.membership_id.is_(None), Membership.status == PENDING),
        )
        .order_by(JoinRequest.asked_at.desc(), JoinRequest.id.desc())
    )
    return list(ctx.db.execute(waiting))


def _company(ctx: Context, account_id: str, typed: str, number: str) -> _Company | None:
    """Return the company that has a number and is not suspended, and what the person is there."""
    administrator = exists().where(
        Membership.organization_id == Organization.id,
        Membership.role == ADMINISTRATOR,
        Membership.status == ACTIVE,
    )
    mine = and_(Membership.organization_id == Organization.id, Membership.account_id == account_id)
    found = ctx.db.execute(
        select(
            Organization.id,
            Organization.name,
            Organization.join_policy,
            administrator.correlate(Organization),
            Membership.id,
            Membership.status,
        )
        .outerjoin(Membership, mine)
        .where(Organization.customer_number.in_({typed, number}), Organization.status == ACTIVE)
        .order_by((Organization.customer_number == typed).desc())
    ).first()
    return None if found is None else _Company(*found)


def _number_is_enough(found: _Company) -> bool:
    """Whoever was there before and was put out, or waits, is let in by somebody, not by the number."""
    return (
        found.join_policy == NUMBER_ONLY and not found.has_administrator and found.membership_status is None
    )


def _join(ctx: Context, account: Account, number: str, found: _Company) -> Asked:
    roles.exists(ctx.db, MEMBER)
    membership_id = _put(ctx, account.id, found.id, ACTIVE)
    if membership_id is None:  # the account is held: only an operator's command came between
        raise Refusal("membership.status", status=ACTIVE, action="add")
    if account.home_organization_id is None:
        account.home_organization_id = found.id
    facts = {"role": MEMBER, "status": ACTIVE, "customer_number": number}
    target = ("account", account.id)
    reason = "customer number"
    record(ctx, Event.MEMBERSHIP_CREATED, target=target, organization=found.id, new=facts, reason=reason)
    ctx.db.flush()
    return Asked(JOINED, number, membership_id, found.name)


def _put(ctx: Context, account_id: str, organization_id: str, status: str) -> str | None:
    """Begin a membership where there is none or an ended one, and return its id; one statement for all.

    It inserts what it selects, so that it is the same statement for a company that does not exist.
    """
    columns = _membership().c
    values = {
        "id": new_id(),
        "account_id": account_id,
        "role": MEMBER,
        "status": status,
        "epoch": 1,
        "version": 1,
        "created_at": ctx.now,
        "changed_at": ctx.now,
        "changed_by": ctx.actor.id,
        "asked_at": ctx.now if status == PENDING else None,
    }
    chosen = [literal(value, columns[name].type) for name, value in values.items()]
    source = select(*chosen, Organization.id).where(Organization.id == organization_id)
    again = {name: values[name] for name in ("role", "status", "changed_at", "changed_by", "asked_at")}
    again |= {"epoch": columns.epoch + 1, "version": columns.version + 1}
    # kept while it waits: taken back, it has ended as before, by whoever ended it (decision 72)
    again["ended_at"] = columns.ended_at if status == PENDING else None
    statement = (
        _insert(ctx)(_membership())
        .from_select([*values, "organization_id"], source)
        .on_conflict_do_update(
            index_elements=["account_id", "organization_id"],
            set_=again | {"restore_until": None},
            where=columns.status == ENDED,
        )
        .returning(columns.id)
    )
    row = ctx.db.execute(statement).first()
    return None if row is None else str(row[0])


def _forget_permissions(ctx: Context, membership_id: str | None) -> None:
    """What somebody had before an end is not what he asks for."""
    table = MembershipPermission.metadata.tables["membership_permission"]
    ctx.db.execute(delete(table).where(table.c.membership_id == (membership_id or "")))


def _note(ctx: Context, account_id: str, number: str, membership_id: str | None, *, anew: bool) -> None:
    """Keep what was asked; asked once more while it waits, it stays as old as it is."""
    table = JoinRequest.metadata.tables["join_request"]
    first = {
        "id": new_id(),
        "account_id": account_id,
        "customer_number": number,
        "membership_id": membership_id,
        "asked_at": ctx.now,
        "tries": 0,
    }
    changes: dict[str, Any] = {"membership_id": membership_id}
    if anew:
        changes |= {"asked_at": ctx.now, "told_at": None, "letter_at": None, "tries": 0}
    ctx.db.execute(
        _insert(ctx)(table)
        .values(first)
        .on_conflict_do_update(index_elements=["account_id", "customer_number"], set_=changes)
    )


def _insert(ctx: Context) -> Any:
    return postgresql.insert if ctx.db.get_bind().dialect.name == "postgresql" else sqlite.insert


def _membership() -> Table:
    return Membership.metadata.tables["membership"]
