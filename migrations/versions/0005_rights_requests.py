"""Requests about people's own data, and the steps of each.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from support.rights import models

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rights_request",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("sender_mac", sa.LargeBinary(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("extended_ms", sa.BigInteger(), nullable=True),
        sa.Column("alarms", sa.Integer(), nullable=False),
        sa.Column("breached_ms", sa.BigInteger(), nullable=True),
        sa.Column("is_policy_breach", sa.Boolean(), nullable=False),
        sa.Column("merged", sa.Integer(), nullable=False),
        sa.Column("identity_needed", sa.String(), nullable=False),
        sa.Column("identity_level", sa.String(), nullable=False),
        sa.Column("identity_method", sa.String(), nullable=True),
        sa.Column("identity_verifier", sa.String(), nullable=True),
        sa.Column("identity_ms", sa.BigInteger(), nullable=True),
        sa.Column("is_for_another", sa.Boolean(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=True),
        sa.Column("dek_id", sa.BigInteger(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("reply_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("left_out_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("basis_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.Column("needs_counsel", sa.Boolean(), nullable=False),
        sa.Column("review_ms", sa.BigInteger(), nullable=True),
        sa.Column("fee", sa.Integer(), nullable=False),
        sa.Column("fee_currency", sa.String(), nullable=True),
        sa.Column("fee_told_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("hidden_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_request")),
    )
    for column in INDEXED:
        op.create_index(op.f(f"ix_rights_request_{column}"), "rights_request", [column], unique=False)
    op.create_table(
        "rights_step",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=True),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_step")),
    )
    op.create_index(op.f("ix_rights_step_request_id"), "rights_step", ["request_id"], unique=False)
    for statement in models.triggers(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("rights_step")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION rights_step_is_never_changed()")
    op.drop_table("rights_request")


INDEXED = (
    "subject",
    "sender_mac",
    "state",
    "received_ms",
    "due_ms",
    "conversation_id",
    "review_ms",
    "closed_ms",
)
