"""State + events == fresh state, for every kind."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from chat import log
from chat.audiences import Audience
from chat.log import Draft, Span
from chat.state import KINDS, SERVICE_CHAT, TRANSACTION_LINKED, State, fold
from core.identity.callers import SYSTEM, Caller
from core.services import Core
from tests.chat.conftest import NOW, agent, opened, person, said, state

BODIES: dict[str, dict[str, Any]] = {
    "opened": {"topic": None, "locale": "en", "proof": "email_code", "proven_ms": NOW},
    "message": {"text": "Hello"},
    "note": {"text": "Looks lost"},
    "media": {"attachment": {"id": "a" * 32, "kind": "image", "name": "parcel.jpg"}},
    "identified": {"proof": "email_code", "email": "a***@e***.com"},
    "assigned": {"to": "b" * 32, "name": "Ben"},
    "order_linked": {"order": "c" * 32, "number": "ML-1"},
    "order_unlinked": {"order": "c" * 32, "remaining": 0},
    "resolved": {},
    "reopened": {},
    "rating": {"score": 5},
    "erased": {},
    "revised": {"of": 9, "text": "Hello again"},
    "retracted": {"of": 9},
    "redacted": {"of": 5, "reason": "sensitive_data"},
}
ORDER = [
    "opened", "message", "assigned", "note", "order_linked", "media", "resolved", "rating",
    "reopened", "message", "revised", "redacted", "retracted", "order_unlinked", "identified", "resolved", "erased",
]  # fmt: skip


def test_every_kind_is_walked_through() -> None:
    assert set(ORDER) == KINDS == set(BODIES)


@pytest.mark.both_engines
@pytest.mark.parametrize("held", [0, 1, 7, 11, len(ORDER) - 1])
async def test_a_state_and_the_events_after_it_are_the_fresh_state(core: Core, held: int) -> None:
    amy, ben = person(), replace(agent(), id=BODIES["assigned"]["to"])
    chat = await opened(core, amy)
    for kind in ORDER[1:]:
        await said(core, Draft(chat.id, _sender(kind, amy, ben), str(uuid.uuid4()), kind, BODIES[kind]))
    row = await state(core, chat)
    events = await core.database.read(log.read, core, row, Audience.STAFF, Span(100))

    before = State()
    for event in events[:held]:
        before = fold(before, event)
    after = before
    for event in events[held:]:
        after = fold(after, event)

    assert [event.kind for event in events] == ORDER
    assert after == log.state_of(row)


def _sender(kind: str, amy: Caller, ben: Caller) -> Caller:
    if kind in {"assigned", "note", "resolved", "reopened"}:
        return SYSTEM if kind in {"resolved", "reopened"} else ben
    return SYSTEM if kind in {"identified", "erased", "order_linked", "order_unlinked", "redacted"} else amy


async def test_a_shopper_waits_until_somebody_answers(core: Core) -> None:
    amy, ben = person(), agent()
    chat = await opened(core, amy)
    await said(core, Draft(chat.id, amy, str(uuid.uuid4()), "message", {"text": "Hello"}), now=NOW + 5)
    waiting = (await state(core, chat)).waiting_since_ms

    await said(core, Draft(chat.id, ben, str(uuid.uuid4()), "message", {"text": "Hi"}), now=NOW + 9)

    assert waiting == NOW + 5
    assert (await state(core, chat)).waiting_since_ms is None


async def test_a_shopper_who_writes_opens_a_resolved_conversation_again(core: Core) -> None:
    amy = person()
    chat = await opened(core, amy)
    await said(core, Draft(chat.id, SYSTEM, str(uuid.uuid4()), "resolved", {}))

    await said(core, Draft(chat.id, amy, str(uuid.uuid4()), "message", {"text": "One more thing"}))

    row = await state(core, chat)
    assert (row.state, row.closed_ms) == ("open", None)


@pytest.mark.clause("4(2)1")
async def test_each_way_of_chatting_is_kept_for_its_own_period(core: Core) -> None:
    amy = person()
    chat = await opened(core, amy)
    linked = Draft(chat.id, SYSTEM, str(uuid.uuid4()), "order_linked", BODIES["order_linked"])
    unlinked = Draft(chat.id, SYSTEM, str(uuid.uuid4()), "order_unlinked", BODIES["order_unlinked"])

    await said(core, linked)
    with_order = await state(core, chat)
    await said(core, unlinked)
    without = await state(core, chat)

    assert with_order.retention_class == TRANSACTION_LINKED
    assert with_order.expires_ms == core.policy.expires_ms(TRANSACTION_LINKED, with_order.last_event_ms)
    assert without.retention_class == SERVICE_CHAT
