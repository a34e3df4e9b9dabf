"""What was to be said is said, whatever else happens to the socket meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chat import conversations
from chat.models import Conversation
from chat.protocol import Ack, Close, Ev, Gone, SubOk, Tops
from core import clock
from core.identity.callers import SYSTEM
from core.services import Core
from media.uploads import Media
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


async def left(house: House, chat: Conversation) -> None:
    """Until nobody is in the room any more."""
    async with asyncio.timeout(5):
        while chat.id in house.chat.rooms:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
