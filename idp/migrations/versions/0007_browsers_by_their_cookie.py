"""All rows of a browser are found by its cookie: who signs in there for the first time renews it."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_device_cookie_hash", "device", ["cookie_hash"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_device_cookie_hash", "device")
