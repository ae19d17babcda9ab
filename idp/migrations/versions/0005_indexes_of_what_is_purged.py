"""Indexes for rows that go with a row that is purged, and none for an expiry that nobody asks for."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_one_time_secret_flow_id", "one_time_secret", "flow_id"),
    ("ix_flow_account_id", "flow", "account_id"),
    ("ix_session_membership_id", "session", "membership_id"),
    ("ix_session_device_id", "session", "device_id"),
)


def upgrade() -> None:
    """Create the indexes."""
    for name, table, column in INDEXES:
        op.create_index(name, table, [column])
    op.drop_index("ix_refresh_token_expires_at", "refresh_token")


def downgrade() -> None:
    """Drop them, the last one first."""
    op.create_index("ix_refresh_token_expires_at", "refresh_token", ["expires_at"])
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table)
