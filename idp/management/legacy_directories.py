"""Operations on legacy directories: what `idp apply` says of them, their secret, what is in them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from idp.accounts.legacy import directory as directories
from idp.accounts.legacy.directory import Directory
from idp.accounts.legacy.imported_table import personal_of
from idp.accounts.legacy.models import LegacyAccount, LegacyDirectory, LegacyLink
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.db import new_id
from idp.errors import Refusal
from idp.management.actors import require_operator, require_person_or_operator
from idp.organizations.models import Organization

LONGEST_SECRET: Final = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """A directory as a file says it."""

    slug: str
    name_de: str
    name_en: str
    kind: str
    endpoint: str | None = None
    product_families: list[str] = field(default_factory=list)
    offer_at_sign_in: bool = False
    permission_map: dict[str, dict[str, list[str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """How far a directory's people are."""

    slug: str
    name_de: str
    kind: str
    accounts: int
    linked: int
    #: forms of hash with their counts
    formats: Mapping[str, int]
    weak: int
    wrapped: int
    broken: int


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A link as its person sees it, K-11."""

    id: str
    directory: str
    name_de: str
    name_en: str
    username: str
    organization_name: str | None
    created_at: datetime
    undo_until: datetime
    undone_at: datetime | None


def define(ctx: Context, wanted: Wanted) -> tuple[str, list[str]]:
    """Make a directory what a file says; returns ``created``, ``updated`` or ``unchanged``, and the fields.

    A changed endpoint forgets the secret, which was for the other one (req 96).

    :raises Refusal: ``actor.not_allowed``; ``legacy_directory.kind`` (slug) where accounts are in it already.
    """
    require_operator(ctx)
    values = asdict(wanted)
    mine = select(LegacyDirectory).where(LegacyDirectory.slug == wanted.slug)
    row = ctx.db.scalar(mine.with_for_update())
    if row is None:
        row = LegacyDirectory(id=new_id(), hash_formats={}, created_at=ctx.now, updated_at=ctx.now, **values)
        ctx.db.add(row)
        _record(ctx, Event.LEGACY_DIRECTORY_CREATED, row, new={"slug": wanted.slug, "kind": wanted.kind})
        return "created", []
    fields = sorted(name for name, value in values.items() if getattr(row, name) != value)
    if "kind" in fields and ctx.db.scalar(_in(row.id).limit(1)) is not None:
        raise Refusal("legacy_directory.kind", slug=wanted.slug)
    for name in fields:
        setattr(row, name, values[name])
    if "endpoint" in fields:
        row.bearer = None
    if fields:
        row.updated_at = ctx.now
        _record(ctx, Event.LEGACY_DIRECTORY_CHANGED, row, new=fields)
    return ("updated" if fields else "unchanged"), fields


def set_secret(ctx: Context, slug: str, secret: str) -> None:
    """Seal the bearer secret of a directory's endpoint; nobody reads it back (req 96).

    :raises Refusal: ``actor.not_allowed``, ``legacy_directory.unknown``; ``legacy_directory.secret`` where it
        is empty, too long, or not printable ASCII without blanks.
    """
    require_operator(ctx)
    row = _locked(ctx, slug)
    if (
        not 1 <= len(secret) <= LONGEST_SECRET
        or not secret.isascii()
        or not secret.isprintable()
        or " " in secret
    ):
        raise Refusal("legacy_directory.secret")
    row.bearer = ctx.vault.seal(secret.encode(), table=LegacyDirectory.__tablename__, row=row.id)
    row.updated_at = ctx.now
    _record(ctx, Event.LEGACY_DIRECTORY_SECRET_CHANGED, row)


def find(ctx: Context, slug: str) -> Directory:
    """Return a directory.

    :raises Refusal: ``legacy_directory.unknown``.
    """
    found = directories.find(ctx.db, slug)
    if found is None:
        raise Refusal("legacy_directory.unknown", slug=slug)
    return found


def list_all(ctx: Context) -> list[Directory]:
    """Return all directories; pages that offer to link ask too."""
    return directories.all_directories(ctx.db)


def status(ctx: Context) -> list[Status]:
    """Return how far each directory's people are; counts all accounts, so it takes its time.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    return [_status(ctx, found) for found in directories.all_directories(ctx.db)]


def links_of(ctx: Context, account_id: str) -> list[LinkFacts]:
    """Return a person's links, undone ones too, the newest first.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    rows = (
        select(LegacyLink, LegacyAccount, LegacyDirectory)
        .join(LegacyAccount, LegacyAccount.id == LegacyLink.legacy_account_id)
        .join(LegacyDirectory, LegacyDirectory.id == LegacyAccount.directory_id)
        .where(LegacyLink.account_id == account_id)
        .order_by(LegacyLink.id.desc())
    )
    return [_link(ctx, *row) for row in ctx.db.execute(rows)]


def link_of(ctx: Context, slug: str, username: str) -> tuple[str, str]:
    """Return the account and the link that an old user name belongs to now.

    :raises Refusal: ``actor.not_allowed``, ``legacy_directory.unknown``, ``link.unknown``.
    """
    require_operator(ctx)
    directory = find(ctx, slug)
    standing = (
        select(LegacyLink.account_id, LegacyLink.id)
        .join(LegacyAccount, LegacyAccount.id == LegacyLink.legacy_account_id)
        .where(
            LegacyAccount.directory_id == directory.id,
            LegacyAccount.lookup == directories.lookup(ctx, directory.id, username),
            LegacyLink.undone_at.is_(None),
        )
    )
    found = ctx.db.execute(standing).first()
    if found is None:
        raise Refusal("link.unknown")
    return found[0], found[1]


def _status(ctx: Context, directory: Directory) -> Status:
    by_state = (
        select(LegacyAccount.hash_state, func.count())
        .where(LegacyAccount.directory_id == directory.id)
        .group_by(LegacyAccount.hash_state)
    )
    counts = {state: count for state, count in ctx.db.execute(by_state)}
    linked = select(func.count()).select_from(LegacyAccount)
    linked = linked.where(LegacyAccount.directory_id == directory.id, LegacyAccount.linked_at.is_not(None))
    return Status(
        slug=directory.slug,
        name_de=directory.name_de,
        kind=directory.kind,
        accounts=sum(counts.values()),
        linked=ctx.db.scalar(linked) or 0,
        formats=directory.hash_formats,
        weak=counts.get("weak", 0),
        wrapped=counts.get("wrapped", 0),
        broken=counts.get("broken", 0),
    )


def _link(ctx: Context, row: LegacyLink, old: LegacyAccount, directory: LegacyDirectory) -> LinkFacts:
    company = row.changes.get("organization") if row.changes.get("membership") else None
    organization = ctx.db.get(Organization, company) if company else None
    return LinkFacts(
        id=row.id,
        directory=directory.slug,
        name_de=directory.name_de,
        name_en=directory.name_en,
        username=str(personal_of(ctx, old).get("username") or ""),
        organization_name=organization.name if organization else None,
        created_at=row.created_at,
        undo_until=row.undo_until,
        undone_at=row.undone_at,
    )


def _in(directory_id: str) -> Any:
    return select(LegacyAccount.id).where(LegacyAccount.directory_id == directory_id)


def _locked(ctx: Context, slug: str) -> LegacyDirectory:
    row = ctx.db.scalar(select(LegacyDirectory).where(LegacyDirectory.slug == slug).with_for_update())
    if row is None:
        raise Refusal("legacy_directory.unknown", slug=slug)
    return row


def _record(ctx: Context, event: Event, row: LegacyDirectory, *, new: Any = None) -> None:
    record(ctx, event, target=("legacy_directory", row.id), new=new)
    ctx.db.flush()
