"""The table of administration: what became of each member's access when it was reviewed."""

from sqlmodel import Field, SQLModel

from core.database import Millis


class AccessReview(SQLModel, table=True):
    """One member's access as it was on the day, and what was decided: confirmed, revoked, or suspended as unused."""

    __tablename__ = "access_review"

    id: str = Field(primary_key=True)
    staff_id: str = Field(index=True)
    role: str
    team: str | None = None
    decision: str
    decided_by: str
    at_ms: int = Field(sa_type=Millis, index=True)
