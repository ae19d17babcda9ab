"""Tables of accounts and their identifiers."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.db import ID_LENGTH, Base, new_id
from idp.installation import SEALED

ACTIVE, INVITED, BLOCKED, DELETED = "active", "invited", "blocked", "deleted"

_DELETED = text("deletion_due_at IS NOT NULL")


class Account(Base):
    """A person's record.  ``sub`` is random, never the key, never given to anyone else (req 38)."""

    __tablename__ = "account"
    # partial: the job asks for what is left to do, however many accounts there are
    __table_args__ = (
        Index(
            "ix_account_deletion_due_at", "deletion_due_at", sqlite_where=_DELETED, postgresql_where=_DELETED
        ),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    sub: Mapped[str] = mapped_column(String(43), unique=True)
    status: Mapped[str] = mapped_column(String(16), default=ACTIVE)
    #: raised when everything issued to this account must die: block, deletion, change of a factor
    epoch: Mapped[int] = mapped_column(Integer, default=1)
    username: Mapped[str | None] = mapped_column(String(128))
    #: the user name as it is compared: NFKC, case-folded
    username_key: Mapped[str | None] = mapped_column(String(128), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_changed_at: Mapped[datetime | None]
    home_organization_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    locale: Mapped[str | None] = mapped_column(String(16))
    zoneinfo: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str | None] = mapped_column(String(255))
    given_name: Mapped[str | None] = mapped_column(String(128))
    family_name: Mapped[str | None] = mapped_column(String(128))
    middle_name: Mapped[str | None] = mapped_column(String(128))
    nickname: Mapped[str | None] = mapped_column(String(128))
    profile: Mapped[str | None] = mapped_column(String(512))
    picture: Mapped[str | None] = mapped_column(String(512))
    website: Mapped[str | None] = mapped_column(String(512))
    gender: Mapped[str | None] = mapped_column(String(32))
    birthdate: Mapped[str | None] = mapped_column(String(10))
    #: the members of the ``address`` claim (OIDC Core §5.1.1)
    address: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]
    #: no portal gets an answer before the person has saved a recovery password
    recovery_due: Mapped[bool] = mapped_column(Boolean, default=False)
    #: what the person uses, by its slug: it picks the old portal and the home portal
    product_family: Mapped[str | None] = mapped_column(String(64))
    #: of a deleted one: when its personal data goes
    deletion_due_at: Mapped[datetime | None]
    #: of one that its owner deleted: the status that undoing gives back, which a block changes meanwhile
    restore_status: Mapped[str | None] = mapped_column(String(16))
    erased_at: Mapped[datetime | None]

    identifiers: Mapped[list["Identifier"]] = relationship(back_populates="account", lazy="raise")


class Identifier(Base):
    """An address or number that reaches a person: sealed, found by a keyed hash."""

    __tablename__ = "identifier"
    __table_args__ = (
        # one proven owner per address; unproven rows may wait beside it (req 88)
        Index(
            "uq_identifier_owner",
            "kind",
            "lookup",
            unique=True,
            sqlite_where=text("verified_at IS NOT NULL AND purpose = 'sign_in'"),
            postgresql_where=text("verified_at IS NOT NULL AND purpose = 'sign_in'"),
        ),
        Index("ix_identifier_lookup", "lookup"),
        Index("ix_identifier_account_id", "account_id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(8))  # email | phone
    purpose: Mapped[str] = mapped_column(String(16), default="sign_in")  # sign_in | recovery | factor
    sealed: Mapped[bytes] = mapped_column(LargeBinary, info=SEALED)
    lookup: Mapped[bytes] = mapped_column(LargeBinary)
    pending: Mapped[bool] = mapped_column(default=False)
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    account: Mapped[Account] = relationship(back_populates="identifiers", lazy="raise")
