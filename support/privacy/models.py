"""The tables of privacy: erasures, holds and sweeps, all of them opaque ids, codes and counts."""

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
    held: int = 0
    """How many objects a hold still keeps; then this erasure is unfinished, and they are hidden."""


class Hold(SQLModel, table=True):
    """That an object, or all of a person's, must not be deleted: a reference and never a copy."""

    __tablename__ = "hold"

    id: str = Field(primary_key=True)
    object_kind: str
    object_id: str = Field(index=True)
    ground: str
    reference: str
    case_id: str
    proposed_by: str | None = None
    proposed_ms: int | None = Field(default=None, sa_type=Millis)
    set_by: str | None = None
    set_ms: int | None = Field(default=None, sa_type=Millis)
    review_ms: int | None = Field(default=None, sa_type=Millis)
    review_days: int
    release_by: str | None = None
    release_ms: int | None = Field(default=None, sa_type=Millis)
    released_by: str | None = None
    released_ms: int | None = Field(default=None, sa_type=Millis, index=True)
    changed_ms: int = Field(sa_type=Millis)

    @property
    def subject(self) -> str:
        """What is held, as the ledger and a person's holdings name it: `person:<id>`, `conversation:<id>`."""
        return f"{self.object_kind}:{self.object_id}"

    @property
    def is_proposal(self) -> bool:
        """Whether it waits for an officer, and holds nothing yet."""
        return self.set_ms is None and self.released_ms is None

    @property
    def is_in_force(self) -> bool:
        """Whether nothing of it may go."""
        return self.set_ms is not None and self.released_ms is None


class Doomed(SQLModel, table=True):
    """An object that is being ended just now: too late for a hold."""

    __tablename__ = "doomed"

    id: str = Field(primary_key=True)
    kind: str
    since_ms: int = Field(sa_type=Millis)


class RetentionRun(SQLModel, table=True):
    """One sweep; `lease_ms` is by the database's clock and says until when nobody else may begin one."""

    __tablename__ = "retention_run"

    id: str = Field(primary_key=True)
    by: str
    started_ms: int = Field(sa_type=Millis, index=True)
    lease_ms: int = Field(sa_type=Millis)
    finished_ms: int | None = Field(default=None, sa_type=Millis, index=True)
    state: str = "running"
    reference: str | None = None
    objects: int = 0
    rows: int = 0
    keys: int = 0
    files: int = 0
    entry: int | None = Field(default=None, sa_type=Millis)


class RetentionCount(SQLModel, table=True):
    """How many objects of one holding a sweep has ended."""

    __tablename__ = "retention_count"

    run_id: str = Field(primary_key=True)
    holding: str = Field(primary_key=True)
    objects: int
