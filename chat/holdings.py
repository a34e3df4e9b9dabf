"""What chat keeps about people: their conversations, under clause 2(4).

Danger. A conversation that outlives its period or its owner's wish, and a copy that shows an internal note, who of
the staff wrote, or what was redacted.

Principle. Hidden is expired: every reader and writer asks for `expires_ms > now`, so hiding moves that time to 0, which
is past for every clock: for a writer who read hers before she waited for the row, and on a host whose clock is behind.
Destroying a conversation's key is its erasure; deleting the rows tidies up. Pictures live in the conversation's scope
and are the media room's to erase.

Boundary. Verbs of one transaction each, repeatable; the caller orders them (core.holdings).
"""

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import delete, func, select, update

from chat import conversations, log, transcripts
from chat.audiences import Audience
from chat.log import Span
from chat.models import Conversation
from chat.state import SERVICE_CHAT, TRANSACTION_LINKED, VISITOR_CHAT
from chat.statements import CONVERSATION, EVENT, MARK, ORDER
from chat.transcripts import Line
from core import hub
from core.database import Transaction
from core.holdings import Copying, Due, Held, Holding, Omitted, Part, Record, Ref
from core.policy import Policy
from core.services import Core
from core.vault.refusals import ContentUnavailable

KIND = "conversation"
PAGE = 500
_SIDES = {"shopper": "you", "agent": "agent", "system": "system"}
_LINEAGE = {
    "of": "revision_of",
    "revised": "revised_ms",
    "retracted": "retracted",
    "redacted": "redacted",
    "reason": "reason",
}


def holding(core: Core) -> Holding:
    """Conversations, their events, marks and order links."""
    return Holding(
        name="conversations",
        title="Your conversations",
        clause="2(4)",
        tables=("conversation", "event", "read_mark", "conversation_order"),
        classes=(VISITOR_CHAT, SERVICE_CHAT, TRANSACTION_LINKED),
        kinds=(KIND,),
        due=_due,
        of=_of,
        hide=partial(_hide, core=core),
        keys=_keys,
        erase=_erase,
        export=lambda copying: _export(copying, core),
        live=_live,
    )


def _due(tx: Transaction, _: Policy, *, now: int, limit: int) -> list[Due]:
    expired = select(CONVERSATION).where(CONVERSATION.c.expires_ms <= now)
    rows = tx.execute(expired.order_by(CONVERSATION.c.expires_ms, CONVERSATION.c.id).limit(limit))
    return [Due(Ref(KIND, row.id), row.owner, row.retention_class, row.expires_ms) for row in rows]


def _of(tx: Transaction, _: Policy, subject: str) -> list[Held]:
    ids = tx.execute(select(CONVERSATION.c.id).where(CONVERSATION.c.owner == subject)).scalars()
    return [Held(Ref(KIND, conversation_id)) for conversation_id in ids]


def _hide(tx: Transaction, refs: Sequence[Ref], *, core: Core, now: int) -> None:
    """Hidden is also gone from every screen, whichever process it is connected to."""
    tx.execute(update(CONVERSATION).where(CONVERSATION.c.id.in_(_ids(refs))).values(expires_ms=0))
    for conversation_id in _ids(refs):
        tx.after_commit(partial(core.hub.publish, hub.ACCESS, hub.hint(conversation_id)))


def _keys(tx: Transaction, refs: Sequence[Ref]) -> list[int]:
    return list(tx.execute(select(CONVERSATION.c.dek_id).where(CONVERSATION.c.id.in_(_ids(refs)))).scalars())


def _erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    """Delete what is hidden; a conversation that is not (any more) stays."""
    hidden = CONVERSATION.c.id.in_(_ids(refs)) & (CONVERSATION.c.expires_ms <= now)
    doomed = list(tx.execute(select(CONVERSATION.c.id).where(hidden)).scalars())
    for table in (EVENT, MARK, ORDER):
        tx.execute(delete(table).where(table.c.conversation_id.in_(doomed)))
    tx.execute(delete(CONVERSATION).where(CONVERSATION.c.id.in_(doomed)))
    return len(doomed)


def _live(tx: Transaction) -> int:
    return int(tx.execute(select(func.count()).select_from(CONVERSATION)).scalar_one())


def _export(copying: Copying, core: Core) -> Iterator[Part]:
    mine = select(CONVERSATION).where(CONVERSATION.c.owner == copying.subject).order_by(CONVERSATION.c.created_ms)
    for row in copying.tx.execute(mine).mappings().all():
        yield from _conversation(copying, core, Conversation(**row))


def _ids(refs: Sequence[Ref]) -> list[str]:
    return [ref.id for ref in refs]


def _conversation(copying: Copying, core: Core, row: Conversation) -> Iterator[Part]:
    orders = [link.order_id for link in conversations.orders_of(copying.tx, row.id)]
    try:
        topic = conversations.topic_of(core, row)
    except ContentUnavailable:
        yield Omitted("unreadable_conversations", 1, "R-5.1.3c")  # erased: its rows are waiting for the sweep
        return
    about = {"topic": topic or "", "state": row.state, "orders": orders}
    yield Record("conversations", row.id, row.created_ms, about)
    if row.last_seq > row.last_pub_seq:
        yield Omitted("internal_notes", row.last_seq - row.last_pub_seq)
    start = 1
    while events := log.read_as_written(copying.tx, core, row, Span(PAGE, start)):
        for line in transcripts.lines(events, Audience.PUBLIC):
            yield _record(copying, row, line)
        start = (events[-1].pub_seq or 0) + 1


def _record(copying: Copying, row: Conversation, line: Line) -> Record:
    """One event for the person's copy: staff by role and pseudonym, the person as "you".

    What she changed or took back stands as she wrote it, marked; the amendment is a line of its own that names it.
    """
    side = _SIDES[line.side]
    fields: dict[str, object] = {
        "seq": line.number,
        "kind": line.kind,
        "from": side,
        "name": f"{side} {copying.pseudonym(line.name)}" if side == "agent" else side,
        "text": line.text,
    }
    fields |= {name: line.facts[known] for known, name in _LINEAGE.items() if known in line.facts}
    if line.attachment is not None and "id" in line.attachment:
        fields["file"] = f"{line.attachment['id']}.{_extension(str(line.attachment.get('type', '')))}"
    return Record("conversations", f"{row.id}-{line.number}", line.at_ms, fields, thread=row.id)


def _extension(media_type: str) -> str:
    return {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "video/mp4": "mp4"}.get(media_type, "bin")
