"""Which product family a person belongs to, and the old portal and home portal that follow (R-03, R-04).

Families are data of ``idp apply``.  What a portal's client declares as its product counts before the person's
own choice, which is kept with the account and asked once.  A directory without families serves whoever no
other directory serves.
"""

from dataclasses import asdict, dataclass

from sqlalchemy import exists, select

from idp.accounts.legacy import directory as directories
from idp.accounts.legacy.directory import Directory
from idp.accounts.legacy.models import LegacyDirectory, ProductFamily
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.errors import Refusal
from idp.management import joining
from idp.management.accounts import locked
from idp.management.actors import require_operator, require_person_or_operator
from idp.organizations.models import Organization


@dataclass(frozen=True, slots=True)
class Family:
    """A product family, as a file says it and pages list it."""

    slug: str
    country: str
    name_de: str
    name_en: str
    home_client: str | None = None


def define(ctx: Context, wanted: Family, position: int) -> tuple[str, list[str]]:
    """Make a family what a file says; returns ``created``, ``updated`` or ``unchanged``, and the fields.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    values = {**asdict(wanted), "position": position}
    row = ctx.db.get(ProductFamily, wanted.slug, with_for_update=True)
    if row is None:
        ctx.db.add(ProductFamily(**values))
        _record(ctx, wanted.slug, sorted(values))
        return "created", []
    fields = sorted(name for name, value in values.items() if getattr(row, name) != value)
    for name in fields:
        setattr(row, name, values[name])
    if fields:
        _record(ctx, wanted.slug, fields)
    return ("updated" if fields else "unchanged"), fields


def families(ctx: Context) -> list[Family]:
    """Return all families, in the order pages list them."""
    rows = ctx.db.scalars(select(ProductFamily).order_by(ProductFamily.position, ProductFamily.slug))
    return [Family(row.slug, row.country, row.name_de, row.name_en, row.home_client) for row in rows]


def chosen(ctx: Context, account_id: str) -> str | None:
    """Return the family a person chose, None where nothing was chosen or it is gone since."""
    slug = ctx.db.get_one(Account, account_id).product_family
    return slug if slug is not None and ctx.db.get(ProductFamily, slug) is not None else None


def choose(ctx: Context, account_id: str, slug: str) -> None:
    """Keep a person's choice.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``; ``affiliation.unknown``.
    """
    require_person_or_operator(ctx, account_id)
    if ctx.db.get(ProductFamily, slug) is None:
        raise Refusal("affiliation.unknown")
    account = locked(ctx, account_id)
    if account.product_family == slug:
        return
    before, account.product_family = account.product_family, slug
    target = ("account", account_id)
    record(ctx, Event.ACCOUNT_AFFILIATION_CHOSEN, target=target, old=before, new=slug)
    ctx.db.flush()


def home_client(ctx: Context, account_id: str) -> str | None:
    """Return the client id of a person's home portal."""
    slug = chosen(ctx, account_id)
    return ctx.db.get_one(ProductFamily, slug).home_client if slug is not None else None


def directory_of(ctx: Context, product: str | None) -> Directory | None:
    """Return the old portal of a product's people, None where there is none."""
    found = directories.all_directories(ctx.db)
    own = [one for one in found if product is not None and product in one.product_families]
    return next(iter([*own, *(one for one in found if not one.product_families)]), None)


def can_find_company(ctx: Context, account_id: str) -> bool:
    """Tell whether somebody without a company has a way to one that he has not gone yet."""
    if joining.open_requests(ctx, account_id):
        return False
    return bool(ctx.db.scalar(select(exists().select_from(LegacyDirectory)))) or bool(
        ctx.db.scalar(select(exists().select_from(Organization)))
    )


def _record(ctx: Context, slug: str, fields: list[str]) -> None:
    record(ctx, Event.PRODUCT_FAMILY_CHANGED, target=("product_family", slug), new=fields)
    ctx.db.flush()
