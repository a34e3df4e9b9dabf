"""Events that amend earlier ones, and files that are shown no longer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("target_seq", sa.BigInteger(), nullable=True))
    op.create_index(
        "event_by_target",
        "event",
        ["conversation_id", "target_seq"],
        sqlite_where=sa.text("target_seq IS NOT NULL"),
        postgresql_where=sa.text("target_seq IS NOT NULL"),
    )
    op.add_column("attachment", sa.Column("withdrawn", sa.String(length=16), nullable=True))


def downgrade() -> None:
    op.drop_column("attachment", "withdrawn")
    op.drop_index("event_by_target", "event")
    op.drop_column("event", "target_seq")
