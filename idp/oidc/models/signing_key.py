"""Signing keys: next, active, retired (OIDC Core §10.1.1)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base
from idp.installation import SEALED

NEXT, ACTIVE, RETIRED, REMOVED = "next", "active", "retired", "removed"


class SigningKey(Base):
    """A key pair; its key id is unique for ever and the row stays after removal, so it is never reused."""

    __tablename__ = "signing_key"
    __table_args__ = (
        # four workers that start at once make one set: at most one next and one active key per algorithm
        Index(
            "uq_signing_key_alg_state",
            "alg",
            "state",
            unique=True,
            sqlite_where=text("state IN ('next', 'active')"),
            postgresql_where=text("state IN ('next', 'active')"),
        ),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8))
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)  # PKCS #8, gone after removal
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
