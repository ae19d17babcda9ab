"""Linking old accounts to a person: prove, link, undo (req 55, 59, 89, 90; C4, C5).

Two steps, as at sign-in, so that nothing waits for a hash or for another portal inside a transaction::

    proof = prove(ctx, account_id, slug, username, password)   # no transaction: counts the try, asks
    linked = link(ctx, proof)                                   # all that changes, in one transaction

The surface commits after each, also after a refusal.  An old account is consumed by one statement before
anything else: of many who try, one gets it.  From then on its password is good for nothing; only who knows
it learns that it is linked.  The surface tells both addresses: ``linked.notices`` says to whom and what.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from idp.accounts import identifiers
from idp.accounts.legacy import directory as directories
from idp.accounts.legacy.directory import LegacyIdentity
from idp.accounts.legacy.imported_table import personal_of
from idp.accounts.legacy.models import UNDO, LegacyAccount, LegacyDirectory, LegacyLink
from idp.accounts.models import ACTIVE
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import notices
from idp.context import Context
from idp.db import new_id
from idp.errors import Refusal
from idp.installation import insert_once
from idp.management import accounts, linked_rights, recovery
from idp.management.actors import require_person_or_operator
from idp.management.ending import Ended
from idp.management.legacy_proof import Proof, taken
from idp.organizations.models import Organization

_TABLE: Final = LegacyAccount.__tablename__


@dataclass(frozen=True, slots=True)
class Notices:
    """What to tell, and whom: the person's own addresses and the old account's."""

    directory_de: str
    directory_en: str
    username: str = field(repr=False)
    own_addresses: tuple[str, ...] = field(repr=False)
    old_address: str | None = field(repr=False)
    undo_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """What linking came to."""

    link_id: str
    organization_id: str | None
    organization_name: str | None
    membership_id: str | None
    membership_begun: bool
    undo_until: datetime
    #: the person is to make a recovery password now
    recovery_due: bool
    notices: Notices


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing a link came to."""

    ended: Ended
    notices: Notices


def link(ctx: Context, proof: Proof) -> Linked:
    """Link a proven old account to a person: consume it, then bring what it stands for; one transaction.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status); ``link.failed``
        where an import changed the old account since, ``link.taken`` (own) where somebody was faster.
    """
    require_person_or_operator(ctx, proof.account_id)
    account = accounts.locked(ctx, proof.account_id)
    if account.status != ACTIVE:
        raise Refusal("account.status", status=account.status)
    identity = proof.identity
    legacy_id = _consume(ctx, proof)
    if proof.reservation is not None:
        ctx.throttle.succeeded(ctx.db, proof.reservation)
    directory = ctx.db.get_one(LegacyDirectory, identity.directory_id)
    changes = linked_rights.grant(ctx, account, legacy_id, identity, directory.permission_map)
    due = identity.security_question and recovery.make_due(ctx, account)
    row = LegacyLink(
        id=new_id(),
        account_id=account.id,
        legacy_account_id=legacy_id,
        created_at=ctx.now,
        undo_until=ctx.now + UNDO,
        recovery_due=due,
        changes=changes.document(),
    )
    ctx.db.add(row)
    _record(ctx, Event.LEGACY_ACCOUNT_LINKED, row, directory)
    company = ctx.db.get(Organization, changes.organization) if changes.membership else None
    return Linked(
        link_id=row.id,
        organization_id=company.id if company else None,
        organization_name=company.name if company else None,
        membership_id=changes.membership,
        membership_begun=changes.begun,
        undo_until=row.undo_until,
        recovery_due=row.recovery_due,
        notices=_notices(ctx, account.id, directory, asdict(identity), row.undo_until),
    )


def undo(ctx: Context, account_id: str, link_id: str) -> Undone:
    """Undo a link within 30 days: the old account is free and its password works again, what the link brought
    is taken back.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``; ``link.unknown``, also for another person's;
        ``link.undone``; ``link.final`` (until) after 30 days.
    """
    require_person_or_operator(ctx, account_id)
    return release(ctx, account_id, link_id)


def release(ctx: Context, account_id: str, link_id: str, *, reason: str | None = None) -> Undone:
    """Do what :func:`undo` does, whoever acts: who calls has seen the link of the mail.

    :raises Refusal: as :func:`undo`, but for ``actor.not_allowed``.
    """
    account = accounts.locked(ctx, account_id)
    mine = (LegacyLink.id == link_id) & (LegacyLink.account_id == account.id)
    consumed = (
        update(LegacyLink)
        .where(mine, LegacyLink.undone_at.is_(None), LegacyLink.undo_until > ctx.now)
        .values(undone_at=ctx.now)
        .returning(LegacyLink.id)
        .execution_options(synchronize_session=False)
    )
    done = ctx.db.execute(consumed).first()
    row = ctx.db.execute(
        select(LegacyLink).where(mine), execution_options={"populate_existing": True}
    ).scalar()
    if row is None:
        raise Refusal("link.unknown")
    if done is None:
        raise Refusal("link.undone") if row.undone_at else Refusal("link.final", until=row.undo_until)
    old = ctx.db.get_one(LegacyAccount, row.legacy_account_id, with_for_update=True, populate_existing=True)
    old.owner_id = old.linked_at = None
    standing = select(LegacyLink).where(LegacyLink.account_id == account.id, LegacyLink.undone_at.is_(None))
    others = list(ctx.db.scalars(standing.order_by(LegacyLink.id)))
    ended = linked_rights.take_back(ctx, account, row, others)
    if row.recovery_due and not any(other.recovery_due for other in others):
        account.recovery_due = recovery.due_for_everybody(ctx)
    directory = ctx.db.get_one(LegacyDirectory, old.directory_id)
    _record(ctx, Event.LEGACY_ACCOUNT_UNLINKED, row, directory, reason)
    return Undone(ended, _notices(ctx, account.id, directory, personal_of(ctx, old)))


def _consume(ctx: Context, proof: Proof) -> str:
    """Make a person the owner of an old account that has none, and return its id.

    :raises Refusal: ``link.failed``, ``link.taken``.
    """
    table = LegacyAccount.metadata.tables[_TABLE]
    identity = proof.identity
    legacy_id = identity.account_id or _first_seen(ctx, identity)
    consume = (
        update(table)
        .where(table.c.id == legacy_id, table.c.linked_at.is_(None), table.c.revision == identity.revision)
        .values(owner_id=proof.account_id, linked_at=ctx.now)
        .returning(table.c.id)
    )
    if ctx.db.execute(consume).first() is None:
        row = ctx.db.execute(select(table.c.linked_at).where(table.c.id == legacy_id)).first()
        if row is None or row.linked_at is None:
            raise Refusal("link.failed")
        raise taken(ctx, proof, legacy_id)
    return legacy_id


def _first_seen(ctx: Context, identity: LegacyIdentity) -> str:
    """Note an account that its directory checked itself, and return its row, whoever noted it."""
    table = LegacyAccount.metadata.tables[_TABLE]
    key = directories.lookup(ctx, identity.directory_id, identity.username)
    row_id = new_id()
    names = ("username", "email", "customer_number", "given_name", "family_name")
    personal = {name: getattr(identity, name) for name in names}
    values = {
        "id": row_id,
        "directory_id": identity.directory_id,
        "lookup": key,
        "email_lookup": directories.email_lookup(ctx, identity.email) if identity.email else None,
        "personal": ctx.vault.seal_json(personal, table=_TABLE, row=row_id),
        "permissions": list(identity.permissions),
        "security_question": identity.security_question,
        "revision": identity.revision,
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    insert_once(ctx.db, table, values)
    same = select(table.c.id).where(table.c.directory_id == identity.directory_id, table.c.lookup == key)
    return str(ctx.db.execute(same).scalar_one())


def _record(
    ctx: Context, event: Event, row: LegacyLink, directory: LegacyDirectory, reason: str | None = None
) -> None:
    facts = {
        "directory": directory.slug,
        "legacy_account": row.legacy_account_id,
        "link": row.id,
        **row.changes,
    }
    company = row.changes.get("organization")
    target = ("account", row.account_id)
    record(ctx, event, target=target, organization=company, new=facts, reason=reason)
    ctx.db.flush()


def _notices(
    ctx: Context,
    account_id: str,
    directory: LegacyDirectory,
    personal: Mapping[str, Any],
    undo_until: datetime | None = None,
) -> Notices:
    own = notices.addresses(ctx, account_id)
    known = {identifiers.email_key(address) for address in own}
    old_address = personal.get("email")
    differs = old_address is not None and identifiers.email_key(old_address) not in known
    return Notices(
        directory_de=directory.name_de,
        directory_en=directory.name_en,
        username=str(personal.get("username") or ""),
        own_addresses=tuple(own),
        old_address=old_address if differs else None,
        undo_until=undo_until,
    )
