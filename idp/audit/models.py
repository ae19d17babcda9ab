"""Tables of the audit log: events, their erasable personal parts, and the seals over the chain."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import ID_LENGTH, Base, new_id
from idp.installation import SEALED

_ORIGIN = text("origin IS NOT NULL")


class AuditEvent(Base):
    """One thing that happened, written in the transaction of the change; never updated but by the sealer.

    Ids stand alone, without foreign keys: the log outlives what it tells of.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_at", "at"),
        Index("ix_audit_event_organization_at", "organization", "at"),
        Index("ix_audit_event_actor_id_at", "actor_id", "at"),
        Index("ix_audit_event_target_id_at", "target_id", "at"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(64))
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str | None] = mapped_column(String(128))
    actor_role: Mapped[str | None] = mapped_column(String(32))
    #: the organisation it concerns
    organization: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    target_kind: Mapped[str | None] = mapped_column(String(32))
    target_id: Mapped[str | None] = mapped_column(String(128))
    client: Mapped[str | None] = mapped_column(String(128))
    session: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    #: JSON text of plain facts; text, because the chain covers these very bytes
    old: Mapped[str | None] = mapped_column(Text)
    new: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(64))
    #: SHA-256 over salt and text of the personal parts; the salt goes with the part
    origin_commitment: Mapped[bytes | None] = mapped_column(LargeBinary)
    details_commitment: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: place in the chain, given by the sealer after commit; NULL until then
    position: Mapped[int | None] = mapped_column(BigInteger)
    chain: Mapped[bytes | None] = mapped_column(LargeBinary)


Index("uq_audit_event_position", AuditEvent.position, unique=True)
# Partial: the sealer's question costs nothing however long the log is.
Index(
    "ix_audit_event_unsealed",
    AuditEvent.at,
    AuditEvent.id,
    postgresql_where=AuditEvent.position.is_(None),
    sqlite_where=AuditEvent.position.is_(None),
)


class AuditPersonal(Base):
    """What can be erased without breaking the chain: where it came from, and personal details."""

    __tablename__ = "audit_personal"
    # Partial, so that retention looks at what is left to erase, not at the whole log.
    __table_args__ = (
        Index("ix_audit_personal_origin", "at", postgresql_where=_ORIGIN, sqlite_where=_ORIGIN),
        Index(
            "ix_audit_personal_failed",
            "at",
            postgresql_where=text("failure IS true AND origin IS NOT NULL"),
            sqlite_where=text("failure IS 1 AND origin IS NOT NULL"),
        ),
    )

    event_id: Mapped[str] = mapped_column(ForeignKey("audit_event.id", ondelete="CASCADE"), primary_key=True)
    #: as the event's
    at: Mapped[datetime]
    #: of a failed attempt: its origin is kept for a shorter time
    failure: Mapped[bool] = mapped_column(Boolean)
    #: sealed: 16 bytes salt, then JSON {ip: shortened, user_agent}; NULL when erased
    origin: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    #: sealed: 16 bytes salt, then JSON; NULL when erased
    details: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)


class AuditSeal(Base):
    """A signed statement that the chain had this value at this position; one may be the point of a cut."""

    __tablename__ = "audit_seal"

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    first_position: Mapped[int] = mapped_column(BigInteger)
    last_position: Mapped[int] = mapped_column(BigInteger)
    chain: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime]
    #: version of the installation secret the signatures are made with
    key_version: Mapped[int] = mapped_column(Integer)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    #: retention removed everything up to last_position
    cut_at: Mapped[datetime | None]
    cut_signature: Mapped[bytes | None] = mapped_column(LargeBinary)
