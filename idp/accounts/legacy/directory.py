"""Legacy directories behind one Protocol: who in an old portal has this user name and this password?

An adapter says whose credentials they are, or None, or that the directory cannot be asked now.  It neither
counts tries nor links anything: ``idp.management.linking`` does.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.accounts import identifiers
from idp.accounts.legacy.models import LegacyDirectory
from idp.context import Context

LONGEST_PASSWORD: Final = 1024
"""Characters of a typed password that an adapter looks at; a longer one is wrong."""


class DirectoryAway(Exception):
    """The directory cannot be asked now; nothing was decided, and a later try may succeed."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A legacy directory as one statement read it."""

    id: str
    slug: str
    name_de: str
    name_en: str
    kind: str
    endpoint: str | None = None
    #: sealed for the row
    bearer: bytes | None = field(default=None, repr=False)
    product_families: tuple[str, ...] = ()
    offer_at_sign_in: bool = False
    permission_map: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    hash_formats: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LegacyIdentity:
    """An old account whose password was right; what it says of a person is not printed by accident."""

    directory_id: str
    #: its row here, None where the directory answered for an account never seen before
    account_id: str | None
    revision: int
    linked: bool
    username: str = field(repr=False)
    email: str | None = field(default=None, repr=False)
    customer_number: str | None = field(default=None, repr=False)
    given_name: str | None = field(default=None, repr=False)
    family_name: str | None = field(default=None, repr=False)
    permissions: tuple[str, ...] = ()
    security_question: bool = False


class LegacyDirectoryAdapter(Protocol):
    """Checks the credentials of one old portal."""

    def verify(self, username: str, password: str) -> LegacyIdentity | None:
        """Return whose credentials these are, or None; raises DirectoryAway, Busy."""
        ...


def find(db: Session, slug: str) -> Directory | None:
    """Return a directory by its slug, or None."""
    row = db.scalar(select(LegacyDirectory).where(LegacyDirectory.slug == slug))
    return None if row is None else _facts(row)


def all_directories(db: Session) -> list[Directory]:
    """Return all directories in the order of their slugs; an installation has a handful."""
    return [_facts(row) for row in db.scalars(select(LegacyDirectory).order_by(LegacyDirectory.slug))]


def lookup(ctx: Context, directory_id: str, username: str) -> bytes:
    """Return the hash by which an old user name is found; spelling counts as it does for ours."""
    return ctx.vault.keyed_hash("legacy.username", f"{directory_id}\0{identifiers.username_key(username)}")


def email_lookup(ctx: Context, email: str) -> bytes:
    """Return the hash of an address, the same by which identifiers are found."""
    return identifiers.lookup(ctx, identifiers.EMAIL, identifiers.email_key(email))


def reading(ctx: Context) -> Session:
    """Return a session of its own: it ends before a password is hashed, and the caller's never begins."""
    return Session(ctx.db.get_bind(), expire_on_commit=False, autoflush=False)


def _facts(row: LegacyDirectory) -> Directory:
    permission_map: dict[str, Any] = row.permission_map
    return Directory(
        id=row.id,
        slug=row.slug,
        name_de=row.name_de,
        name_en=row.name_en,
        kind=row.kind,
        endpoint=row.endpoint,
        bearer=row.bearer,
        product_families=tuple(row.product_families),
        offer_at_sign_in=row.offer_at_sign_in,
        permission_map=permission_map,
        hash_formats=row.hash_formats,
    )
