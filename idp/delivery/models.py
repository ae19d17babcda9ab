"""The outbox: what leaves the house, written in the transaction of the change and sent by the worker."""

from datetime import datetime

from sqlalchemy import Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import ID_LENGTH, Base, new_id
from idp.installation import SEALED

WAITING, SENDING, SENT, FAILED, EXPIRED = "waiting", "sending", "sent", "failed", "expired"
WITHHELD = "withheld"
"""Written for nobody, so that a known address costs a request no more than an unknown one (req 59)."""
#: as text, for an index over some rows serves only a query that states the same condition
OPEN = text("state IN ('waiting', 'sending')")


class OutboxMessage(Base):
    """One message to one recipient.

    ``sending`` is a lease: when *next_attempt_at* has passed, the worker that held it is taken for dead.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "next_attempt_at", postgresql_where=OPEN, sqlite_where=OPEN),
        Index("ix_outbox_group_id", "group_id"),
        Index("ix_outbox_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(24))  # mail | sms | call | backchannel_logout | event
    #: sealed; NULL when nothing remains to be sent
    recipient: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    #: sealed JSON; NULL when nothing remains to be sent
    payload: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    #: the same at every attempt, so that a receiver recognises a repetition
    message_id: Mapped[str] = mapped_column(String(255), unique=True)
    #: binds the messages of one sign-out or block together for its receipt
    group_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    #: whom the receipt names, such as a client id; never an address
    reference: Mapped[str | None] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(8), default=WAITING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(200))
