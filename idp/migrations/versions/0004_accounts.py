"""Accounts: old portals with their accounts and links; recovery passwords; joining a company by number."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    "product_family",
    "legacy_directory",
    "legacy_account",
    "legacy_link",
    "recovery_password",
    "join_request",
)


def upgrade() -> None:
    """Create the tables."""
    _product_family()
    _directory()
    _account()
    _link()
    _joining()
    _recovery_password()
    _partial_index("ix_flow_reset_account", "account_id", "purpose = 'reset'", "flow")
    _deletion()


def downgrade() -> None:
    """Drop the tables, the last one first."""
    op.drop_index("ix_flow_reset_account", "flow")
    with op.batch_alter_table("account") as account:
        account.drop_index("ix_account_deletion_due_at")
        for column in ("recovery_due", "product_family", "deletion_due_at", "restore_status"):
            account.drop_column(column)
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("membership", "asked_at")
    op.drop_column("organization", "address")


def _product_family() -> None:
    op.create_table(
        "product_family",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("name_de", sa.String(length=128), nullable=False),
        sa.Column("name_en", sa.String(length=128), nullable=False),
        sa.Column("home_client", sa.String(length=64), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_product_family")),
    )
    op.add_column("account", sa.Column("product_family", sa.String(length=64), nullable=True))


def _directory() -> None:
    op.create_table(
        "legacy_directory",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name_de", sa.String(length=128), nullable=False),
        sa.Column("name_en", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("endpoint", sa.String(length=2048), nullable=True),
        sa.Column("bearer", sa.LargeBinary(), nullable=True),
        sa.Column("product_families", sa.JSON(), nullable=False),
        sa.Column("offer_at_sign_in", sa.Boolean(), nullable=False),
        sa.Column("permission_map", sa.JSON(), nullable=False),
        sa.Column("hash_formats", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_directory")),
        sa.UniqueConstraint("slug", name=op.f("uq_legacy_directory_slug")),
    )


def _account() -> None:
    op.create_table(
        "legacy_account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("directory_id", sa.String(length=32), nullable=False),
        sa.Column("lookup", sa.LargeBinary(), nullable=False),
        sa.Column("email_lookup", sa.LargeBinary(), nullable=True),
        sa.Column("personal", sa.LargeBinary(), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.Column("hash_format", sa.String(length=48), nullable=True),
        sa.Column("hash_state", sa.String(length=8), nullable=True),
        sa.Column("security_question", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.String(length=32), nullable=True),
        sa.Column("linked_at", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["directory_id"],
            ["legacy_directory.id"],
            name=op.f("fk_legacy_account_directory_id_legacy_directory"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["account.id"], name=op.f("fk_legacy_account_owner_id_account"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_account")),
        sa.UniqueConstraint("lookup", name=op.f("uq_legacy_account_lookup")),
    )
    op.create_index("ix_legacy_account_email_lookup", "legacy_account", ["email_lookup"])
    op.create_index("ix_legacy_account_owner_id", "legacy_account", ["owner_id"])
    _partial_index("ix_legacy_account_to_wrap", "id", "hash_state = 'weak'")
    _partial_index("ix_legacy_account_dead_hash", "linked_at", "linked_at IS NOT NULL AND hash IS NOT NULL")


def _partial_index(name: str, column: str, where: str, table: str = "legacy_account") -> None:
    op.create_index(name, table, [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _link() -> None:
    op.create_table(
        "legacy_link",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("legacy_account_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("undo_until", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("recovery_due", sa.Boolean(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_legacy_link_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["legacy_account_id"],
            ["legacy_account.id"],
            name=op.f("fk_legacy_link_legacy_account_id_legacy_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_link")),
    )
    op.create_index("ix_legacy_link_account_id", "legacy_link", ["account_id"])
    op.create_index("ix_legacy_link_legacy_account_id", "legacy_link", ["legacy_account_id"])


def _joining() -> None:
    op.add_column("organization", sa.Column("address", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("membership", sa.Column("asked_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "join_request",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("customer_number", sa.String(length=32), nullable=False),
        sa.Column("membership_id", sa.String(length=32), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("letter_at", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_join_request_account_id_account"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"],
            ["membership.id"],
            name=op.f("fk_join_request_membership_id_membership"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_join_request")),
        sa.UniqueConstraint(
            "account_id", "customer_number", name=op.f("uq_join_request_account_id_customer_number")
        ),
    )
    op.create_index("ix_join_request_membership_id", "join_request", ["membership_id"])
    op.create_index("ix_join_request_asked_at", "join_request", ["asked_at"])


def _recovery_password() -> None:
    op.create_table(
        "recovery_password",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_recovery_password_account_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_recovery_password")),
    )
    # the default fills the rows there are; the model says it for new ones
    op.add_column(
        "account", sa.Column("recovery_due", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def _deletion() -> None:
    op.add_column("account", sa.Column("deletion_due_at", sa.BigInteger(), nullable=True))
    op.add_column("account", sa.Column("restore_status", sa.String(length=16), nullable=True))
    where = sa.text("deletion_due_at IS NOT NULL")
    op.create_index(
        "ix_account_deletion_due_at",
        "account",
        ["deletion_due_at"],
        sqlite_where=where,
        postgresql_where=where,
    )
