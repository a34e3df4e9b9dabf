"""A log that lost its end and grew again: whoever knew the old numbers starts afresh, and nothing is skipped."""

import re
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from sqlalchemy import delete, select, update

from chat import epochs, log, pulse
from chat.epochs import ACTION, Lost
from chat.models import Conversation
from chat.protocol import Close, Ev, Gone, Reset, SubOk
from chat.statements import CONVERSATION, EVENT
from core import clock, hub
from core.database import Database, Transaction
from core.hub import Hub
from core.identity.callers import SYSTEM, Caller
from core.ledger import ENTRY
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import NOW, draft, opened, said, state, visitor
from tests.chat.line import House, serving
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house without a pulse: whatever heals here needs none."""
    monkeypatch.setattr(pulse, "PULSE_S", 3_600.0)
    async with serving(core, media, free_port()) as house:
        yield house


async def grow(core: Core, chat: Conversation, upto: int, *, hinted: bool = True) -> Conversation:
    """The log as another process makes it grow; its hints come or are lost."""
    row = await core.database.read(lambda tx: tx.execute(select(CONVERSATION)).mappings().one())
    announce = None if hinted else (lambda *_: None)
    drafts = [draft(chat, SYSTEM, f"Message {number}") for number in range(int(row["last_seq"]), upto)]
    await core.database.write(log.append_batch, core, drafts, announce, now=clock.now())
    return Conversation(**await core.database.read(lambda tx: tx.execute(select(CONVERSATION)).mappings().one()))


async def lose_tail(core: Core, back_to: Conversation) -> None:
    """What a restore or a failover does: the database is as it was."""

    def rewind(tx: Transaction) -> None:
        tx.execute(delete(EVENT).where(EVENT.c.conversation_id == back_to.id, EVENT.c.seq > back_to.last_seq))
        tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == back_to.id).values(**back_to.model_dump()))

    await core.database.write(rewind)


def witnesses(core: Core) -> Sequence[str]:
    question = select(ENTRY.c.actor).where(ENTRY.c.action == ACTION).order_by(ENTRY.c.seq)
    return core.database.read_now(lambda tx: list(tx.execute(question).scalars()))


async def epoch_of(core: Core, chat: Conversation) -> str:
    question = select(CONVERSATION.c.epoch).where(CONVERSATION.c.id == chat.id)
    return str(await core.database.read(lambda tx: tx.execute(question).scalar_one()))


@pytest.mark.both_engines
async def test_a_restore_gives_every_log_an_epoch_of_its_own(core: Core, database: Database) -> None:
    before = [(await opened(core, visitor())).epoch for _ in range(5)]

    renewed = await database.write(epochs.renew_all)

    after = list(await database.read(lambda tx: tx.execute(select(CONVERSATION.c.epoch)).scalars().all()))
    assert renewed == 5
    assert len({*before, *after}) == 10
    assert all(re.fullmatch(r"[0-9a-f]{16}", epoch) for epoch in after)


@pytest.mark.both_engines
async def test_a_lost_tail_is_believed_on_both_engines(core: Core, database: Database) -> None:
    chat = await opened(core, visitor())
    await said(core, draft(chat, SYSTEM))
    lost = Lost(chat.id, chat.epoch, 9)

    await database.write(epochs.believe_room, core.hub, lost, now=NOW)
    renewed = (await state(core, chat)).epoch
    await database.write(epochs.believe_room, core.hub, lost, now=NOW)

    assert chat.epoch != renewed == (await state(core, chat)).epoch
    assert witnesses(core) == [SYSTEM.ref]


async def test_a_cursor_of_before_the_restore_misses_nothing_although_the_log_has_grown_past_it(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    at_90 = await grow(house.core, chat, 90)
    await grow(house.core, chat, 100)
    await lose_tail(house.core, at_90)
    await house.core.database.write(epochs.renew_all)
    await grow(house.core, chat, 120)

    async with house.connect(amy, subs={chat.id: {"cur": 100, "ep": chat.epoch}}) as hers:
        events = await hers.events(120)

    assert [(reset.why, reset.last) for reset in hers.got(Reset)] == [("epoch", 120)]
    assert [event.s for event in events] == list(range(71, 121))
    assert hers.got(SubOk)[0].first == 71


async def test_one_client_who_saw_the_lost_tail_makes_the_others_safe(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    at_20 = await grow(house.core, chat, 20)
    await grow(house.core, chat, 30)
    await lose_tail(house.core, at_20)
    async with house.connect(amy, subs={chat.id: {"cur": 30, "ep": chat.epoch}}) as hers:
        told = hers.got(Reset)[0]
    await grow(house.core, chat, 40)

    async with house.connect(ben, subs={chat.id: {"cur": 30, "ep": chat.epoch}}) as his:
        events = await his.events(40)

    assert told.why == "ahead"
    assert told.ep != chat.epoch
    assert [(reset.why, reset.ep) for reset in his.got(Reset)] == [("epoch", told.ep)]
    assert [event.s for event in events] == list(range(1, 41))
    assert witnesses(house.core) == [amy.ref]


async def test_a_liar_is_believed_once_an_hour_and_disturbs_nobody_more_often(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(ben, subs={chat.id: {}}) as his:
        for _ in range(3):
            epoch = await epoch_of(house.core, chat)
            async with house.connect(amy, subs={chat.id: {"cur": 999, "ep": epoch}}) as hers:
                assert hers.got(Reset)[0].why == "ahead"
                await hers.say(t="sub", c=chat.id, cur=999, ep=hers.got(Reset)[0].ep)
                await hers.until(SubOk)
        mark = await hers_last(house, chat)
        await his.events(mark)

    assert len(his.got(Reset)) == 1
    assert witnesses(house.core) == [amy.ref]


async def hers_last(house: House, chat: Conversation) -> int:
    """One more event, so that whatever was on its way before it has arrived."""
    return (await grow(house.core, chat, 2)).last_seq


async def test_after_an_hour_a_client_is_believed_again(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    first = await core.database.write(epochs.believe_client, core.hub, amy, Lost(chat.id, chat.epoch, 9), now=NOW)

    within = await core.database.write(
        epochs.believe_client, core.hub, amy, Lost(chat.id, first, 9), now=NOW + clock.HOUR - 1
    )
    later = await core.database.write(
        epochs.believe_client, core.hub, amy, Lost(chat.id, first, 9), now=NOW + clock.HOUR
    )

    assert chat.epoch != first == within != later


async def test_whoever_may_not_read_it_changes_nothing(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(eve, subs={chat.id: {"cur": 999, "ep": chat.epoch}}) as hers:
        gone = hers.got(Gone)

    assert [each.c for each in gone] == [chat.id]
    assert await epoch_of(house.core, chat) == chat.epoch
    assert witnesses(house.core) == []


@pytest.mark.clause("3(2)")
async def test_a_right_that_ends_while_the_witness_is_heard_has_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy, ben, cat = await house.guest(), await house.member("ben"), await house.member("cat")
    chat = await house.conversation(amy)
    believe = epochs.believe_client

    def and_meanwhile(tx: Transaction, hub_: Hub, caller: Caller, lost: Lost, *, now: int) -> str:
        tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == chat.id).values(assignee=cat.id))
        return believe(tx, hub_, caller, lost, now=now)

    monkeypatch.setattr(epochs, "believe_client", and_meanwhile)

    async with house.connect(ben, subs={chat.id: {"cur": 999, "ep": chat.epoch}}) as his:
        gone, shown = his.got(Gone), [*his.got(SubOk), *his.got(Ev)]

    assert [each.c for each in gone] == [chat.id]
    assert shown == []


async def test_a_negative_cursor_is_nobodys_loss(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {"cur": -5, "ep": chat.epoch}}) as hers:
        reset = hers.got(Reset)[0]

    assert (reset.why, reset.ep) == ("ahead", chat.epoch)
    assert witnesses(house.core) == []


@pytest.mark.parametrize("how", ["beacon", "own message", "message of another process"])
async def test_those_who_watch_while_the_tail_is_lost_start_afresh(house: House, how: str) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    at_5 = await grow(house.core, chat, 5)
    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await grow(house.core, chat, 9)
        await hers.events(9)
        await his.events(9)
        await lose_tail(house.core, at_5)

        if how == "beacon":
            await grow(house.core, chat, 6, hinted=False)
            await house.chat.beacon()
        elif how == "message of another process":
            await grow(house.core, chat, 6)
        else:
            await hers.send(chat, "Is anybody there?")
        resets = [await each.until(Reset) for each in (hers, his)]
        for each in (hers, his):
            await each.until(Ev, lambda event: event.s == 6)
        told = [each.frames[each.frames.index(reset) :] for each, reset in zip((hers, his), resets, strict=True)]

    assert {reset.ep for reset in resets} == {await epoch_of(house.core, chat)} != {chat.epoch}
    assert [[each.s for each in frames if isinstance(each, Ev)] for frames in told] == [[1, 2, 3, 4, 5, 6]] * 2
    assert witnesses(house.core) == [SYSTEM.ref]


async def test_an_epoch_renewed_by_another_process_reaches_the_watchers_by_its_hint(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.events(1)
        await house.core.database.write(epochs.renew_all)
        house.core.hub.publish(hub.EPOCH, hub.hint(chat.id))
        reset = await hers.until(Reset)
        again = await hers.until(Ev)
        await hers.send(chat, "I go on")
        await hers.until(Ev, lambda event: event.b.get("text") == "I go on")

    assert reset.ep == await epoch_of(house.core, chat)
    assert again.s == 1
    assert hers.raw.close_code != Close.INCONSISTENT
