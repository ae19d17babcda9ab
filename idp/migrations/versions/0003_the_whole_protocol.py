"""What the whole protocol keeps: consent, waiting requests, opaque tokens, and what clients register."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("used_jti", "consent", "pushed_request", "access_token", "device_request")


def upgrade() -> None:
    """Create tables and columns."""
    _presented()
    _waiting()
    op.add_column("authorization", sa.Column("resources", sa.JSON(), nullable=True))
    for column in _client_columns():
        op.add_column("client", column)


def downgrade() -> None:
    """Drop columns and tables, the last one first."""
    for column in reversed(_client_columns()):
        op.drop_column("client", column.name)
    op.drop_column("authorization", "resources")
    for table in reversed(TABLES):
        op.drop_table(table)


def _presented() -> None:
    """Create the tables of what is presented: proofs, tokens, permissions people gave."""
    op.create_table(
        "used_jti",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_used_jti")),
    )
    op.create_index("ix_used_jti_expires_at", "used_jti", ["expires_at"])
    op.create_table(
        "consent",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=1024), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("declined_scope", sa.String(length=1024), nullable=False),
        sa.Column("declined_claims", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_consent_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_consent_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
        sa.UniqueConstraint("account_id", "client_id", name="uq_consent_account_id_client_id"),
    )
    op.create_index("ix_consent_client_id", "consent", ["client_id"])
    op.create_table(
        "access_token",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("authorization_id", sa.String(length=32), nullable=True),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authorization_id"],
            ["authorization.id"],
            name=op.f("fk_access_token_authorization_id_authorization"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_access_token_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_access_token")),
    )
    op.create_index("ix_access_token_authorization_id", "access_token", ["authorization_id"])
    op.create_index("ix_access_token_expires_at", "access_token", ["expires_at"])


def _waiting() -> None:
    """Create the tables of requests that wait."""
    op.create_table(
        "pushed_request",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_pushed_request_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_pushed_request")),
    )
    op.create_index("ix_pushed_request_expires_at", "pushed_request", ["expires_at"])
    op.create_table(
        "device_request",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=1024), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=True),
        sa.Column("network", sa.String(length=48), nullable=True),
        sa.Column("authorization_id", sa.String(length=32), nullable=True),
        sa.Column("denied_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("polled_at", sa.BigInteger(), nullable=True),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authorization_id"],
            ["authorization.id"],
            name=op.f("fk_device_request_authorization_id_authorization"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_device_request_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_request")),
        sa.UniqueConstraint("hash", name=op.f("uq_device_request_hash")),
        sa.UniqueConstraint("user_code_hash", name=op.f("uq_device_request_user_code_hash")),
    )
    op.create_index("ix_device_request_authorization_id", "device_request", ["authorization_id"])
    op.create_index("ix_device_request_expires_at", "device_request", ["expires_at"])


def _client_columns() -> list[sa.Column[Any]]:
    """Return the new columns of a client.

    They are added one by one: batch mode would copy the table, and dropping the old one deletes what refers
    to it.
    """
    return [
        sa.Column("userinfo_signed_response_alg", sa.String(length=8), nullable=True),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("jwks_uri", sa.String(length=2048), nullable=True),
        sa.Column("token_endpoint_auth_signing_alg", sa.String(length=8), nullable=True),
        sa.Column("request_object_signing_alg", sa.String(length=8), nullable=True),
        sa.Column(
            "require_pushed_authorization_requests", sa.Boolean(), nullable=False, server_default=sa.false()
        ),
        sa.Column("dpop_bound_access_tokens", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("access_token_format", sa.String(length=8), nullable=False, server_default="jwt"),
        sa.Column("resource_uri", sa.String(length=2048), nullable=True),
        sa.Column("allowed_origins", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column(
            "frontchannel_logout_session_required", sa.Boolean(), nullable=False, server_default=sa.true()
        ),
    ]
