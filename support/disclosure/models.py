"""The tables of disclosures: the case, what was chosen for it, and who approved exactly that."""

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from core.database import Millis


class Disclosure(SQLModel, table=True):
    """One case; all that people wrote into it is sealed under a key of its own."""

    __tablename__ = "disclosure"

    id: str = Field(primary_key=True)
    dek_id: int = Field(sa_type=Millis)
    ground: str
    subject: str = Field(index=True)
    reference: str
    processor_id: str | None = None
    facts_sealed: bytes = Field(sa_type=LargeBinary)
    document_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    document_sha256: str | None = None
    opened_by: str
    opened_role: str
    opened_ms: int = Field(sa_type=Millis)
    given_by: str | None = None
    given_ms: int | None = Field(default=None, sa_type=Millis)
    manifest_sha256: str | None = None
    harm_due_ms: int | None = Field(default=None, sa_type=Millis)
    reported_ms: int | None = Field(default=None, sa_type=Millis)
    delivered_ms: int | None = Field(default=None, sa_type=Millis)
    told_ms: int | None = Field(default=None, sa_type=Millis)
    barred_ms: int | None = Field(default=None, sa_type=Millis)
    barred_review_ms: int | None = Field(default=None, sa_type=Millis)
    notes_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    closed_ms: int | None = Field(default=None, sa_type=Millis, index=True)


class DisclosureItem(SQLModel, table=True):
    """One thing that was chosen: an object of the person's, or a class of technical information."""

    __tablename__ = "disclosure_item"

    disclosure_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    object_id: str = Field(primary_key=True)
    first: int | None = None
    last: int | None = None


class DisclosureApproval(SQLModel, table=True):
    """One person's approval of the case as it was; `digest` says of what."""

    __tablename__ = "disclosure_approval"

    disclosure_id: str = Field(primary_key=True)
    by: str = Field(primary_key=True)
    role: str
    digest: str
    at_ms: int = Field(sa_type=Millis)
