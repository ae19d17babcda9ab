"""Tables of legacy directories, the accounts in them, and who linked which."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import ID_LENGTH, Base, new_id
from idp.installation import SEALED

UNDO: Final = timedelta(days=30)
"""How long a link can be undone."""

IMPORTED, HTTPS = "imported", "https"
"""Kinds of directory: a table of ours, or an endpoint of the old portal."""

STRONG, WEAK, WRAPPED, BROKEN = "strong", "weak", "wrapped", "broken"
"""States of an imported hash: good enough, waits for Argon2id, has it, cannot be read."""


class ProductFamily(Base):
    """What people of a country use; they choose it once, and it picks the old portal and the home portal."""

    __tablename__ = "product_family"

    slug: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: ISO 3166-1 alpha-2
    country: Mapped[str] = mapped_column(String(2))
    name_de: Mapped[str] = mapped_column(String(128))
    name_en: Mapped[str] = mapped_column(String(128))
    #: client id of the portal that is its people's home
    home_client: Mapped[str | None] = mapped_column(String(64))
    #: in the order of the file
    position: Mapped[int] = mapped_column(Integer)


class LegacyDirectory(Base):
    """An old portal whose people may link their accounts."""

    __tablename__ = "legacy_directory"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name_de: Mapped[str] = mapped_column(String(128))
    name_en: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    #: of the kind ``https``
    endpoint: Mapped[str | None] = mapped_column(String(2048))
    bearer: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    product_families: Mapped[list[str]] = mapped_column(JSON, default=list)
    #: a sign-in with the old user name and password may offer to link
    offer_at_sign_in: Mapped[bool] = mapped_column(Boolean, default=False)
    #: name of an old permission → {client_id: [keys]}
    permission_map: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: form of hash → how many accounts have it: what the check of an unknown name costs is drawn from it
    hash_formats: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


_TO_WRAP = text("hash_state = 'weak'")
_DEAD = text("linked_at IS NOT NULL AND hash IS NOT NULL")


class LegacyAccount(Base):
    """One old account.  Found by keyed hashes; all that says whose it is is sealed."""

    __tablename__ = "legacy_account"
    __table_args__ = (
        Index("ix_legacy_account_email_lookup", "email_lookup"),
        Index("ix_legacy_account_owner_id", "owner_id"),
        # partial: both jobs ask for what is left to do, however many accounts there are
        Index("ix_legacy_account_to_wrap", "id", sqlite_where=_TO_WRAP, postgresql_where=_TO_WRAP),
        Index("ix_legacy_account_dead_hash", "linked_at", sqlite_where=_DEAD, postgresql_where=_DEAD),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    directory_id: Mapped[str] = mapped_column(ForeignKey("legacy_directory.id", ondelete="CASCADE"))
    #: keyed hash of directory and user name as it is compared: one index, which no plan can do without
    lookup: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    #: as identifiers are found, so that a person's own proven address meets the old account's
    email_lookup: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: sealed JSON: username, email, customer_number, given_name, family_name
    personal: Mapped[bytes] = mapped_column(LargeBinary, info=SEALED)
    #: names of permissions in the old portal
    permissions: Mapped[list[str]] = mapped_column(JSON, default=list)
    #: sealed JSON: config with digest, or config with argon2; NULL where the directory checks itself
    hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    hash_format: Mapped[str | None] = mapped_column(String(48))
    hash_state: Mapped[str | None] = mapped_column(String(8))
    #: had a security question: its owner needs a recovery password; no answer is kept
    security_question: Mapped[bool] = mapped_column(Boolean, default=False)
    #: whose it is now; kept when that account goes, for what was linked once is nobody else's
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    linked_at: Mapped[datetime | None]
    #: raised by an import that changes it: a password checked before is no proof any more
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LegacyLink(Base):
    """One act of linking, with all that its undoing needs."""

    __tablename__ = "legacy_link"
    __table_args__ = (
        Index("ix_legacy_link_account_id", "account_id"),
        Index("ix_legacy_link_legacy_account_id", "legacy_account_id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    legacy_account_id: Mapped[str] = mapped_column(ForeignKey("legacy_account.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    undo_until: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    #: the person still has to make a recovery password
    recovery_due: Mapped[bool] = mapped_column(Boolean, default=False)
    #: what the link changed, by ids; see ``idp.organizations.linked_rights``
    changes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
