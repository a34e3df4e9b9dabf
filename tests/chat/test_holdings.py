"""What chat keeps about people: due, hidden, copied, erased."""

import pytest

from chat import conversations, holdings, log
from chat.audiences import Audience
from chat.log import Span
from core.database import Transaction
from core.holdings import Copying, Record, Ref
from core.refusals import NotFound
from core.services import Core
from core.vault.refusals import ContentUnavailable
from tests.chat.conftest import NOW, agent, draft, opened, person, said, state


@pytest.mark.clause("4(2)1")
async def test_a_conversation_is_due_when_its_period_has_ended_and_not_before(core: Core) -> None:
    amy = person()
    chat = await opened(core, amy)
    expiry = (await state(core, chat)).expires_ms
    holding = holdings.holding(core)

    before = await core.database.read(holding.due, core.policy, now=expiry - 1, limit=10)
    after = await core.database.read(holding.due, core.policy, now=expiry, limit=10)

    assert before == []
    assert [(due.object.id, due.subject) for due in after] == [(chat.id, amy.ref)]


@pytest.mark.clause("5(1)3")
async def test_a_hidden_conversation_stays_hidden_and_its_erasure_leaves_nothing(core: Core) -> None:
    amy = person()
    chat, other = await opened(core, amy), await opened(core, amy)
    await said(core, draft(chat, amy))
    holding, refs = holdings.holding(core), [Ref("conversation", chat.id)]

    await core.database.write(holding.hide, refs, now=NOW)
    with pytest.raises(NotFound):
        await core.database.write(log.append_in, core, draft(chat, amy), now=NOW)
    keys = await core.database.read(holding.keys, refs)
    await core.vault.destroy(keys, reason="test")
    erased = await core.database.write(holding.erase, refs, now=NOW)

    assert (keys, erased) == ([chat.dek_id], 1)
    assert await core.database.read(log.rows_of, chat.id) == []
    left = await core.database.read(holding.of, core.policy, amy.ref)
    assert [held.object.id for held in left] == [other.id]
    assert await core.database.read(holding.live) == 1


@pytest.mark.both_engines
@pytest.mark.clause("5(1)3")
async def test_what_was_on_its_way_by_an_earlier_clock_does_not_bring_a_hidden_conversation_back(core: Core) -> None:
    amy = person()
    chat = await opened(core, amy)
    holding, refs = holdings.holding(core), [Ref("conversation", chat.id)]

    await core.database.write(holding.hide, refs, now=NOW)
    (outcome,) = await core.database.write(log.append_batch, core, [draft(chat, amy)], now=NOW - 1)

    assert isinstance(outcome, NotFound)
    assert [due.object for due in await core.database.read(holding.due, core.policy, now=NOW, limit=10)] == refs
    assert await core.database.write(holding.erase, refs, now=NOW) == 1


async def test_a_conversation_that_is_not_hidden_is_not_erased(core: Core) -> None:
    chat = await opened(core, person())
    holding = holdings.holding(core)

    erased = await core.database.write(holding.erase, [Ref("conversation", chat.id)], now=NOW)

    assert erased == 0
    assert (await state(core, chat)).last_seq == 1


@pytest.mark.clause("5(1)3")
async def test_once_the_key_is_destroyed_nothing_opens_though_the_rows_still_lie_there(core: Core) -> None:
    amy = person()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "canary"))
    row = await state(core, chat)

    await core.vault.destroy([chat.dek_id], reason="test")

    with pytest.raises(ContentUnavailable):
        await core.database.read(log.read, core, row, Audience.STAFF, Span(50))
    with pytest.raises(ContentUnavailable):
        await core.database.write(log.append_in, core, draft(chat, amy), now=NOW)
    assert await core.database.read(conversations.inbox, core, agent(), now=NOW) == []


@pytest.mark.clause("5(1)2")
async def test_a_copy_holds_what_both_sides_said_and_no_note_nor_staff_name(core: Core) -> None:
    amy, ben = person("Amy Adams"), agent("Benjamin")
    chat = await opened(core, amy, topic="A late parcel")
    await said(core, draft(chat, amy, "Where is it?"), draft(chat, ben, "Lost", kind="note"), draft(chat, ben, "Soon"))
    holding = holdings.holding(core)

    def export(tx: Transaction) -> list[Record]:
        parts = holding.export(Copying(tx, core.vault, core.policy, amy.ref, "en"))
        return [part for part in parts if isinstance(part, Record)]

    about, *events = await core.database.read(export)

    assert about.fields["topic"] == "A late parcel"
    assert [(event.fields["from"], event.fields["text"]) for event in events] == [
        ("you", ""),
        ("you", "Where is it?"),
        ("agent", "Soon"),
    ]
    assert "Benjamin" not in repr(events)
