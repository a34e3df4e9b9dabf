"""Holds, the sweeps and what they are ending."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("erasure", sa.Column("held", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "hold",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("object_kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("ground", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=True),
        sa.Column("proposed_ms", sa.BigInteger(), nullable=True),
        sa.Column("set_by", sa.String(), nullable=True),
        sa.Column("set_ms", sa.BigInteger(), nullable=True),
        sa.Column("review_ms", sa.BigInteger(), nullable=True),
        sa.Column("review_days", sa.Integer(), nullable=False),
        sa.Column("release_by", sa.String(), nullable=True),
        sa.Column("release_ms", sa.BigInteger(), nullable=True),
        sa.Column("released_by", sa.String(), nullable=True),
        sa.Column("released_ms", sa.BigInteger(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index(op.f("ix_hold_object_id"), "hold", ["object_id"])
    op.create_index(op.f("ix_hold_released_ms"), "hold", ["released_ms"])
    op.create_table(
        "doomed",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doomed")),
    )
    op.create_table(
        "retention_run",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_ms", sa.BigInteger(), nullable=False),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("keys", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_run")),
    )
    op.create_index(op.f("ix_retention_run_started_ms"), "retention_run", ["started_ms"])
    op.create_index(op.f("ix_retention_run_finished_ms"), "retention_run", ["finished_ms"])
    op.create_table(
        "retention_count",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("holding", sa.String(), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "holding", name=op.f("pk_retention_count")),
    )
    op.create_table(
        "processor",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("fields", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("contract", sa.String(), nullable=False),
        sa.Column("security", sa.String(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processor")),
    )
    op.create_index(op.f("ix_processor_name"), "processor", ["name"])
    op.create_table(
        "disclosure",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("dek_id", sa.BigInteger(), nullable=False),
        sa.Column("ground", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("processor_id", sa.String(), nullable=True),
        sa.Column("facts_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("document_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("document_sha256", sa.String(), nullable=True),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("opened_role", sa.String(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.String(), nullable=True),
        sa.Column("given_ms", sa.BigInteger(), nullable=True),
        sa.Column("manifest_sha256", sa.String(), nullable=True),
        sa.Column("harm_due_ms", sa.BigInteger(), nullable=True),
        sa.Column("reported_ms", sa.BigInteger(), nullable=True),
        sa.Column("delivered_ms", sa.BigInteger(), nullable=True),
        sa.Column("told_ms", sa.BigInteger(), nullable=True),
        sa.Column("barred_ms", sa.BigInteger(), nullable=True),
        sa.Column("barred_review_ms", sa.BigInteger(), nullable=True),
        sa.Column("notes_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure")),
    )
    op.create_index(op.f("ix_disclosure_subject"), "disclosure", ["subject"])
    op.create_index(op.f("ix_disclosure_closed_ms"), "disclosure", ["closed_ms"])
    op.create_table(
        "disclosure_item",
        sa.Column("disclosure_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=True),
        sa.Column("last", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("disclosure_id", "kind", "object_id", name=op.f("pk_disclosure_item")),
    )
    op.create_table(
        "disclosure_approval",
        sa.Column("disclosure_id", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("disclosure_id", "by", name=op.f("pk_disclosure_approval")),
    )


def downgrade() -> None:
    for table in (
        "disclosure_approval",
        "disclosure_item",
        "disclosure",
        "processor",
        "retention_count",
        "retention_run",
        "doomed",
        "hold",
    ):
        op.drop_table(table)
    with op.batch_alter_table("erasure") as batch_op:
        batch_op.drop_column("held")
