"""Tables of organisations, memberships and permissions."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.db import ID_LENGTH, Base, new_id

INVITED, PENDING, ACTIVE, BLOCKED, ENDED = "invited", "pending", "active", "blocked", "ended"


class Organization(Base):
    """A company, known by its customer number."""

    __tablename__ = "organization"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    customer_number: Mapped[str] = mapped_column(String(32), unique=True)
    status: Mapped[str] = mapped_column(String(16), default=ACTIVE)
    join_policy: Mapped[str] = mapped_column(String(16), default="admin_approval")
    domains: Mapped[list[str]] = mapped_column(JSON, default=list)
    require_second_factor: Mapped[bool] = mapped_column(Boolean, default=False)
    products: Mapped[list[str]] = mapped_column(JSON, default=list)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    dealer: Mapped[str | None] = mapped_column(String(64))
    #: lines under its name on a letter: street, then postal code and place
    address: Mapped[list[str]] = mapped_column(JSON, default=list)
    #: raised when its name, number or permissions change: caches of claims are keyed by it
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]

    @property
    def state(self) -> str:
        """The status in the word of those who suspend and resume it."""
        return "suspended" if self.status == BLOCKED else self.status


class Role(Base):
    """A role a member can have; roles are data."""

    __tablename__ = "role"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    name_de: Mapped[str] = mapped_column(String(64))
    name_en: Mapped[str] = mapped_column(String(64))


class Membership(Base):
    """One person in one organisation."""

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("account_id", "organization_id"),
        Index("ix_membership_organization_id_status", "organization_id", "status"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(ForeignKey("role.key"))
    status: Mapped[str] = mapped_column(String(16))
    #: raised by a block or an end: what was issued before is dead
    epoch: Mapped[int] = mapped_column(Integer, default=1)
    #: raised when role or permissions change: caches of claims are keyed by it
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    ended_at: Mapped[datetime | None]
    restore_until: Mapped[datetime | None]
    #: somebody typed the customer number; while it waits, the person sees no more than of a number nobody has
    asked_at: Mapped[datetime | None]

    organization: Mapped[Organization] = relationship(lazy="raise")


class JoinRequest(Base):
    """A customer number that a person typed to join a company, whether any company has it or not (req 59)."""

    __tablename__ = "join_request"
    __table_args__ = (
        UniqueConstraint("account_id", "customer_number"),
        Index("ix_join_request_membership_id", "membership_id"),
        Index("ix_join_request_asked_at", "asked_at"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    #: as it was understood: without D, blanks and leading zeros
    customer_number: Mapped[str] = mapped_column(String(32))
    #: what waits for an answer, None where no company is asked
    membership_id: Mapped[str | None] = mapped_column(ForeignKey("membership.id", ondelete="SET NULL"))
    asked_at: Mapped[datetime]
    #: when those who decide were told
    told_at: Mapped[datetime | None]
    #: when a letter with a code was made
    letter_at: Mapped[datetime | None]
    #: codes that were typed since
    tries: Mapped[int] = mapped_column(Integer, default=0)


class Permission(Base):
    """An entry of a client's permission catalogue."""

    __tablename__ = "permission"
    __table_args__ = (UniqueConstraint("client_id", "key"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(64))
    group: Mapped[str | None] = mapped_column(String(64))
    group_name_de: Mapped[str | None] = mapped_column(String(128))
    group_name_en: Mapped[str | None] = mapped_column(String(128))
    group_description_de: Mapped[str | None] = mapped_column(String(512))
    group_description_en: Mapped[str | None] = mapped_column(String(512))
    position: Mapped[int] = mapped_column(Integer)
    name_de: Mapped[str] = mapped_column(String(128))
    name_en: Mapped[str] = mapped_column(String(128))
    description_de: Mapped[str] = mapped_column(String(512))
    description_en: Mapped[str] = mapped_column(String(512))
    #: an administrator of an organisation that holds it may give it to his people (req 92)
    delegable: Mapped[bool] = mapped_column(Boolean, default=True)


class OrganizationPermission(Base):
    """What an organisation holds."""

    __tablename__ = "organization_permission"

    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True
    )
    permission_id: Mapped[str] = mapped_column(
        ForeignKey("permission.id", ondelete="CASCADE"), primary_key=True
    )
    granted_at: Mapped[datetime]


class MembershipPermission(Base):
    """What a person has in one organisation; counts only while the organisation holds it too."""

    __tablename__ = "membership_permission"

    membership_id: Mapped[str] = mapped_column(
        ForeignKey("membership.id", ondelete="CASCADE"), primary_key=True
    )
    permission_id: Mapped[str] = mapped_column(
        ForeignKey("permission.id", ondelete="CASCADE"), primary_key=True
    )
    granted_at: Mapped[datetime]
    granted_by: Mapped[str | None] = mapped_column(String(ID_LENGTH))
