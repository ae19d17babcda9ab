"""The companies that a client may know, beside what it may know of each."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; who allowed a client to know companies is asked once more, for each."""
    op.add_column("consent", sa.Column("organizations", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("consent", "organizations")
