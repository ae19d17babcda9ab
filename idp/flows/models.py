"""Tables of flows and one-time secrets (design rules D2, D3 of the security reference)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import ID_LENGTH, Base, new_id
from idp.installation import SEALED

#: as text, for an index over some rows serves only a query that states the same condition
RESETS = text("purpose = 'reset'")


class Flow(Base):
    """One started piece of work of a person: see the purposes in :mod:`idp.flows.engine`."""

    __tablename__ = "flow"
    __table_args__ = (
        Index("ix_flow_expires_at", "expires_at"),
        # beside the one over some rows, which finds nothing when an account takes its flows along
        Index("ix_flow_account_id", "account_id"),
        Index("ix_flow_reset_account", "account_id", postgresql_where=RESETS, sqlite_where=RESETS),
    )

    #: random, stands in URLs; worthless without the browser's own cookie
    id: Mapped[str] = mapped_column(String(43), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(32))
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    #: SHA-256 of the ``__Host-flow`` secret of the browser that started it (req 41)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    #: what was asked for, as validated when the flow began; never read again from a request (D8)
    request: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: done-marks: step → facts with the account id they hold for (req 75)
    done: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    form_data: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class OneTimeSecret(Base):
    """A code or link that works once, keyed by purpose and hash so that kinds never mix (C2)."""

    __tablename__ = "one_time_secret"
    __table_args__ = (
        UniqueConstraint("purpose", "hash"),
        Index("ix_one_time_secret_expires_at", "expires_at"),
        Index("ix_one_time_secret_target", "target"),
        Index("ix_one_time_secret_flow_id", "flow_id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(32))
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    flow_id: Mapped[str | None] = mapped_column(ForeignKey("flow.id", ondelete="CASCADE"))
    #: what it opens: an authorization, an address, an invitation
    target: Mapped[str] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
