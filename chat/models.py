"""Tables of the numbered log: the conversation's lock row, its events, how far each side has read, its orders.

Danger. A row that says in the clear what somebody wrote, and a number that is given twice.

Principle. What people wrote stands only in `*_sealed` columns, under the conversation's own key; ids, counters, kinds
and times stand in the clear. The numbers `seq` and `pub_seq` are dense because they are taken under the lock of the
conversation row and written in the same transaction; the unique constraints below are the second net.

Boundary. Nothing here opens a transaction: `chat.log` and `chat.conversations` do.
"""

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, String, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from core.database import Millis

Sealed = LargeBinary  # what nobody opens without the conversation's key, and what is computed over it


class Conversation(SQLModel, table=True):
    """The lock row: whose it is, where its counters stand, and the fold of its log."""

    __tablename__ = "conversation"
    __table_args__ = (
        Index("conversation_by_owner", "owner", "last_event_ms"),
        Index("conversation_by_state", "state", "waiting_since_ms"),
        Index("conversation_by_expiry", "expires_ms"),
    )

    id: str = Field(primary_key=True, sa_type=String(32))
    dek_id: int = Field(sa_type=Millis)
    owner: str = Field(max_length=48)
    owner_next: str | None = Field(default=None, max_length=48)  # set while the key changes hands
    opened_by: str = Field(max_length=48)
    epoch: str = Field(max_length=16)
    last_seq: int = Field(default=0, sa_type=Millis)
    last_pub_seq: int = Field(default=0, sa_type=Millis)
    last_line_seq: int = Field(default=0, sa_type=Millis)
    version: int = Field(default=0, sa_type=Millis)
    chain_hash: bytes = Field(sa_type=Sealed)
    state: str = Field(default="open", max_length=16)
    assignee: str | None = Field(default=None, max_length=32)
    team: str | None = Field(default=None, max_length=64)
    locale: str = Field(max_length=16)
    topic_sealed: bytes | None = Field(default=None, sa_type=Sealed)
    title_sealed: bytes | None = Field(default=None, sa_type=Sealed)
    proof: str = Field(max_length=24)
    proven_ms: int | None = Field(default=None, sa_type=Millis)
    retention_class: str = Field(max_length=32)
    created_ms: int = Field(sa_type=Millis)
    last_event_ms: int = Field(sa_type=Millis)
    closed_ms: int | None = Field(default=None, sa_type=Millis)
    waiting_since_ms: int | None = Field(default=None, sa_type=Millis)
    expires_ms: int = Field(sa_type=Millis)
    restricted_ms: int | None = Field(default=None, sa_type=Millis)  # frozen, as its owner asked (clause 5(1)2)


class EventRow(SQLModel, table=True):
    """One numbered event as it lies in the log; `chat.log.Event` is the opened form."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("conversation_id", "sender", "client_id", name="event_once"),
        UniqueConstraint("conversation_id", "pub_seq", name="event_public_dense"),
        CheckConstraint("seq > 0", name="event_seq_positive"),
        Index(
            "event_by_target",
            "conversation_id",
            "target_seq",
            sqlite_where=text("target_seq IS NOT NULL"),
            postgresql_where=text("target_seq IS NOT NULL"),
        ),
        {"sqlite_with_rowid": False},
    )

    conversation_id: str = Field(primary_key=True, sa_type=String(32))
    seq: int = Field(sa_column=Column(Millis, primary_key=True, autoincrement=False))
    pub_seq: int | None = Field(default=None, sa_type=Millis)
    sender: str = Field(max_length=48)
    client_id: str = Field(max_length=64)
    payload_hash: bytes = Field(sa_type=Sealed)
    kind: str = Field(max_length=24)
    body_sealed: bytes = Field(sa_type=Sealed)
    dek_id: int = Field(sa_type=Millis)
    attachment_id: str | None = Field(default=None, max_length=32)
    chain_hash: bytes = Field(sa_type=Sealed)
    created_ms: int = Field(sa_type=Millis)
    target_seq: int | None = Field(default=None, sa_type=Millis)  # the event that this one amends


class ReadMark(SQLModel, table=True):
    """How far a participant has read and received, in both numberings; each is a maximum and never goes back."""

    __tablename__ = "read_mark"

    conversation_id: str = Field(primary_key=True, sa_type=String(32))
    participant: str = Field(primary_key=True, max_length=48)
    read_seq: int = Field(default=0, sa_type=Millis)
    read_pub_seq: int = Field(default=0, sa_type=Millis)
    received_seq: int = Field(default=0, sa_type=Millis)
    received_pub_seq: int = Field(default=0, sa_type=Millis)
    version: int = Field(default=0, sa_type=Millis)


class OrderLink(SQLModel, table=True):
    """An order of the shop tied to a conversation; its number is found by a keyed hash only."""

    __tablename__ = "conversation_order"

    conversation_id: str = Field(primary_key=True, sa_type=String(32))
    order_id: str = Field(primary_key=True, max_length=32, index=True)
    order_mac: bytes = Field(sa_type=Sealed, index=True)
    linked_by: str = Field(max_length=48)
    linked_ms: int = Field(sa_type=Millis)
