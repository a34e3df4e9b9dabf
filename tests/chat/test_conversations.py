"""Conversations: whose they are, who looks after them, which orders they are about."""

import pytest

from chat import audiences, conversations, log, marks, protocol
from chat.audiences import Audience
from chat.conversations import Proven
from chat.log import Span
from chat.marks import Reached
from core.identity import staff
from core.identity.callers import Caller, Role
from core.identity.permissions import Operation, Purpose
from core.refusals import Conflict, Invalid, NotAllowed, NotFound
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import NOW, agent, draft, opened, person, said, state, visitor

pytestmark = pytest.mark.both_engines


async def test_another_persons_conversation_is_not_there(core: Core) -> None:
    amy, eve = visitor(), visitor()
    chat, hers = await opened(core, amy), await opened(core, eve)

    with pytest.raises(NotFound):
        await core.database.read(conversations.find, eve, chat.id, now=NOW)

    assert (await core.database.read(conversations.find, eve, hers.id, now=NOW)).id == hers.id


@pytest.mark.clause("4(2)1")
async def test_an_expired_conversation_is_hidden_from_every_reader(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    expiry = (await state(core, chat)).expires_ms

    with pytest.raises(NotFound):
        await core.database.read(conversations.find, ben, chat.id, now=expiry)

    assert await core.database.read(conversations.inbox, core, ben, now=expiry) == []
    assert await core.database.read(conversations.for_subject, amy.ref, now=expiry) == []


@pytest.mark.clause("3(1)")
async def test_a_marketing_purpose_opens_no_conversation(core: Core) -> None:
    chat = await opened(core, visitor())

    with pytest.raises(NotAllowed):
        await core.database.read(
            conversations.find, agent(), chat.id, Operation.READ_CONVERSATION, Purpose.P3_MARKETING, now=NOW
        )


async def test_the_inbox_shows_the_last_line_and_who_waits_longest(core: Core) -> None:
    amy, zoe, ben = visitor(), person("王小明"), agent()
    first, second = await opened(core, amy, topic="Sizes"), await opened(core, zoe)
    await said(core, draft(second, zoe, "I wait longer"), now=NOW + 1)
    await said(core, draft(first, amy, "Where   is\nit?"), draft(first, amy, "Hello?"), now=NOW + 2)

    cards = await core.database.read(conversations.inbox, core, ben, now=NOW)

    assert [card.id for card in cards] == [second.id, first.id]
    assert [card.title for card in cards] == ["王○明", amy.name]
    assert cards[1].last is not None
    assert (cards[1].last.text, cards[1].last.from_) == ("Hello?", "shopper")
    assert (cards[1].unread, cards[1].topic) == (2, "Sizes")


async def test_what_staff_have_read_is_no_longer_unread(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy), draft(chat, amy))
    version = (await state(core, chat)).version

    await core.database.write(conversations.mark, core, ben, chat.id, Reached(read=3), now=NOW)

    (card,) = await core.database.read(conversations.inbox, core, ben, now=NOW)
    assert (card.unread, card.version) == (0, version + 1)


async def test_a_read_mark_never_goes_back_nor_beyond_the_log(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy), draft(chat, ben, kind="note"), draft(chat, ben))

    await core.database.write(conversations.mark, core, amy, chat.id, Reached(read=99), now=NOW)
    await core.database.write(conversations.mark, core, amy, chat.id, Reached(read=1), now=NOW)

    (mark,) = await core.database.read(marks.of, chat.id)
    assert (mark.read_seq, mark.read_pub_seq, mark.received_pub_seq) == (4, 3, 3)


async def _member(core: Core, login: str) -> Caller:
    enrolled = await staff.create(
        core, staff.NewMember(login=login, name=login.title(), role=Role.AGENT, password="correct horse battery"),
        now=NOW,
    )  # fmt: skip
    return Caller("staff", enrolled.id, role=Role.AGENT, name=login.title())


async def test_an_assigned_conversation_leaves_the_other_agents_inbox(core: Core) -> None:
    ben, sue = await _member(core, "ben"), await _member(core, "sue")
    chat = await opened(core, visitor())

    await core.database.write(conversations.assign, core, ben, chat.id, ben.id, now=NOW)

    (card,) = await core.database.read(conversations.inbox, core, ben, now=NOW)
    assert card.assignee is not None
    assert card.assignee.name == "Ben"
    assert await core.database.read(conversations.inbox, core, sue, now=NOW) == []
    with pytest.raises(NotFound):
        await core.database.write(conversations.assign, core, sue, chat.id, sue.id, now=NOW)


async def test_a_shopper_learns_the_agents_name_and_never_the_id(core: Core) -> None:
    ben, amy = await _member(core, "ben"), visitor()
    chat = await opened(core, amy)
    await core.database.write(conversations.assign, core, ben, chat.id, ben.id, now=NOW)
    row = await state(core, chat)

    events = await core.database.read(log.read, core, row, Audience.PUBLIC, Span(50))
    frame = audiences.frame(events[-1], Audience.PUBLIC)

    assert frame is not None
    assert "Ben" in protocol.write(frame)
    assert ben.id not in protocol.write(frame)


async def test_nobody_unknown_can_be_given_a_conversation(core: Core) -> None:
    chat = await opened(core, visitor())

    with pytest.raises(Invalid):
        await core.database.write(conversations.assign, core, agent(), chat.id, "0" * 32, now=NOW)


async def test_a_guests_conversation_becomes_the_persons(core: Core, media: Media) -> None:
    amy, known = visitor(), person("Amy Adams")
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "Before"))

    await conversations.identify(core, media, chat.id, Proven(amy, known, "amy@example.com"), now=NOW)
    await conversations.identify(core, media, chat.id, Proven(amy, known, "amy@example.com"), now=NOW)

    row = await core.database.read(conversations.find, known, chat.id, now=NOW)
    events = await core.database.read(log.read, core, row, Audience.PUBLIC, Span(50))
    assert [event.kind for event in events] == ["opened", "message", "identified"]
    assert events[1].body == {"text": "Before"}
    assert events[2].body["email"] == "a***@e***.com"
    assert (row.proof, row.retention_class) == ("email_code", "service_chat")
    with pytest.raises(NotFound):
        await core.database.read(conversations.find, amy, chat.id, now=NOW)


async def test_a_change_of_hands_that_stopped_halfway_stays_readable_and_is_finished(core: Core, media: Media) -> None:
    amy, known = visitor(), person()
    chat = await opened(core, amy)
    await core.database.write(conversations._intend, chat.id, Proven(amy, known, "amy@example.com"), now=NOW)
    await core.vault.reassign(chat.dek_id, scope=chat.id, owner=amy.ref, new_owner=known.ref)

    halfway = await core.database.read(log.read, core, await state(core, chat), Audience.PUBLIC, Span(50))
    await conversations.identify(core, media, chat.id, Proven(amy, known, "amy@example.com"), now=NOW)

    assert [event.kind for event in halfway] == ["opened"]
    assert (await state(core, chat)).owner == known.ref


async def test_nobody_takes_another_guests_conversation_by_proving_an_address(core: Core, media: Media) -> None:
    amy, eve, known = visitor(), visitor(), person()
    chat = await opened(core, amy)

    with pytest.raises(NotFound):
        await conversations.identify(core, media, chat.id, Proven(eve, known, "eve@example.com"), now=NOW)

    assert (await state(core, chat)).owner == amy.ref


async def test_an_order_is_found_by_its_number_once_linked(core: Core) -> None:
    amy = person()
    chat = await opened(core, amy)

    for _ in range(2):
        await core.database.write(conversations.link_order, core, amy, chat.id, "d" * 32, "ML-1001", now=NOW)

    found = await core.database.read(conversations.by_order_number, core, "ML-1001", now=NOW)
    assert [row.id for row in found] == [chat.id]
    assert (await state(core, chat)).last_seq == 2
    assert await core.database.read(conversations.by_order_number, core, "ML-1002", now=NOW) == []


async def test_a_guests_conversation_takes_no_order(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)

    with pytest.raises(Conflict):
        await core.database.write(conversations.link_order, core, ben, chat.id, "d" * 32, "ML-1001", now=NOW)
    with pytest.raises(NotFound):
        await core.database.write(conversations.link_order, core, amy, chat.id, "d" * 32, "ML-1001", now=NOW)


async def test_the_last_order_taken_away_shortens_the_period(core: Core) -> None:
    amy = person()
    chat = await opened(core, amy)
    await core.database.write(conversations.link_order, core, amy, chat.id, "d" * 32, "ML-1001", now=NOW)

    await core.database.write(conversations.unlink_order, core, amy, chat.id, "d" * 32, now=NOW)

    assert (await state(core, chat)).retention_class == "service_chat"
    assert await core.database.read(conversations.orders_of, chat.id) == []
