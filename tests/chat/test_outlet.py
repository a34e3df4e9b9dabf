"""What was to be said is said, whatever else happens to the socket meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chat import conversations, log
from chat.models import Conversation
from chat.outlet import STATES, Outlet
from chat.protocol import Ack, Close, Ev, Gone, State, SubOk, Tops
from core import clock
from core.identity.callers import SYSTEM
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import draft, opened, visitor
from tests.chat.line import House, serving
from tests.chat.reading import Held, away, broken
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


async def test_leaving_one_conversation_while_it_is_read_loses_nothing_of_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = await house.member("ben")
    left, kept = [await house.conversation(await house.guest()) for _ in range(2)]
    async with house.connect(ben, subs={kept.id: {}}) as his:
        await his.events(1)
        slow = Held(house, left, monkeypatch)

        await his.say(t="sub", c=left.id)
        await slow.begun()
        m = await his.send(kept, "Do you hear me?")
        await his.say(t="unsub", c=left.id)
        slow.release()

        opened = await his.until(SubOk, lambda frame: frame.c == left.id)
        events = await his.events(2)
        (ack,) = his.got(Ack) or [await his.until(Ack)]

    assert opened.last == 1
    assert (ack.c, ack.m, ack.s) == (kept.id, m, 2)
    assert [(event.c, event.s) for event in events] == [(kept.id, 1), (kept.id, 2)]


async def test_losing_one_conversation_while_it_is_read_loses_nothing_of_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben, cat = await house.member("ben"), await house.member("cat")
    lost, kept = [await house.conversation(await house.guest()) for _ in range(2)]
    async with house.connect(ben, subs={kept.id: {}}) as his:
        await his.events(1)
        slow = Held(house, lost, monkeypatch)

        await his.say(t="sub", c=lost.id)
        await slow.begun()
        await his.send(kept, "Do you hear me?")
        await house.core.database.write(conversations.assign, house.core, SYSTEM, lost.id, cat.id, now=clock.now())
        await left(house, lost)
        slow.release()

        opened = await his.until(SubOk, lambda frame: frame.c == lost.id)
        gone = await his.until(Gone)
        await his.events(2)

    assert opened.c == gone.c == lost.id
    assert {(event.c, event.s) for event in his.got(Ev)} == {(kept.id, 1), (kept.id, 2)}


async def test_a_poll_whose_conversation_is_lost_while_it_is_read_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben, cat = await house.member("ben"), await house.member("cat")
    chat = await house.conversation(await house.guest())
    slow = Held(house, chat, monkeypatch)

    polling = asyncio.create_task(house.poll(ben, {chat.id: {}}))
    await slow.begun()
    await house.core.database.write(conversations.assign, house.core, SYSTEM, chat.id, cat.id, now=clock.now())
    await left(house, chat)
    slow.release()

    assert await polling == [Gone(chat.id), Tops({})]


@pytest.mark.parametrize(
    ("error", "code"), [(broken, Close.INTERNAL), (PoolTimeout, Close.INTERNAL), (RuntimeError, 1006)]
)
async def test_what_cannot_be_read_ends_the_socket_rather_than_leave_it_waiting(
    house: House, error: Callable[[], Exception], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy) as hers:
        with monkeypatch.context() as outage:
            away(house, error, outage)
            await hers.say(t="sub", c=chat.id)
            closed = await hers.closed()
    await left(house, chat)
    async with house.connect(amy, subs={chat.id: {}}) as again:
        events = await again.events(1)

    assert closed == code
    assert [event.k for event in events] == ["opened"]


class Reader:
    """The other side of an outlet: takes one message, then no more until `read_on`."""

    def __init__(self) -> None:
        self.got: list[str | int] = []
        self.since: list[float | None] = []
        self.is_cut = False
        self.out = Outlet(self._take, self._cut, self._events)
        self._first = asyncio.Event()
        self._reads_on = asyncio.Event()

    async def begin(self) -> Outlet:
        """The outlet, with its first message on its way."""
        self.out.say("first")
        await asyncio.wait_for(self._first.wait(), 5)
        return self.out

    async def read_on(self) -> list[str | int]:
        """Everything that was to come."""
        self._reads_on.set()
        async with asyncio.timeout(5):
            while self.out.sending_since is not None:  # noqa: ASYNC110  (the outlet has no event for it)
                await asyncio.sleep(0)
        return self.got

    async def _take(self, message: Any) -> None:  # Any: an ASGI message
        self.got.append(message.get("text") or message["code"])
        self.since.append(self.out.sending_since)
        self._first.set()
        await self._reads_on.wait()

    async def _events(self) -> list[str]:
        return ["event"]

    def _cut(self) -> None:
        self.is_cut = True


async def test_to_somebody_who_was_signed_out_nothing_more_is_said_however_slowly_she_reads() -> None:
    slow = Reader()
    out = await slow.begin()
    out.say("answer")
    out.tell(("card", "c"), "card")
    out.wake()

    out.close(Close.NOT_SIGNED_IN)
    out.say("later answer")
    out.tell(("card", "d"), "later card")
    out.wake()

    assert await slow.read_on() == ["first", Close.NOT_SIGNED_IN]


async def test_before_a_restart_what_was_answered_is_written_and_nothing_new_is_begun() -> None:
    slow = Reader()
    out = await slow.begin()
    out.say("answer")
    out.wake()

    out.close(Close.RESTARTING)
    out.tell(("card", "d"), "card")
    out.wake()

    assert await slow.read_on() == ["first", "answer", Close.RESTARTING]


async def test_the_time_for_a_close_runs_from_the_moment_it_was_wanted() -> None:
    slow = Reader()
    out = await slow.begin()
    out.say("answer")

    out.close(Close.RESTARTING)
    await slow.read_on()

    assert slow.got == ["first", "answer", Close.RESTARTING]
    assert len(set(slow.since)) == 1


async def test_a_paused_reader_loses_signs_of_life_and_no_card() -> None:
    slow = Reader()
    out = await slow.begin()

    out.tell(("typing", "c", "amy"), "typing")
    for number in range(STATES):
        out.tell(("card", str(number)), "card")
    (_, shown) = await slow.read_on()

    assert str(shown).count("card") == STATES
    assert "typing" not in str(shown)
    assert not slow.is_cut


async def test_a_reader_for_whom_more_cards_wait_than_she_could_ever_read_is_cut() -> None:
    slow = Reader()
    out = await slow.begin()

    for number in range(STATES + 1):
        out.tell(("card", str(number)), "card")

    assert slow.is_cut


async def test_every_card_reaches_the_inbox_when_many_change_at_once(house: House) -> None:
    ben, amy = await house.member("ben"), visitor()
    chats = [await opened(house.core, amy) for _ in range(100)]
    async with house.connect(ben, inbox=True) as his:
        drafts = [draft(chat, amy, "Hello?") for chat in chats]
        await house.core.database.write(log.append_batch, house.core, drafts, now=clock.now())
        await his.say(t="ping", n=1)
        shown: set[str] = set()
        while shown < {chat.id for chat in chats}:
            card = await his.until(State, lambda state: state.what == "card" and state.data["unread"] == 1)
            shown.add(card.c)

    assert len(shown) == len(chats)


async def test_a_room_that_cannot_take_an_event_keeps_nobody_from_the_answer_and_reads_it_then(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = await house.guest()
    chat, other = await house.conversation(amy), await house.conversation(amy)

    def fail(*_: object) -> None:
        raise RuntimeError

    async with house.connect(amy, subs={chat.id: {}, other.id: {}}) as hers:
        monkeypatch.setattr(house.chat.rooms[chat.id], "offer", fail)
        sent = {await hers.send(chat), await hers.send(other)}
        acked = {(await hers.until(Ack)).m for _ in range(2)}
        while not {(chat.id, 2), (other.id, 2)} <= {(event.c, event.s) for event in hers.got(Ev)}:
            await hers.until(Ev)

    assert acked == sent


async def left(house: House, chat: Conversation) -> None:
    """Until nobody is in the room any more."""
    async with asyncio.timeout(5):
        while chat.id in house.chat.rooms:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
