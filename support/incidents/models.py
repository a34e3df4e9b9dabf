"""The table of incidents; what happened and why it was decided so are sealed, the clock and the decision are not."""

from sqlmodel import Field, SQLModel

from core.database import Millis


class Incident(SQLModel, table=True):
    """Something that happened to people's data; `decision` is empty until the privacy officer has decided."""

    __tablename__ = "incident"

    id: str = Field(primary_key=True)
    known_ms: int = Field(sa_type=Millis, index=True)
    due_ms: int = Field(sa_type=Millis)
    opened_by: str
    opened_ms: int = Field(sa_type=Millis)
    summary_sealed: bytes
    decision: str | None = None
    reason_sealed: bytes | None = None
    decided_by: str | None = None
    decided_ms: int | None = Field(default=None, sa_type=Millis)
    alarmed_ms: int | None = Field(default=None, sa_type=Millis)
    closed_ms: int | None = Field(default=None, sa_type=Millis)
