"""Tables of sessions, authentication events, devices and authenticators."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.db import ID_LENGTH, Base, new_id
from idp.installation import SEALED


class Session(Base):
    """A sign-in of one person in one browser, found by the hash of its cookie (req 40)."""

    __tablename__ = "session"
    __table_args__ = (
        Index("ix_session_account_id", "account_id"),
        Index("ix_session_expires_at", "expires_at"),
        Index("ix_session_membership_id", "membership_id"),
        Index("ix_session_device_id", "device_id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    cookie_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    account_epoch: Mapped[int] = mapped_column(Integer)
    installation_epoch: Mapped[int] = mapped_column(Integer)
    #: the organisation the person acts for; portals get this one
    membership_id: Mapped[str | None] = mapped_column(ForeignKey("membership.id", ondelete="SET NULL"))
    device_id: Mapped[str | None] = mapped_column(ForeignKey("device.id", ondelete="SET NULL"))
    user_agent: Mapped[str] = mapped_column(String(255), default="")
    created_at: Mapped[datetime]
    #: moved on at most once a minute, so that reading a session does not write
    last_seen_at: Mapped[datetime]
    #: when the present run of activity began: a pause beyond the limit of aal2 moves it, and what was proven
    #: before it counts no longer towards aal2, even though the session is in use again
    active_since: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(32))

    events: Mapped[list["AuthenticationEvent"]] = relationship(
        lazy="raise", order_by="AuthenticationEvent.at"
    )


class AuthenticationEvent(Base):
    """A factor proven in a session; acr, amr and auth_time are computed from these."""

    __tablename__ = "authentication_event"
    __table_args__ = (Index("ix_authentication_event_session_id", "session_id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"))
    method: Mapped[str] = mapped_column(String(16))  # an amr value of RFC 8176
    authenticator_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    at: Mapped[datetime]


class SessionClient(Base):
    """A client that takes part in a session; its key is the ``sid`` this client sees."""

    __tablename__ = "session_client"
    __table_args__ = (UniqueConstraint("session_id", "client_id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    #: the outbox row that carries the logout token, once the session ended
    logout_outbox_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))


class Device(Base):
    """A browser one account has signed in from; several accounts may know the same browser."""

    __tablename__ = "device"
    __table_args__ = (
        UniqueConstraint("account_id", "cookie_hash"),
        Index("ix_device_cookie_hash", "cookie_hash"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    cookie_hash: Mapped[bytes] = mapped_column(LargeBinary)
    user_agent: Mapped[str] = mapped_column(String(255), default="")
    known_since: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    #: SHA-256 of the trust secret in the same cookie; the trust is this row, not the cookie
    trust_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    trusted_until: Mapped[datetime | None]


class Authenticator(Base):
    """A second factor of an account: an app, later passkeys and phones."""

    __tablename__ = "authenticator"
    __table_args__ = (Index("ix_authenticator_account_id", "account_id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))  # totp | webauthn | phone
    label: Mapped[str] = mapped_column(String(128), default="")
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    #: TOTP: the last accepted time step; must grow (req 62)
    last_step: Mapped[int] = mapped_column(Integer, default=0)
    counter: Mapped[int] = mapped_column(Integer, default=0)
    backup_state: Mapped[bool] = mapped_column(Boolean, default=False)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class RecoveryPassword(Base):
    """The one recovery password of an account, by its hash; the row goes when it is used (req 70)."""

    __tablename__ = "recovery_password"

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    #: SHA-256: it has more than 128 bits, which nobody guesses
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
