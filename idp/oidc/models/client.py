"""Registered clients and their secrets (RFC 7591 §2 names the metadata)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.db import ID_LENGTH, Base, new_id


class Client(Base):
    """A relying party's registration; ``client_id`` is a readable slug."""

    __tablename__ = "client"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(String(128), unique=True)
    client_name: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))  # web | spa | native | machine | device
    #: raised by each change
    version: Mapped[int] = mapped_column(Integer, default=1)
    first_party: Mapped[bool] = mapped_column(Boolean, default=False)
    disabled_at: Mapped[datetime | None]
    #: for dynamic registration; until then nothing sets or reads it
    expires_at: Mapped[datetime | None]
    redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    grant_types: Mapped[list[str]] = mapped_column(JSON, default=list)
    response_types: Mapped[list[str]] = mapped_column(JSON, default=list)
    scope: Mapped[str] = mapped_column(String(1024), default="openid")
    token_endpoint_auth_method: Mapped[str] = mapped_column(String(32))
    id_token_signed_response_alg: Mapped[str] = mapped_column(String(8), default="ES256")
    #: None: userinfo answers plain JSON
    userinfo_signed_response_alg: Mapped[str | None] = mapped_column(String(8))
    #: public keys of the client, by value or where to fetch them
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    jwks_uri: Mapped[str | None] = mapped_column(String(2048))
    token_endpoint_auth_signing_alg: Mapped[str | None] = mapped_column(String(8))
    request_object_signing_alg: Mapped[str | None] = mapped_column(String(8))
    require_pushed_authorization_requests: Mapped[bool] = mapped_column(Boolean, default=False)
    dpop_bound_access_tokens: Mapped[bool] = mapped_column(Boolean, default=False)
    require_pkce: Mapped[bool] = mapped_column(Boolean, default=True)
    #: client ids of the resource servers its access tokens are for; empty: the issuer
    audiences: Mapped[list[str]] = mapped_column(JSON, default=list)
    access_token_format: Mapped[str] = mapped_column(String(8), default="jwt")  # jwt | opaque
    #: as a resource server: the URI by which portals ask for its tokens (RFC 8707)
    resource_uri: Mapped[str | None] = mapped_column(String(2048))
    #: origins whose scripts may read our answers (req 17)
    allowed_origins: Mapped[list[str]] = mapped_column(JSON, default=list)
    #: each JWT it gets for itself has a row: switched off and on again, it has none of the old ones
    strict_revocation: Mapped[bool] = mapped_column(Boolean, default=False)
    default_acr_values: Mapped[list[str]] = mapped_column(JSON, default=list)
    default_max_age: Mapped[int | None] = mapped_column(Integer)
    require_membership: Mapped[bool] = mapped_column(Boolean, default=False)
    product: Mapped[str | None] = mapped_column(String(64))
    home_uri: Mapped[str | None] = mapped_column(String(2048))
    initiate_login_uri: Mapped[str | None] = mapped_column(String(2048))
    logo_uri: Mapped[str | None] = mapped_column(String(2048))
    policy_uri: Mapped[str | None] = mapped_column(String(2048))
    tos_uri: Mapped[str | None] = mapped_column(String(2048))
    backchannel_logout_uri: Mapped[str | None] = mapped_column(String(2048))
    backchannel_logout_session_required: Mapped[bool] = mapped_column(Boolean, default=True)
    frontchannel_logout_uri: Mapped[str | None] = mapped_column(String(2048))
    frontchannel_logout_session_required: Mapped[bool] = mapped_column(Boolean, default=True)
    event_uri: Mapped[str | None] = mapped_column(String(2048))
    sector_identifier_uri: Mapped[str | None] = mapped_column(String(2048))
    subject_type: Mapped[str] = mapped_column(String(8), default="public")
    registration_token_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    secrets: Mapped[list["ClientSecret"]] = relationship(lazy="raise", order_by="ClientSecret.created_at")


class ClientSecret(Base):
    """SHA-256 of a secret of at least 256 bit; two may be valid while one replaces the other (req 20)."""

    __tablename__ = "client_secret"
    __table_args__ = (Index("ix_client_secret_client_id", "client_id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
