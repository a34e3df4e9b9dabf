"""Redaction: a supervisor takes a message out of sight for a stated purpose and reason; it stays sealed in the log.

Pressing the button twice redacts once: the event's id comes from the reading (its number in the ledger) and the line.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from chat import bodies, conversations, log
from chat.log import Ack, Draft
from core.database import Transaction
from core.identity import Caller, codes, permissions
from core.identity.permissions import Operation
from core.masking import mask_cards
from core.services import Core
from support.review.finding import Reading


@dataclass(frozen=True)
class Wanted:
    """Which line, why (a code of `bodies.REASONS`), what to show instead, and in which reading it was asked for."""

    seq: int
    reason: str
    text: str
    entry: str


def redact(  # noqa: PLR0917  (a line of a conversation, in a reading)
    tx: Transaction, core: Core, caller: Caller, conversation_id: str, wanted: Wanted, reading: Reading, *, now: int
) -> Ack:
    """Redact the line; the log writes the ledger.

    Raises: NotFound, NotAllowed (the purpose does not permit it), AlreadyGone, Invalid.
    """
    thing = log.resource(conversations.get(tx, conversation_id, now=now))
    permissions.require(caller, Operation.REDACT, thing, reading.purpose, case=reading.reference)
    asked = {"of": wanted.seq, "reason": wanted.reason, "text": wanted.text or None}
    body = bodies.read("redacted", msgspec.json.encode(asked))
    if "text" in body:
        body["text"] = mask_cards(body["text"])
    named = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{conversation_id}:{wanted.entry}:{wanted.seq}"))

    def hide_codes(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
        return body | {"text": codes.hide_live(tx, core, body["text"], now=now)}

    draft = Draft(
        conversation_id,
        caller,
        named,
        "redacted",
        body,
        prepare=hide_codes if codes.may_hold_code(body.get("text", "")) else None,
        purpose=reading.purpose,
        case=reading.reference,
    )
    return log.append_in(tx, core, draft, now=now)
