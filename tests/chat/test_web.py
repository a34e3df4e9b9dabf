"""Chat over HTTP: history and pictures."""

import io
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image

from chat.protocol import Ack, Err, Ev
from core.services import Core
from media.uploads import Media
from tests.chat.line import House, serving
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), "tomato").save(made, "PNG")
    return made.getvalue()


async def test_history_is_given_in_the_numbering_of_whoever_asks(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    async with house.connect(ben, subs={chat.id: {}}) as his:
        await his.send(chat, "Between us", k="note")
        await his.send(chat, "Hello")
        await his.events(3)

    async with house.browser(amy) as hers, house.browser(ben) as theirs:
        public = (await hers.get(f"/chat/conversations/{chat.id}/events")).json()
        staff = (await theirs.get(f"/chat/conversations/{chat.id}/events?before=3")).json()

    assert [(event["s"], event["k"]) for event in public["events"]] == [(1, "opened"), (2, "message")]
    assert [(event["s"], event["k"]) for event in staff["events"]] == [(1, "opened"), (2, "note")]
    assert (public["last"], staff["last"], public["ep"]) == (2, 3, chat.epoch)


async def test_another_persons_history_and_one_that_is_not_there_are_the_same_answer(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat, own = await house.conversation(amy), await house.conversation(eve)

    async with house.browser(eve) as hers:
        not_hers = await hers.get(f"/chat/conversations/{chat.id}/events")
        not_there = await hers.get(f"/chat/conversations/{uuid.uuid4().hex}/events")
        mine = await hers.get(f"/chat/conversations/{own.id}/events")

    assert (not_hers.status_code, not_hers.json()) == (not_there.status_code, not_there.json())
    assert (not_hers.status_code, mine.status_code) == (404, 200)


@pytest.mark.parametrize("query", ["before=x", "limit=-", "after=1e3"])
async def test_a_page_that_is_no_number_is_refused(house: House, query: str) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.browser(amy) as hers:
        answer = await hers.get(f"/chat/conversations/{chat.id}/events?{query}")

    assert answer.status_code == 422


async def test_a_picture_is_uploaded_and_becomes_a_message_once(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    upload = f"/chat/conversations/{chat.id}/media/{uuid.uuid4()}?name=parcel.png"

    async with house.browser(amy) as http, house.connect(amy, subs={chat.id: {}}) as hers:
        stored = await http.put(upload, content=picture(), headers={"Content-Type": "image/png"})
        attachment = stored.json()["id"]
        m = await hers.send(chat, k="media", b={"attachment": attachment, "text": "This is it"})
        ack = await hers.until(Ack)
        (event,) = [event for event in await hers.events(2) if event.k == "media"]
        await hers.send(chat, k="media", m=m, b={"attachment": attachment, "text": "This is it"})
        again = await hers.until(Ack)
        await hers.send(chat, k="media", b={"attachment": attachment})
        twice = await hers.until(Err)

    assert stored.status_code == 201
    assert event.b["text"] == "This is it"
    assert (event.b["attachment"]["id"], event.b["attachment"]["width"]) == (attachment, 64)
    assert (again.s, again.dup) == (ack.s, True)
    assert (twice.code, twice.retry) == ("already_sent", "no")


async def test_nobody_uploads_into_another_persons_conversation_or_sends_her_picture(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat, own = await house.conversation(amy), await house.conversation(eve)
    name = str(uuid.uuid4())

    async with house.browser(amy) as http:
        hers = await http.put(f"/chat/conversations/{chat.id}/media/{name}", content=picture())
    async with house.browser(eve) as http, house.connect(eve, subs={own.id: {}}) as client:
        refused = await http.put(f"/chat/conversations/{chat.id}/media/{name}", content=picture())
        await client.send(own, k="media", b={"attachment": hers.json()["id"]})
        err = await client.until(Err)

    assert (hers.status_code, refused.status_code) == (201, 404)
    assert err.code == "not_found"
    assert [event.k for event in client.got(Ev)] == ["opened"]
