"""Copies made for people, processing they stopped, deletions they asked for; conversations that are frozen."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversation", sa.Column("restricted_ms", sa.BigInteger(), nullable=True))
    op.add_column("person", sa.Column("moved_ms", sa.BigInteger(), nullable=True))
    op.add_column("person", sa.Column("returned_ms", sa.BigInteger(), nullable=True))
    op.create_table(
        "copy_archive",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("dek_id", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("ready_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("downloads_left", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("manifest_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copy_archive")),
        sa.UniqueConstraint("blob", name=op.f("uq_copy_archive_blob")),
    )
    op.create_index(op.f("ix_copy_archive_subject"), "copy_archive", ["subject"])
    op.create_index(op.f("ix_copy_archive_expires_ms"), "copy_archive", ["expires_ms"])
    op.create_table(
        "restriction",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("agreed_ms", sa.BigInteger(), nullable=True),
        sa.Column("lifted_ms", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restriction")),
    )
    op.create_index(op.f("ix_restriction_subject"), "restriction", ["subject"])
    op.create_table(
        "deletion",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("certificate", sa.String(length=32), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletion")),
    )
    op.create_index(op.f("ix_deletion_subject"), "deletion", ["subject"])
    op.create_index(op.f("ix_deletion_ended_ms"), "deletion", ["ended_ms"])


def downgrade() -> None:
    for table in ("deletion", "restriction", "copy_archive"):
        op.drop_table(table)
    op.drop_column("person", "returned_ms")
    op.drop_column("person", "moved_ms")
    op.drop_column("conversation", "restricted_ms")
