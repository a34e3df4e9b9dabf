"""No index of events by attachment: nothing is looked up that way, and every message paid for it.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_event_attachment_id", "event")


def downgrade() -> None:
    op.create_index("ix_event_attachment_id", "event", ["attachment_id"])
