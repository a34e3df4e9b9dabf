"""Coming back after a crash: what it asks of the database, and that nobody is let in by somebody else's sign-in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest
import pytest_asyncio
import websockets
from sqlalchemy import Engine, event

from chat.models import Conversation
from chat.protocol import Close, SubOk
from core.identity import signins
from core.services import Core
from media.uploads import Media
from tests.chat.line import PATIENCE_S, House, SignedIn, serving
from tests.conftest import free_port

STATEMENTS_EACH = 3


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


@contextlib.contextmanager
def statements() -> Iterator[list[str]]:
    """Every question that any database is asked meanwhile, the keystore's too."""
    asked: list[str] = []

    def note(*arguments: object) -> None:
        statement = str(arguments[2])
        if not statement.startswith("BEGIN"):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def _back(house: House, who: SignedIn, chat: Conversation) -> SubOk:
    """Resume where she was, and be gone again."""
    async with house.connect(who, subs={chat.id: {"cur": 1, "ep": chat.epoch}}) as client:
        return client.got(SubOk)[0]


@pytest.mark.both_engines
async def test_a_guest_who_comes_back_costs_three_statements_at_most(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    with statements() as asked:
        resumed = await _back(house, amy, chat)

    assert (resumed.c, resumed.first) == (chat.id, 2)
    assert len(asked) <= STATEMENTS_EACH, asked


async def test_many_who_come_back_together_share_their_statements(house: House) -> None:
    guests = [await house.guest() for _ in range(20)]
    chats = [await house.conversation(guest) for guest in guests]

    with statements() as asked:
        resumed = await asyncio.gather(*(_back(house, *each) for each in zip(guests, chats, strict=True)))

    assert [each.c for each in resumed] == [chat.id for chat in chats]
    assert len(asked) < STATEMENTS_EACH * len(guests) / 2, len(asked)


async def test_of_those_who_come_back_together_only_the_signed_in_are_let_in(house: House) -> None:
    guests = [await house.guest() for _ in range(6)]
    chats = [await house.conversation(guest) for guest in guests]
    for guest in guests[::2]:
        await house.core.database.write(signins.end, house.core.hub, guest.sign_in)

    codes = await asyncio.gather(*(_greeted_with(house, *each) for each in zip(guests, chats, strict=True)))

    assert codes == [Close.NOT_SIGNED_IN, None] * 3


async def _greeted_with(house: House, who: SignedIn, chat: Conversation) -> int | None:
    """The code of the close that answers a hello, or None for a welcome."""
    async with house.socket(who) as raw, asyncio.timeout(PATIENCE_S):
        hello = {"t": "hello", "csrf": who.csrf, "as": "shopper", "subs": {chat.id: {}}}
        await raw.send(msgspec.json.encode(hello).decode())
        with contextlib.suppress(websockets.ConnectionClosed):
            await raw.recv()
        code: int | None = raw.close_code
        return code
