"""The table of orders: who, when and in what state; what was bought and where it went is sealed."""

from sqlalchemy import LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.database import Millis


class OrderRecord(SQLModel, table=True):
    """One order of one person, sealed under that person's key.

    The number a shopper types is found by `number_mac`; the shop's own id for it is often the same number, so that one
    too is kept only as a keyed hash. `content_mac` tells a repeated import from a change without opening anything. A
    hidden order is about to be erased and is shown to nobody.
    """

    __tablename__ = "order_record"
    __table_args__ = (UniqueConstraint("source", "source_mac"),)

    id: str = Field(primary_key=True, max_length=32)
    number_mac: bytes = Field(sa_type=LargeBinary, index=True)
    person_id: str = Field(index=True, max_length=32)
    dek_id: int = Field(sa_type=Millis)
    status: str = Field(max_length=16)
    placed_ms: int | None = Field(sa_type=Millis, default=None)
    detail_sealed: bytes = Field(sa_type=LargeBinary)
    source: str = Field(max_length=32)
    source_mac: bytes = Field(sa_type=LargeBinary)
    content_mac: bytes = Field(sa_type=LargeBinary)
    imported_ms: int = Field(sa_type=Millis)
    updated_ms: int = Field(sa_type=Millis, index=True)
    hidden_ms: int | None = Field(sa_type=Millis, default=None)
