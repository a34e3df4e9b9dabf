"""The tables of the policy: versions that were published, one that is proposed, and who was told of which.

A published version is a promise: triggers of the database refuse to change or delete its row, as the ledger's do.
"""

from typing import Final

from sqlalchemy import DDL, Table, UniqueConstraint, event
from sqlmodel import Field, SQLModel

from core.database import Millis


class PolicyVersion(SQLModel, table=True):
    """A version as it was published: everything it says (`facts`), why, who proposed and who approved it."""

    __tablename__ = "policy_version"

    version: str = Field(primary_key=True)
    sha256: str
    facts: bytes
    effective_ms: int = Field(sa_type=Millis, index=True)
    is_wider: bool
    reason_en: str
    reason_zh_hant: str
    proposed_by: str
    approved_by: str
    published_ms: int = Field(sa_type=Millis)


class PolicyProposal(SQLModel, table=True):
    """A version that an administrator proposed and the privacy officer has not answered yet."""

    __tablename__ = "policy_proposal"

    version: str = Field(primary_key=True)
    sha256: str
    reason_en: str
    reason_zh_hant: str
    proposed_by: str
    proposed_ms: int = Field(sa_type=Millis)


class PolicyNotice(SQLModel, table=True):
    """That somebody was told of a version: by a letter, or on the page of her chat."""

    __tablename__ = "policy_notice"
    __table_args__ = (UniqueConstraint("subject", "version", "channel"),)

    id: str = Field(primary_key=True)
    subject: str = Field(index=True)
    version: str = Field(index=True)
    channel: str
    letter_id: str | None = None
    at_ms: int = Field(sa_type=Millis, index=True)


VERSION: Final[Table] = SQLModel.metadata.tables["policy_version"]


def triggers(dialect: str) -> tuple[str, ...]:
    """The statements that make published versions unchangeable; `dialect` is `sqlite` or `postgresql`."""
    if dialect == "sqlite":
        return tuple(
            f"CREATE TRIGGER IF NOT EXISTS policy_version_no_{verb.lower()} BEFORE {verb} ON policy_version "
            "BEGIN SELECT RAISE(ABORT, 'a published version is never changed'); END"
            for verb in ("UPDATE", "DELETE")
        )
    return (
        "CREATE OR REPLACE FUNCTION policy_version_is_final() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'a published version is never changed'; END $$",
        "CREATE OR REPLACE TRIGGER policy_version_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_version "
        "FOR EACH STATEMENT EXECUTE FUNCTION policy_version_is_final()",
    )


for _dialect in ("sqlite", "postgresql"):
    for _statement in triggers(_dialect):
        event.listen(
            VERSION,
            "after_create",
            DDL(_statement).execute_if(dialect=_dialect),  # type: ignore[no-untyped-call]
        )
