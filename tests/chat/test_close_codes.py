"""Every code with which docs/protocol.md says a socket may end, brought about on a real server."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from limits.aio.storage import MemoryStorage
from sqlalchemy import update

from chat.audiences import Event
from chat.protocol import Ack, Close
from chat.statements import EVENT
from core import limits
from core.hub import SIGN_OUT, hint
from core.limits import Limit, Limits
from core.refusals import Unavailable
from core.services import Core
from media.uploads import Media
from tests.chat.line import House, serving
from tests.chat.rawsocket import BINARY, Raw, frame, text
from tests.conftest import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
TABLE = PAGE[PAGE.index("| close code |") : PAGE.index("\n\nA socket that does not take")]
Ending = Callable[[House, pytest.MonkeyPatch], Awaitable[int]]


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


def writing(*pieces: bytes) -> Ending:
    """Greeted, then these bytes."""

    async def end(house: House, _: pytest.MonkeyPatch) -> int:
        raw = await Raw.connect(house)
        await raw.greet(house, await house.guest())
        raw.writer.write(b"".join(pieces))
        code = await raw.code()
        raw.close()
        return code

    return end


def greeting(words: str, version: str = "aftercare.v1") -> Ending:
    """A handshake, then this instead of a proper `hello`."""

    async def end(house: House, _: pytest.MonkeyPatch) -> int:
        async with house.socket(await house.guest(), version=version) as socket:
            if words:
                await socket.send(words)
            await asyncio.wait_for(socket.wait_closed(), 10)
        return int(socket.close_code or 0)

    return end


async def restarting(house: House, _: pytest.MonkeyPatch) -> int:
    async with house.connect(await house.guest()) as hers:
        draining = asyncio.create_task(house.chat.drain())
        code = await hers.closed()
        await draining
    return code


async def overloaded(house: House, patch: pytest.MonkeyPatch) -> int:
    counted = Limits(MemoryStorage(), limits.LIMITS | {"socket.open": Limit("1/minute", fails_closed=False)})
    amy = await house.guest()
    object.__setattr__(house.core, "limits", counted)
    async with house.connect(amy), house.socket(amy) as second:
        await second.send(f'{{"t":"hello","csrf":"{amy.csrf}"}}')
        await second.wait_closed()
    return int(second.close_code or 0)


async def fault(house: House, patch: pytest.MonkeyPatch) -> int:
    """The log cannot be read for a moment."""

    async def unread(*_: object) -> list[Event]:
        raise Unavailable

    amy = await house.guest()
    chat = await house.conversation(amy)
    patch.setattr(house.chat, "read_events", unread)
    async with house.connect(amy) as hers:
        await hers.say(t="sub", c=chat.id)
        return await hers.closed()


async def hole(house: House, _patch: pytest.MonkeyPatch) -> int:
    """A number is missing in the middle of the log, which no code of ours can bring about."""
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy) as hers:
        for _ in range(3):
            await hers.send(chat)
            await hers.until(Ack)
        gone = update(EVENT).where(EVENT.c.conversation_id == chat.id, EVENT.c.pub_seq == 2).values(pub_seq=None)
        await house.core.database.write(lambda tx: tx.execute(gone) and None)
        await hers.say(t="sub", c=chat.id)
        return await hers.closed()


async def signed_out(house: House, _: pytest.MonkeyPatch) -> int:
    amy = await house.guest()
    async with house.connect(amy) as hers:
        house.core.hub.publish(SIGN_OUT, hint(amy.sign_in))
        return await hers.closed()


async def silent(house: House, patch: pytest.MonkeyPatch) -> int:
    patch.setattr("chat.socket.HELLO_S", 0.05)
    return await greeting("")(house, patch)


async def crowded(house: House, patch: pytest.MonkeyPatch) -> int:
    patch.setattr("chat.socket.MOST_AT_ONCE", 1)
    amy = await house.guest()
    async with house.connect(amy), house.socket(amy) as second:
        await second.send(f'{{"t":"hello","csrf":"{amy.csrf}"}}')
        await second.wait_closed()
    return int(second.close_code or 0)


ENDINGS: dict[int, Ending] = {
    1002: writing(frame(0x3)),
    1003: writing(frame(BINARY, b"x")),
    1007: writing(frame(0x1, b"\xff")),
    1009: writing(text("", length=70_000)),
    Close.RESTARTING: restarting,
    Close.OVERLOADED: overloaded,
    Close.INTERNAL: fault,
    Close.INCONSISTENT: hole,
    Close.BAD_FRAME: writing(text("{")),
    Close.NOT_SIGNED_IN: signed_out,
    Close.FORBIDDEN: greeting('{"t":"hello","csrf":"0"}'),
    Close.NO_COMMON_VERSION: greeting("", version="aftercare.v0"),
    Close.HELLO_TIMEOUT: silent,
    Close.TOO_LARGE: greeting('{"t":"hello","csrf":"' + "0" * 40_000 + '"}'),
    Close.ABUSE: crowded,
}


@pytest.mark.parametrize("code", ENDINGS, ids=lambda code: str(int(code)))
async def test_a_socket_ends_with_the_code_for_it(house: House, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await ENDINGS[code](house, monkeypatch) == code


def test_every_code_of_the_page_is_brought_about_here_and_none_is_missing_there() -> None:
    told = {int(code) for row in TABLE.strip().splitlines() for code in re.findall(r"\b\d{4}\b", row.split("|")[1])}

    assert told == {int(code) for code in ENDINGS}
    assert set(Close) <= set(ENDINGS)
