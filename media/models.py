"""The table of attachments: one row for each sealed file, and nothing in the clear that says what it shows.

Danger. A row that names a picture, a place or a person in the clear; a row whose file is not there.

Principle. What a person gave (name, types, sizes, hash, time it was taken) lies sealed in `record_sealed`. In the
clear stand ids, random file names, sealed sizes and times. A row is committed only after its files are on the disk.
"""

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.database import Millis


class Attachment(SQLModel, table=True):
    """One received file; `owner` is whose data key it is, `uploader` who sent it (both refs such as `person:<id>`)."""

    __tablename__ = "attachment"
    __table_args__ = (
        UniqueConstraint("uploader", "upload_id", name="attachment_once"),
        Index("attachment_by_scope", "scope"),
        Index("attachment_by_owner", "owner"),
        Index("attachment_by_expiry", "expires_ms"),
    )

    id: str = Field(primary_key=True, sa_type=String(32))
    upload_id: str = Field(max_length=64)
    uploader: str = Field(max_length=48)
    owner: str = Field(max_length=48)
    scope: str = Field(sa_type=String(32))
    dek_id: int = Field(sa_type=Millis)
    kind: str = Field(max_length=16)
    retention_class: str = Field(max_length=32)
    record_sealed: bytes = Field(sa_type=LargeBinary)
    original_blob: str = Field(sa_type=String(32), unique=True)
    view_blob: str = Field(sa_type=String(32), unique=True)
    thumb_blob: str = Field(sa_type=String(32), unique=True)
    stored_bytes: int = Field(sa_type=Millis)
    created_ms: int = Field(sa_type=Millis)
    claimed_ms: int | None = Field(default=None, sa_type=Millis)
    withdrawn: str | None = Field(default=None, max_length=16)  # retracted or redacted: kept sealed, shown to nobody
    expires_ms: int = Field(sa_type=Millis)
