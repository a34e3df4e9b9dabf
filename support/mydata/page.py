"""What a person's own page tells her: reads only, and only what is hers."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import func, select

from chat import conversations, log, transcripts
from chat.audiences import Audience
from chat.log import Span
from chat.models import Conversation
from chat.transcripts import Line
from core.database import Transaction
from core.holdings import Holding
from core.identity import acknowledgements, people, signins
from core.identity.callers import Caller
from core.identity.models import Acknowledgement, SignIn
from core.refusals import NotSignedIn
from core.services import Core
from core.vault.refusals import ContentUnavailable
from media.models import Attachment
from support.mydata import archives, deletions, restrictions
from support.mydata.models import CopyArchive, Deletion, Restriction
from support.rights import requests, steps
from support.rights.models import OPEN

MOST_LINES = 2_000


@dataclass(frozen=True)
class Kept:
    """One holding's part: how many objects, and which periods hold for them."""

    title: str
    clause: str
    count: int
    classes: Sequence[str]


@dataclass(frozen=True)
class Talk:
    """One of her conversations."""

    id: str
    topic: str
    created_ms: int
    state: str
    lines: int
    files: int
    is_frozen: bool
    expires_ms: int


@dataclass(frozen=True)
class Wish:
    """One of her requests, and what we answered."""

    reference: str
    kind: str
    state: str
    received_ms: int
    due_ms: int
    is_open: bool
    answer: str


@dataclass(frozen=True)
class Hers:
    """All that the page shows."""

    email: str
    name: str
    sign_ins: Sequence[SignIn]
    agreed: Sequence[Acknowledgement]
    kept: Sequence[Kept]
    talks: Sequence[Talk]
    copies: Sequence[CopyArchive]
    restriction: Restriction | None
    deletions: Sequence[Deletion]
    wishes: Sequence[Wish]


def look(tx: Transaction, core: Core, holdings: Sequence[Holding], caller: Caller, *, now: int) -> Hers:
    """Everything of the caller's. Raises: NotSignedIn."""
    person = people.by_id(tx, caller.id) if caller.kind == "person" else None
    if person is None:
        raise NotSignedIn
    hers = Hers(
        email=people.email_of(core.vault, person),
        name=people.name_of(core.vault, person) or "",
        sign_ins=signins.all_of(tx, "person", caller.id, now=now),
        agreed=acknowledgements.all_of(tx, caller.ref),
        kept=_kept(tx, core, holdings, caller.ref),
        talks=[_talk(tx, core, row) for row in conversations.for_subject(tx, caller.ref, now=now)],
        copies=archives.of(tx, caller.ref, now=now),
        restriction=restrictions.in_force(tx, caller.ref),
        deletions=deletions.of(tx, caller.ref),
        wishes=_wishes(tx, core, caller.ref),
    )
    tx.session.expunge_all()
    return hers


def talk(tx: Transaction, core: Core, caller: Caller, conversation_id: str, *, now: int) -> tuple[Talk, list[Line]]:
    """One conversation of the caller's, from its beginning. Raises: NotFound."""
    row = conversations.find(tx, caller, conversation_id, now=now)
    events = log.read(tx, core, row, Audience.PUBLIC, Span(MOST_LINES))
    return _talk(tx, core, row), transcripts.lines(events, Audience.PUBLIC)


def _kept(tx: Transaction, core: Core, holdings: Sequence[Holding], subject: str) -> list[Kept]:
    counted = [(each, len(each.of(tx, core.policy, subject))) for each in holdings if each.is_told]
    return [Kept(each.title, each.clause, count, each.classes) for each, count in counted if count]


def _talk(tx: Transaction, core: Core, row: Conversation) -> Talk:
    try:
        topic = conversations.topic_of(core, row) or ""
    except ContentUnavailable:
        topic = ""
    files = select(func.count()).select_from(Attachment).where(Attachment.scope == row.id)
    return Talk(
        id=row.id,
        topic=topic,
        created_ms=row.created_ms,
        state=row.state,
        lines=row.last_pub_seq,
        files=tx.session.exec(files).one(),
        is_frozen=row.restricted_ms is not None,
        expires_ms=row.expires_ms,
    )


def _wishes(tx: Transaction, core: Core, subject: str) -> list[Wish]:
    return [
        Wish(
            reference=steps.reference(row.id),
            kind=row.kind,
            state=row.state,
            received_ms=row.received_ms,
            due_ms=row.due_ms,
            is_open=row.state in OPEN,
            answer=steps.open_(core, row, "answer"),
        )
        for row in requests.of_subject(tx, subject)
    ]
