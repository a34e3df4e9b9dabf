"""The table of processors: one row for each agreement; a changed agreement is a new row."""

from sqlmodel import Field, SQLModel

from core.database import Millis


class Processor(SQLModel, table=True):
    """A company that gets the named fields for one purpose until a day; never changed, only ended."""

    __tablename__ = "processor"

    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    purpose: str
    fields: str
    region: str
    contract: str
    security: str
    expires_ms: int = Field(sa_type=Millis)
    added_by: str
    added_ms: int = Field(sa_type=Millis)
    ended_by: str | None = None
    ended_ms: int | None = Field(default=None, sa_type=Millis)

    @property
    def allowed(self) -> frozenset[str]:
        """The names of the fields that may go out."""
        return frozenset(self.fields.split())

    def is_valid(self, *, now: int) -> bool:
        """Whether anything may go out today."""
        return self.ended_ms is None and now < self.expires_ms
