"""An index for the origins of failed attempts; none for their details and for a message's expiry."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the one and drop the others."""
    op.create_index(
        "ix_audit_personal_failed",
        "audit_personal",
        ["at"],
        postgresql_where=sa.text("failure IS true AND origin IS NOT NULL"),
        sqlite_where=sa.text("failure IS 1 AND origin IS NOT NULL"),
    )
    op.drop_index("ix_audit_personal_details", "audit_personal")
    op.drop_index("ix_outbox_expires_at", "outbox")


def downgrade() -> None:
    """Create and drop them the other way round."""
    op.create_index("ix_outbox_expires_at", "outbox", ["expires_at"])
    op.create_index(
        "ix_audit_personal_details",
        "audit_personal",
        ["failure", "at"],
        postgresql_where=sa.text("details IS NOT NULL"),
        sqlite_where=sa.text("details IS NOT NULL"),
    )
    op.drop_index("ix_audit_personal_failed", "audit_personal")
