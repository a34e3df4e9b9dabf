"""Who sees what of an event: the numbering, the body and the names of each side of a conversation.

Danger. An internal note, or the id of a member of staff, on a shopper's screen.

Principle. The kind decides, not the number: a note is for staff even if somebody with access to the tables gave it
a public number, and so is whatever amends a note. Both sides are projections of the same event, made here and nowhere
else.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from chat.protocol import Ev, Who
from core.identity.callers import Caller
from core.masking import mask_name


class Audience(StrEnum):
    """The two sides of a conversation."""

    PUBLIC = "public"
    STAFF = "staff"


STAFF_ONLY_KINDS = frozenset({"note"})
LINE_KINDS = frozenset({"message", "media", "note"})
AMENDING_KINDS = frozenset({"revised", "retracted", "redacted"})
LINE_POINTS = 140


class Event(Struct, frozen=True):
    """An opened event of the log. Any: JSON values whose shape the kind decides."""

    conversation_id: str
    seq: int
    pub_seq: int | None
    sender: str
    name: str
    client_id: str
    kind: str
    body: dict[str, Any]
    created_ms: int
    attachment_id: str | None = None
    target_seq: int | None = None


def of_caller(caller: Caller) -> Audience:
    """The side that a caller stands on."""
    return Audience.STAFF if caller.is_staff else Audience.PUBLIC


def position(event: Event, audience: Audience) -> int | None:
    """The event's number as this side counts; None when the event is not for it."""
    if audience is Audience.STAFF:
        return event.seq
    return None if is_for_staff(event) else event.pub_seq


def is_for_staff(event: Event) -> bool:
    """Whether only staff may know of it: a note, or what amends one (its sealed body names no public number)."""
    if event.kind in AMENDING_KINDS:
        return "of" in event.body and event.body.get("of_pub") is None
    return event.kind in STAFF_ONLY_KINDS


def is_shopper(ref: str) -> bool:
    """Whether a sender's reference names a shopper."""
    return ref.startswith(("visitor:", "person:"))


def who(ref: str, name: str, audience: Audience) -> Who:
    """The one who acts, as this side may know them."""
    if is_shopper(ref):
        return Who(ref=ref, kind="shopper", name=name if audience is Audience.PUBLIC else masked(ref, name))
    kind = "agent" if ref.startswith("staff:") else "system"
    return Who(ref=ref if audience is Audience.STAFF else kind, kind=kind, name=name)


def masked(ref: str, name: str) -> str:
    """A shopper's name as staff see it: a guest's number, a masked name, or the address that came masked already."""
    is_plain = ref.startswith("visitor:") or "@" in name
    return name if is_plain else mask_name(name)


def frame(event: Event, audience: Audience) -> Ev | None:
    """The event as this side receives it, if it is for this side."""
    number = position(event, audience)
    return None if number is None else frame_at(number, event, audience)


def frame_at(number: int, event: Event, audience: Audience) -> Ev:
    """The event under its number; the sender's own side also gets its client id."""
    is_own_side = is_shopper(event.sender) == (audience is Audience.PUBLIC)
    return Ev(
        event.conversation_id,
        number,
        who(event.sender, event.name, audience),
        event.kind,
        body(event, audience),
        event.created_ms,
        event.client_id if is_own_side else None,
    )


def body(event: Event, audience: Audience) -> dict[str, Any]:
    """The body that this side may see: a shopper learns the name of who looks after her, never the id.

    An amendment names its target in the counting of whoever reads it.
    """
    if event.kind in AMENDING_KINDS and "of" in event.body:
        number = event.body["of" if audience is Audience.STAFF else "of_pub"]
        return {"of": number} | {name: event.body[name] for name in ("reason", "text") if name in event.body}
    if audience is Audience.PUBLIC and event.kind == "assigned":
        return {"to": None} if event.body.get("to") is None else {"name": event.body.get("name", "")}
    return event.body


def line(event: Event) -> str:
    """The event in one short line, for an inbox card."""
    written = str(event.body.get("text") or event.body.get("attachment", {}).get("name", ""))
    return " ".join(written.split())[:LINE_POINTS]
