"""A conversation's state as a fold of its log: pure, and the only place that says what an event changes.

`state + events == fresh state` for every kind: whoever holds a state and the events after it holds the state that the
database would give. A test walks through all kinds to keep it so.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from chat.audiences import AMENDING_KINDS, LINE_KINDS, STAFF_ONLY_KINDS, Event, is_shopper

VISITOR_CHAT = "visitor_chat"
SERVICE_CHAT = "service_chat"
TRANSACTION_LINKED = "transaction_linked"


class State(Struct, frozen=True):
    """What the log has made of the conversation so far."""

    last_seq: int = 0
    last_pub_seq: int = 0
    last_line_seq: int = 0
    state: str = "open"
    assignee: str | None = None
    proof: str = "guest"
    proven_ms: int | None = None
    retention_class: str = VISITOR_CHAT
    last_event_ms: int = 0
    closed_ms: int | None = None
    waiting_since_ms: int | None = None


def fold(state: State, event: Event) -> State:
    """The state after one more event; an event of an unknown kind only counts."""
    counted = replace(
        state,
        last_seq=event.seq,
        last_pub_seq=event.pub_seq or state.last_pub_seq,
        last_line_seq=event.seq if event.kind in LINE_KINDS else state.last_line_seq,
        last_event_ms=max(event.created_ms, state.last_event_ms),
    )
    change = _CHANGES.get(event.kind)
    return change(counted, event) if change else counted


def _opened(state: State, event: Event) -> State:
    proof = str(event.body.get("proof", "guest"))
    kept_as = VISITOR_CHAT if proof == "guest" else SERVICE_CHAT
    return replace(state, proof=proof, proven_ms=event.body.get("proven_ms"), retention_class=kept_as)


def _written(state: State, event: Event) -> State:
    """A shopper's line waits for an answer and opens a resolved conversation again; an agent's line ends the wait."""
    if not is_shopper(event.sender):
        return state if state.waiting_since_ms is None else replace(state, waiting_since_ms=None)
    if state.waiting_since_ms is not None and state.state == "open":  # she goes on
        return state
    waiting = event.created_ms if state.waiting_since_ms is None else state.waiting_since_ms
    return replace(state, state="open", closed_ms=None, waiting_since_ms=waiting)


def _identified(state: State, event: Event) -> State:
    kept_as = SERVICE_CHAT if state.retention_class == VISITOR_CHAT else state.retention_class
    proof = str(event.body.get("proof", "email_code"))
    return replace(state, proof=proof, proven_ms=event.created_ms, retention_class=kept_as)


def _assigned(state: State, event: Event) -> State:
    return replace(state, assignee=event.body.get("to"))


def _order_linked(state: State, _: Event) -> State:
    return replace(state, retention_class=TRANSACTION_LINKED)


def _order_unlinked(state: State, event: Event) -> State:
    if event.body.get("remaining"):
        return state
    return replace(state, retention_class=VISITOR_CHAT if state.proof == "guest" else SERVICE_CHAT)


def _resolved(state: State, event: Event) -> State:
    return replace(state, state="resolved", closed_ms=event.created_ms, waiting_since_ms=None)


def _reopened(state: State, _: Event) -> State:
    return replace(state, state="open", closed_ms=None)


def _retracted(state: State, event: Event) -> State:
    """What was taken back is not waited for, and answers nothing; the event says since when somebody still waits."""
    return replace(state, waiting_since_ms=event.body.get("waiting_since_ms", state.waiting_since_ms))


def _unchanged(state: State, _: Event) -> State:
    return state


_CHANGES: dict[str, Callable[[State, Event], State]] = {
    "opened": _opened,
    "message": _written,
    "media": _written,
    "note": _unchanged,
    "identified": _identified,
    "assigned": _assigned,
    "order_linked": _order_linked,
    "order_unlinked": _order_unlinked,
    "resolved": _resolved,
    "reopened": _reopened,
    "rating": _unchanged,
    "revised": _unchanged,
    "retracted": _retracted,
    "redacted": _unchanged,
    "erased": _unchanged,
}
KINDS = frozenset(_CHANGES)
assert STAFF_ONLY_KINDS | AMENDING_KINDS < KINDS
