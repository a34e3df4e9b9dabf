"""The tables of "My data": copies made for people, processing that they stopped, deletions they asked for."""

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from core.database import Millis


class CopyArchive(SQLModel, table=True):
    """One person's copy: asked for, then ready as a sealed file under a data key of its own, then gone."""

    __tablename__ = "copy_archive"

    id: str = Field(primary_key=True, max_length=32)
    subject: str = Field(index=True, max_length=48)
    dek_id: int = Field(sa_type=Millis)
    blob: str = Field(unique=True, max_length=32)
    state: str = Field(max_length=16)
    locale: str = Field(max_length=16)
    created_ms: int = Field(sa_type=Millis)
    ready_ms: int | None = Field(default=None, sa_type=Millis)
    expires_ms: int = Field(sa_type=Millis, index=True)
    downloads_left: int
    size: int = Field(default=0, sa_type=Millis)
    manifest_sha256: bytes | None = Field(default=None, sa_type=LargeBinary)
    request_id: str | None = Field(default=None, max_length=64)


class Restriction(SQLModel, table=True):
    """A time in which what we keep about one person is frozen; without `lifted_ms` it still is."""

    __tablename__ = "restriction"

    id: str = Field(primary_key=True, max_length=32)
    subject: str = Field(index=True, max_length=48)
    since_ms: int = Field(sa_type=Millis)
    agreed_ms: int | None = Field(default=None, sa_type=Millis)
    lifted_ms: int | None = Field(default=None, sa_type=Millis)
    request_id: str | None = Field(default=None, max_length=64)


class Deletion(SQLModel, table=True):
    """A deletion somebody asked for: begins at `due_ms` unless withdrawn before; `scope` is empty for everything."""

    __tablename__ = "deletion"

    id: str = Field(primary_key=True, max_length=32)
    subject: str = Field(index=True, max_length=48)
    scope: str | None = Field(default=None, max_length=32)
    state: str = Field(max_length=16)
    asked_ms: int = Field(sa_type=Millis)
    due_ms: int = Field(sa_type=Millis)
    ended_ms: int | None = Field(default=None, sa_type=Millis, index=True)
    certificate: str | None = Field(default=None, max_length=32)
    request_id: str | None = Field(default=None, max_length=64)
