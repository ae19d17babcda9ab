"""Requests that wait: pushed by a client (RFC 9126), or for a person at another device (RFC 8628)."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import ID_LENGTH, Base, new_id


class PushedRequest(Base):
    """Parameters a client pushed; its ``request_uri`` works once and for that client alone (req 14)."""

    __tablename__ = "pushed_request"
    __table_args__ = (Index("ix_pushed_request_expires_at", "expires_at"),)

    #: SHA-256 of the request_uri's random part
    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    parameters: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class DeviceRequest(Base):
    """A device that waits until a person has allowed it somewhere else (RFC 8628 §3.2)."""

    __tablename__ = "device_request"
    __table_args__ = (
        Index("ix_device_request_expires_at", "expires_at"),
        Index("ix_device_request_authorization_id", "authorization_id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    #: SHA-256 of the device code
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    #: keyed hash of the user code, as the code alone could be guessed from a copy of the table
    user_code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(1024))
    #: client ids of the resource servers that were named (RFC 8707); None: the client's audiences
    resources: Mapped[list[str] | None] = mapped_column(JSON)
    #: where it came from, shortened, so that the person can tell it from their own
    network: Mapped[str | None] = mapped_column(String(48))
    #: set when the person said yes
    authorization_id: Mapped[str | None] = mapped_column(ForeignKey("authorization.id", ondelete="CASCADE"))
    denied_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    polled_at: Mapped[datetime | None]
    #: seconds the device has to wait between two polls; slow_down adds five
    interval: Mapped[int] = mapped_column(Integer, default=5)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
