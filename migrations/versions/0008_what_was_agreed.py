"""Versions of the policy and who was told, minors and guardians, those who speak for others, reviews of access."""

import sqlalchemy as sa
from alembic import op

from support.policy import models

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_version",
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("effective_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_wider", sa.Boolean(), nullable=False),
        sa.Column("reason_en", sa.String(), nullable=False),
        sa.Column("reason_zh_hant", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("published_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_policy_version")),
    )
    op.create_index(op.f("ix_policy_version_effective_ms"), "policy_version", ["effective_ms"])
    op.create_table(
        "policy_proposal",
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("reason_en", sa.String(), nullable=False),
        sa.Column("reason_zh_hant", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_policy_proposal")),
    )
    op.create_table(
        "policy_notice",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("letter_id", sa.String(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_notice")),
        sa.UniqueConstraint("subject", "version", "channel", name=op.f("uq_policy_notice_subject_version_channel")),
    )
    for column in ("subject", "version", "at_ms"):
        op.create_index(op.f(f"ix_policy_notice_{column}"), "policy_notice", [column])
    op.create_table(
        "minor",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("declared_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_minor")),
    )
    op.create_index(op.f("ix_minor_declared_ms"), "minor", ["declared_ms"])
    op.create_table(
        "guardian_consent",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("minor_ref", sa.String(), nullable=False),
        sa.Column("guardian_mac", sa.LargeBinary(), nullable=False),
        sa.Column("policy_version", sa.String(), nullable=False),
        sa.Column("policy_sha256", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardian_consent")),
        sa.UniqueConstraint("minor_ref", "policy_version", name=op.f("uq_guardian_consent_minor_ref_policy_version")),
    )
    for column in ("minor_ref", "at_ms"):
        op.create_index(op.f(f"ix_guardian_consent_{column}"), "guardian_consent", [column])
    op.create_table(
        "third_party_attestation",
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_third_party_attestation")),
    )
    for column in ("subject", "at_ms"):
        op.create_index(op.f(f"ix_third_party_attestation_{column}"), "third_party_attestation", [column])
    op.create_table(
        "access_review",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("team", sa.String(), nullable=True),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_review")),
    )
    for column in ("staff_id", "at_ms"):
        op.create_index(op.f(f"ix_access_review_{column}"), "access_review", [column])
    op.create_table(
        "incident",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("known_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("summary_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("alarmed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index(op.f("ix_incident_known_ms"), "incident", ["known_ms"])
    for statement in models.triggers(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    for table in ("incident", "access_review", "third_party_attestation", "guardian_consent", "minor", "policy_notice"):
        op.drop_table(table)
    op.drop_table("policy_proposal")
    op.drop_table("policy_version")
