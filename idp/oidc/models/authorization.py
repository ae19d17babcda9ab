"""Authorizations (one accepted request each) and what descends from them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import ID_LENGTH, Base, new_id


class Authorization(Base):
    """One accepted authorization request: the lineage of its code and tokens.  JWTs carry its key."""

    __tablename__ = "authorization"
    __table_args__ = (
        Index("ix_authorization_account_id", "account_id"),
        Index("ix_authorization_session_id", "session_id"),
        Index("ix_authorization_membership_id", "membership_id"),
        Index("ix_authorization_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    account_epoch: Mapped[int] = mapped_column(Integer)
    installation_epoch: Mapped[int] = mapped_column(Integer)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    session_id: Mapped[str | None] = mapped_column(ForeignKey("session.id", ondelete="SET NULL"))
    sid: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    membership_id: Mapped[str | None] = mapped_column(ForeignKey("membership.id", ondelete="CASCADE"))
    membership_epoch: Mapped[int | None] = mapped_column(Integer)
    scope: Mapped[str] = mapped_column(String(1024))
    claims_request: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    acr: Mapped[str] = mapped_column(String(64))
    amr: Mapped[str] = mapped_column(String(64))  # space-separated
    #: seconds since the epoch, as the claim has it; never moves after issue
    auth_time: Mapped[int] = mapped_column(Integer)
    nonce: Mapped[str | None] = mapped_column(Text)
    redirect_uri: Mapped[str] = mapped_column(String(2048))
    code_challenge: Mapped[str | None] = mapped_column(String(128))
    offline: Mapped[bool] = mapped_column(Boolean, default=False)
    #: the membership's version when it was given: what the person saw
    permissions_version: Mapped[int | None] = mapped_column(Integer)
    #: resources its access tokens are for (RFC 8707); None: the client's audiences
    resources: Mapped[list[str] | None] = mapped_column(JSON)
    #: proof-of-possession key (RFC 7800), the code's too where the request named it (RFC 9449 §10)
    cnf: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(String(32))


class RefreshToken(Base):
    """One link of a rotation chain; the family is the authorization (RFC 9700 §4.14.2)."""

    __tablename__ = "refresh_token"
    __table_args__ = (Index("ix_refresh_token_authorization_id", "authorization_id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    authorization_id: Mapped[str] = mapped_column(ForeignKey("authorization.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    successor_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AccessToken(Base):
    """An opaque access token: its SHA-256, and the claims a JWT would carry (RFC 6749 §1.4)."""

    __tablename__ = "access_token"
    __table_args__ = (
        Index("ix_access_token_authorization_id", "authorization_id"),
        Index("ix_access_token_expires_at", "expires_at"),
    )

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    authorization_id: Mapped[str | None] = mapped_column(ForeignKey("authorization.id", ondelete="CASCADE"))
    claims: Mapped[dict[str, Any]] = mapped_column(JSON)
    expires_at: Mapped[datetime]


class UsedJti(Base):
    """An assertion or proof that was presented, until it would have expired (RFC 7523 §3, RFC 9449 §11.1)."""

    __tablename__ = "used_jti"
    __table_args__ = (Index("ix_used_jti_expires_at", "expires_at"),)

    #: SHA-256 of who presented it, what for, and its jti
    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime]


class RevokedJti(Base):
    """An access token revoked one by one (RFC 7009), until it would have expired."""

    __tablename__ = "revoked_jti"
    __table_args__ = (Index("ix_revoked_jti_expires_at", "expires_at"),)

    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime]
