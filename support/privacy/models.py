"""The tables of privacy: erasures of people, which outlive them as opaque ids and counts."""

from sqlmodel import Field, SQLModel

from core.database import Millis


class Erasure(SQLModel, table=True):
    """One person's erasure; unfinished while `finished_ms` is empty, and then its certificate."""

    __tablename__ = "erasure"

    id: str = Field(primary_key=True)
    subject: str = Field(index=True)
    started_ms: int = Field(sa_type=Millis)
    finished_ms: int | None = Field(default=None, sa_type=Millis, index=True)
    objects: int = 0
    rows: int = 0
    keys: int = 0
    files: int = 0
