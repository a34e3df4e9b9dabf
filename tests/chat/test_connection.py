"""What a client says takes effect in its order or is answered, and a busy moment leaves nothing behind."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import text

from chat import connection, protocol
from chat.models import Conversation
from chat.protocol import Close, Err, Gone, Pong, State, SubOk, Tops
from core.database import Transaction
from core.identity.permissions import Purpose
from core.services import Core
from media.uploads import Media
from tests.chat.line import Client, House, serving
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


def frame(kind: str, chat: Conversation) -> dict[str, Any]:  # Any: JSON values
    return {"t": kind, "c": chat.id}


def packed(*frames: Any) -> str:  # Any: frames as JSON
    return msgspec.json.encode(frames).decode()


async def left(house: House, chat: Conversation) -> None:
    """Until nobody is in the room any more."""
    async with asyncio.timeout(5):
        while chat.id in house.chat.rooms:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("said", [["sub", "unsub"], ["sub", "unsub", "sub", "unsub"], ["sub", "unsub", "unsub"]])
async def test_whoever_leaves_right_after_entering_has_left(house: House, said: list[str]) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy) as hers:
        await hers.raw.send(packed(*(frame(kind, chat) for kind in said)))
        for _ in range(said.count("sub")):
            await hers.until(SubOk)
        await left(house, chat)
        await hers.say(t="ping", n=1)
        pong = await hers.until(Pong)

    assert pong.tops == {}


async def test_whoever_leaves_and_enters_again_is_in(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy) as hers:
        await hers.raw.send(packed(*(frame(kind, chat) for kind in ["sub", "unsub", "sub"])))
        await hers.until(SubOk)
        await hers.until(SubOk)
        await hers.say(t="ping", n=1)
        pong = await hers.until(Pong)

    assert list(pong.tops) == [chat.id]


async def test_a_conversation_of_the_greeting_is_left_when_the_client_says_so_at_once(house: House) -> None:
    amy = await house.guest()
    chat, other = await house.conversation(amy), await house.conversation(amy)

    async with house.socket(amy) as raw:
        hers = Client(raw)
        await hers.say(t="hello", csrf=amy.csrf, subs={chat.id: {}, other.id: {}})
        await hers.say(t="unsub", c=other.id)
        await hers.until(Tops)
        await left(house, other)
        await hers.say(t="ping", n=1)
        pong = await hers.until(Pong)

    assert list(pong.tops) == [chat.id]


async def test_leaving_is_never_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ERRANDS", 1)
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy) as hers:
        await hers.raw.send(packed(frame("sub", chat), frame("get", chat), *[frame("unsub", chat)] * 60))
        await hers.until(SubOk)
        await left(house, chat)

    assert {err.code for err in hers.got(Err)} <= {"busy", "not_open"}


async def test_a_read_mark_that_was_refused_in_a_busy_moment_is_taken_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        with monkeypatch.context() as busy:
            busy.setattr(connection, "ERRANDS", 0)
            await hers.say(t="read", c=chat.id, upto=1)
            err = await hers.until(Err)
        await hers.say(t="read", c=chat.id, upto=1)
        read = await his.until(State, lambda state: state.what == "read")

    assert (err.code, err.retry, err.c) == ("busy", "same", chat.id)
    assert read.data["upto"] == 1


async def test_a_client_that_follows_as_many_as_it_may_comes_back_and_hears_of_those_that_are_too_many(
    house: House,
) -> None:
    ben = await house.member("ben")
    longest = {
        "cur": 2**53, "ep": "f" * 16, "marks": 2**53, "purpose": max((each.value for each in Purpose), key=len),
    }  # fmt: skip
    subs = {uuid.uuid4().hex: longest for _ in range(protocol.SUBSCRIPTIONS)}
    beyond: dict[str, object] = {uuid.uuid4().hex: {} for _ in range(3)}

    async with house.connect(ben, inbox=True, tab=str(uuid.uuid4()), subs=subs | beyond) as his:
        answered = [each.c for each in his.got(Gone)], [(each.code, each.retry, each.c) for each in his.got(Err)]

    assert answered == (list(subs), [("too_many_open", "no", each) for each in beyond])


# ---------------------------------------------------------------- while the database is away


@pytest_asyncio.fixture
async def outage(house: House) -> AsyncIterator[None]:
    """Nobody can be recognised; in the end it is as it was, for those who clean up."""
    yield
    await house.core.database.write(_rename, "sign_in_away", "sign_in")


def _rename(tx: Transaction, name: str, to: str) -> None:
    tx.execute(text(f"ALTER TABLE {name} RENAME TO {to}"))


async def test_who_greets_while_nobody_can_be_recognised_is_told_to_come_again(
    house: House, outage: None, caplog: pytest.LogCaptureFixture
) -> None:
    amy = await house.guest()
    await house.core.database.write(_rename, "sign_in", "sign_in_away")

    async with house.socket(amy) as raw:
        hers = Client(raw)
        await hers.say(t="hello", csrf=amy.csrf)
        code = await hers.closed()

    assert code == Close.INTERNAL
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("path", ["/chat/poll", "/chat/send"])
async def test_who_asks_without_a_socket_meanwhile_is_told_to_come_again(house: House, outage: None, path: str) -> None:
    amy = await house.guest()
    await house.core.database.write(_rename, "sign_in", "sign_in_away")

    async with house.browser(amy) as http:
        answer = await http.post(path, json={} if path == "/chat/poll" else [])

    assert answer.status_code == 503
    assert answer.json()["retry_ms"] > 0
