"""Codes of letters: who has one has been handed the company's post (design §2, Customer number; req 22, 59).

A code belongs to one request of one person.  It is stored keyed; a new one voids the old.  Tries are counted
at the requests, which numbers nobody has have as well, so that a wrong code tells nothing about a number.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update

from idp.accounts.models import ACTIVE as ACCOUNT_ACTIVE
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.db import new_id
from idp.errors import Refusal
from idp.flows.models import OneTimeSecret
from idp.management import accounts
from idp.management.actors import require_person_or_operator
from idp.management.joining import REQUEST_LASTS
from idp.organizations.memberships import after
from idp.organizations.models import ACTIVE, PENDING, JoinRequest, Membership, Organization
from idp.prepared import insert_rows

PURPOSE: Final = "join_code"
LIFETIME: Final = timedelta(days=30)
TRIES: Final = 5
#: no vowels, so no words; no digits, so nothing looks like a letter
SIGNS: Final = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH: Final = 12
_GROUP: Final = 4
_BULK: Final = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Joined:
    """The company that a code opened."""

    membership_id: str
    organization_name: str


def issue(ctx: Context, request_id: str) -> tuple[str, datetime]:
    """Return a new code in groups, the only time it exists in clear, and until when it counts."""
    ctx.db.execute(
        update(OneTimeSecret)
        .where(
            OneTimeSecret.purpose == PURPOSE,
            OneTimeSecret.target == request_id,
            OneTimeSecret.used_at.is_(None),
        )
        .values(used_at=ctx.now),
        execution_options=_BULK,
    )
    code = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
    row = {
        "id": new_id(),
        "purpose": PURPOSE,
        "hash": _hash(ctx, request_id, code),
        "target": request_id,
        "created_at": ctx.now,
        "expires_at": ctx.now + LIFETIME,
    }
    insert_rows(ctx.db, (OneTimeSecret, row))
    groups = [code[at : at + _GROUP] for at in range(0, LENGTH, _GROUP)]
    return "-".join(groups), ctx.now + LIFETIME


def plain(typed: str) -> str:
    """Return a code as it was made: people type small letters, blanks and hyphens."""
    return "".join(sign for sign in typed.upper() if sign.isalnum())


def admit(ctx: Context, account_id: str) -> None:
    """Count a code that was typed; needs no transaction and must not be inside one.

    :raises Refusal: ``join.throttled`` (until).
    """
    ctx.throttle.join_try("code", account_id=account_id, ip=ctx.origin.ip, now=ctx.now)


def redeem(ctx: Context, account_id: str, typed: str) -> Joined:
    """Open the company whose letter brought this code to this person.

    The caller commits also after a refusal, for the try is counted.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status);
        ``join.code_wrong`` also where the company has decided meanwhile; ``join.code_used_up``.
    """
    require_person_or_operator(ctx, account_id)
    account = accounts.locked(ctx, account_id)
    if account.status != ACCOUNT_ACTIVE:
        raise Refusal("account.status", status=account.status)
    opened = _consume(ctx, _counted(ctx, account_id), plain(typed))
    found = ctx.db.execute(
        select(Membership, Organization.name)
        .join(Organization, Organization.id == Membership.organization_id)
        .join(JoinRequest, JoinRequest.membership_id == Membership.id)
        .where(
            JoinRequest.id == opened,
            JoinRequest.letter_at.is_not(None),  # a request that began anew has no letter yet
            Membership.account_id == account_id,
            Membership.status == PENDING,
            Organization.status == ACTIVE,
        )
        .with_for_update(of=Membership),
        execution_options={"populate_existing": True},
    ).first()
    if found is None:
        raise Refusal("join.code_wrong")
    membership, name = found
    activate(ctx, account, membership, reason="code of a letter")
    return Joined(membership.id, name)


def activate(ctx: Context, account: Account, membership: Membership, *, reason: str | None = None) -> None:
    """Let a person in who waits; both rows are held.

    :raises Refusal: ``membership.status`` (status, action).
    """
    membership.status = after(membership.status, "activate")
    membership.version += 1
    membership.changed_at, membership.changed_by = ctx.now, ctx.actor.id
    membership.ended_at = None
    if account.home_organization_id is None:
        account.home_organization_id = membership.organization_id
    record(
        ctx,
        Event.MEMBERSHIP_ACTIVATED,
        target=("account", account.id),
        organization=membership.organization_id,
        reason=reason,
    )
    ctx.db.flush()


def _counted(ctx: Context, account_id: str) -> list[str]:
    """Count a try at each request of a person and return their ids."""
    mine = (JoinRequest.account_id == account_id, JoinRequest.asked_at > ctx.now - REQUEST_LASTS)
    counted = ctx.db.scalars(
        update(JoinRequest)
        .where(*mine, JoinRequest.tries < TRIES)
        .values(tries=JoinRequest.tries + 1)
        .returning(JoinRequest.id),
        execution_options=_BULK,
    ).all()
    if not counted:
        waits = ctx.db.scalar(select(JoinRequest.id).where(*mine).limit(1))
        raise Refusal("join.code_used_up" if waits else "join.code_wrong")
    return list(counted)


def _consume(ctx: Context, request_ids: list[str], code: str) -> str | None:
    """Use a code up and return the request it belongs to, None where it belongs to none of these."""
    return ctx.db.scalar(
        update(OneTimeSecret)
        .where(
            OneTimeSecret.purpose == PURPOSE,
            OneTimeSecret.hash.in_([_hash(ctx, request_id, code) for request_id in request_ids]),
            OneTimeSecret.used_at.is_(None),
            OneTimeSecret.expires_at > ctx.now,
        )
        .values(used_at=ctx.now)
        .returning(OneTimeSecret.target),
        execution_options=_BULK,
    )


def _hash(ctx: Context, request_id: str, code: str) -> bytes:
    return ctx.vault.keyed_hash("join code", f"{request_id}:{code}")
