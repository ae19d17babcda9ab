"""What the protocol issues, and what the installation keeps for itself."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# In the order of their creation: each foreign key points to a table before it.
TABLES = (
    "revoked_jti",
    "signing_key",
    "authorization",
    "refresh_token",
    "audit_event",
    "audit_seal",
    "installation",
    "installation_secret",
    "outbox",
    "throttle",
    "audit_personal",
)


def upgrade() -> None:
    """Create the tables."""
    _authorizations()
    _running()


def downgrade() -> None:
    """Drop the tables, the last one first."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _authorizations() -> None:
    """Create the tables of what the protocol issues."""
    op.create_table(
        "revoked_jti",
        sa.Column("jti", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_revoked_jti")),
    )
    op.create_index("ix_revoked_jti_expires_at", "revoked_jti", ["expires_at"], unique=False)
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("alg", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_key")),
    )
    op.create_index(
        "uq_signing_key_alg_state",
        "signing_key",
        ["alg", "state"],
        unique=True,
        sqlite_where=sa.text("state IN ('next', 'active')"),
        postgresql_where=sa.text("state IN ('next', 'active')"),
    )
    op.create_table(
        "authorization",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("account_epoch", sa.Integer(), nullable=False),
        sa.Column("installation_epoch", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("session_id", sa.String(length=32), nullable=True),
        sa.Column("sid", sa.String(length=32), nullable=True),
        sa.Column("membership_id", sa.String(length=32), nullable=True),
        sa.Column("membership_epoch", sa.Integer(), nullable=True),
        sa.Column("scope", sa.String(length=1024), nullable=False),
        sa.Column("claims_request", sa.JSON(), nullable=True),
        sa.Column("acr", sa.String(length=64), nullable=False),
        sa.Column("amr", sa.String(length=64), nullable=False),
        sa.Column("auth_time", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("redirect_uri", sa.String(length=2048), nullable=False),
        sa.Column("code_challenge", sa.String(length=128), nullable=True),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("permissions_version", sa.Integer(), nullable=True),
        sa.Column("cnf", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("revoke_reason", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_authorization_account_id_account"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_authorization_client_id_client"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"],
            ["membership.id"],
            name=op.f("fk_authorization_membership_id_membership"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["session.id"],
            name=op.f("fk_authorization_session_id_session"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization")),
    )
    op.create_index("ix_authorization_account_id", "authorization", ["account_id"], unique=False)
    op.create_index("ix_authorization_expires_at", "authorization", ["expires_at"], unique=False)
    op.create_index("ix_authorization_membership_id", "authorization", ["membership_id"], unique=False)
    op.create_index("ix_authorization_session_id", "authorization", ["session_id"], unique=False)
    op.create_table(
        "refresh_token",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("authorization_id", sa.String(length=32), nullable=False),
        sa.Column("parent_id", sa.String(length=32), nullable=True),
        sa.Column("successor_id", sa.String(length=32), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorization_id"],
            ["authorization.id"],
            name=op.f("fk_refresh_token_authorization_id_authorization"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_token")),
        sa.UniqueConstraint("hash", name=op.f("uq_refresh_token_hash")),
    )
    op.create_index("ix_refresh_token_authorization_id", "refresh_token", ["authorization_id"], unique=False)
    op.create_index("ix_refresh_token_expires_at", "refresh_token", ["expires_at"], unique=False)


def _running() -> None:
    """Create the tables of the installation itself: secrets, keys, outbox, audit."""
    op.create_table(
        "audit_event",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=128), nullable=True),
        sa.Column("actor_role", sa.String(length=32), nullable=True),
        sa.Column("organization", sa.String(length=32), nullable=True),
        sa.Column("target_kind", sa.String(length=32), nullable=True),
        sa.Column("target_id", sa.String(length=128), nullable=True),
        sa.Column("client", sa.String(length=128), nullable=True),
        sa.Column("session", sa.String(length=32), nullable=True),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("origin_commitment", sa.LargeBinary(), nullable=True),
        sa.Column("details_commitment", sa.LargeBinary(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("chain", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_index("ix_audit_event_actor_id_at", "audit_event", ["actor_id", "at"], unique=False)
    op.create_index("ix_audit_event_at", "audit_event", ["at"], unique=False)
    op.create_index("ix_audit_event_organization_at", "audit_event", ["organization", "at"], unique=False)
    op.create_index("ix_audit_event_target_id_at", "audit_event", ["target_id", "at"], unique=False)
    op.create_index(
        "ix_audit_event_unsealed",
        "audit_event",
        ["at", "id"],
        unique=False,
        postgresql_where=sa.text("position IS NULL"),
        sqlite_where=sa.text("position IS NULL"),
    )
    op.create_index("uq_audit_event_position", "audit_event", ["position"], unique=True)
    op.create_table(
        "audit_seal",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_position", sa.BigInteger(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("cut_at", sa.BigInteger(), nullable=True),
        sa.Column("cut_signature", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_seal")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("snapshot_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "installation_secret",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation_secret")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("group_id", sa.String(length=32), nullable=True),
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"], unique=False)
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'sending')"),
        sqlite_where=sa.text("state IN ('waiting', 'sending')"),
    )
    op.create_index("ix_outbox_expires_at", "outbox", ["expires_at"], unique=False)
    op.create_index("ix_outbox_group_id", "outbox", ["group_id"], unique=False)
    op.create_table(
        "throttle",
        sa.Column("key", sa.String(length=43), nullable=False),
        sa.Column("window_start", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttle")),
    )
    op.create_index("ix_throttle_expires_at", "throttle", ["expires_at"], unique=False)
    op.create_table(
        "audit_personal",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.LargeBinary(), nullable=True),
        sa.Column("details", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["audit_event.id"],
            name=op.f("fk_audit_personal_event_id_audit_event"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_audit_personal")),
    )
    op.create_index(
        "ix_audit_personal_details",
        "audit_personal",
        ["failure", "at"],
        unique=False,
        postgresql_where=sa.text("details IS NOT NULL"),
        sqlite_where=sa.text("details IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_personal_origin",
        "audit_personal",
        ["at"],
        unique=False,
        postgresql_where=sa.text("origin IS NOT NULL"),
        sqlite_where=sa.text("origin IS NOT NULL"),
    )
