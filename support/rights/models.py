"""The tables of the rights desk: requests, and what was done with each, step by step.

Danger. A request that is quietly changed afterwards proves nothing about the days it took.

Principle. What the person wrote and what we answered is sealed under a key of the request's own, which goes when the
period of `dsr_case` is over (clause 5(2)2) and not with the person's: that we answered must stay provable. Steps are
added and never changed; a trigger sees to it.
"""

from enum import StrEnum
from typing import Final

from sqlalchemy import DDL, Table, event
from sqlmodel import Field, SQLModel

from core.database import Millis


class Kind(StrEnum):
    """What is asked for."""

    INQUIRE = "inquire"
    COPY = "copy"
    CORRECT = "correct"
    SUPPLEMENT = "supplement"
    STOP = "stop"
    DELETE = "delete"
    WITHDRAW_CONSENT = "withdraw_consent"
    COMPLAINT = "complaint"
    QUESTION = "question"


class Channel(StrEnum):
    """How the request came."""

    MY_DATA = "my_data"
    MAIL = "mail"
    CHAT = "chat"
    OFFICER = "officer"


class State(StrEnum):
    """Where a request stands."""

    RECEIVED = "received"
    IDENTITY_PENDING = "identity_pending"
    IDENTITY_OK = "identity_ok"
    IN_PROGRESS = "in_progress"
    FULFILLED = "fulfilled"
    PARTIAL = "partial"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


class Level(StrEnum):
    """How far somebody has shown who they are (clause 5(2)1)."""

    I0 = "I0"
    I1 = "I1"
    I2 = "I2"
    I3 = "I3"


BEFORE_WORK: Final = frozenset({State.RECEIVED, State.IDENTITY_PENDING, State.IDENTITY_OK})
OPEN: Final = BEFORE_WORK | {State.IN_PROGRESS}
ANSWERED: Final = frozenset({State.FULFILLED, State.PARTIAL, State.REFUSED, State.WITHDRAWN})


class RightsRequest(SQLModel, table=True):
    """One request; everything that somebody wrote is sealed."""

    __tablename__ = "rights_request"

    id: str = Field(primary_key=True)
    subject: str = Field(index=True)
    sender_mac: bytes | None = Field(default=None, index=True)  # an address nobody has proven, while it is open
    kind: str
    channel: str
    state: str = Field(index=True)
    locale: str
    received_ms: int = Field(sa_type=Millis, index=True)
    due_ms: int = Field(sa_type=Millis, index=True)
    not_before_ms: int = Field(default=0, sa_type=Millis)
    extended_ms: int | None = Field(default=None, sa_type=Millis)
    alarms: int = 0
    breached_ms: int | None = Field(default=None, sa_type=Millis)
    is_policy_breach: bool = False
    merged: int = 0
    identity_needed: str
    identity_level: str = Level.I0
    identity_method: str | None = None
    identity_verifier: str | None = None
    identity_ms: int | None = Field(default=None, sa_type=Millis)
    is_for_another: bool = False
    conversation_id: str | None = Field(default=None, index=True)
    dek_id: int = Field(sa_type=Millis)
    words_sealed: bytes
    reply_sealed: bytes | None = None
    answer_sealed: bytes | None = None
    left_out_sealed: bytes | None = None
    basis_sealed: bytes | None = None
    decision: str | None = None
    decided_by: str | None = None
    decided_ms: int | None = Field(default=None, sa_type=Millis)
    answered_ms: int | None = Field(default=None, sa_type=Millis)
    needs_counsel: bool = False
    review_ms: int | None = Field(default=None, sa_type=Millis, index=True)
    fee: int = 0
    fee_currency: str | None = None
    fee_told_ms: int | None = Field(default=None, sa_type=Millis)
    closed_ms: int | None = Field(default=None, sa_type=Millis, index=True)
    hidden_ms: int | None = Field(default=None, sa_type=Millis)


class RightsStep(SQLModel, table=True):
    """One thing that was done with a request; never changed."""

    __tablename__ = "rights_step"

    id: str = Field(primary_key=True)
    request_id: str = Field(index=True)
    number: int
    at_ms: int = Field(sa_type=Millis)
    actor: str
    role: str | None = None
    verb: str
    state: str
    reason: str | None = None
    note_sealed: bytes | None = None


STEP: Final[Table] = SQLModel.metadata.tables["rights_step"]


def triggers(dialect: str) -> tuple[str, ...]:
    """The statements that let nobody change a step, for migrations; `dialect` is `sqlite` or `postgresql`."""
    if dialect == "sqlite":
        return (
            "CREATE TRIGGER IF NOT EXISTS rights_step_no_update BEFORE UPDATE ON rights_step "
            "BEGIN SELECT RAISE(ABORT, 'steps are never changed'); END",
        )
    return (
        "CREATE OR REPLACE FUNCTION rights_step_is_never_changed() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'steps are never changed'; END $$",
        "CREATE OR REPLACE TRIGGER rights_step_no_update BEFORE UPDATE ON rights_step "
        "FOR EACH STATEMENT EXECUTE FUNCTION rights_step_is_never_changed()",
    )


for _dialect in ("sqlite", "postgresql"):
    for _statement in triggers(_dialect):
        event.listen(
            STEP,
            "after_create",
            DDL(_statement).execute_if(dialect=_dialect),  # type: ignore[no-untyped-call]
        )
