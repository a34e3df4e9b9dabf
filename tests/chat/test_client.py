"""The client that a shop's bot uses, over a socket and over polls, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from chat import lines, protocol
from chat.client import Client, Pauses
from chat.lines import Admission, Opening
from chat.models import Conversation
from chat.outbox import Refusing
from chat.protocol import Ev
from core.identity import signins
from core.services import Core
from examples import bot
from media.uploads import Media
from tests.chat.line import House, SignedIn, serving
from tests.conftest import free_port

WAYS = pytest.mark.parametrize("way", [lines.socket, lines.polling], ids=["socket", "polling"])
QUICK = Pauses(0.01, 0.05)


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


def client_of(house: House, who: SignedIn, way: Opening) -> Client:
    name, _, value = who.cookie.partition("=")
    admission = Admission("staff" if who.kind == "staff" else "shopper", {name: value}, who.csrf)

    @asynccontextmanager
    async def here(
        url: str, admission: Admission, subscriptions: lines.Subscriptions, door: str | None = None
    ) -> AsyncIterator[lines.Line]:
        async with way(url, admission, subscriptions, door or f"http://127.0.0.1:{house.port}") as line:
            yield line

    return Client(house.core.settings.origin, admission, opening=here, pauses=QUICK)


async def taken(client: Client, chat: Conversation, count: int, since: tuple[str, int] | None = None) -> list[Ev]:
    """The first so many events."""
    found: list[Ev] = []
    async with asyncio.timeout(20), aclosing(client.events(chat.id, since)) as events:  # type: ignore[type-var]
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


@WAYS
async def test_two_talk_and_each_message_has_its_number(house: House, way: Opening) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with client_of(house, amy, way) as hers, client_of(house, ben, way) as his:
        first = await hers.send(chat.id, "Where is my parcel?")
        second = await his.send(chat.id, "On its way")
        events = await taken(hers, chat, 3)

    assert (first, second) == (2, 3)
    assert [event.b.get("text") for event in events] == [None, "Where is my parcel?", "On its way"]


@WAYS
async def test_whatever_is_lost_in_between_arrives_once_and_in_order(house: House, way: Opening) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with client_of(house, amy, way) as hers, client_of(house, ben, way) as his:
        await his.watch(chat.id)
        under_way = []
        for number in range(30):
            under_way.append(await hers.post(chat.id, f"{number}"))
            if number % 10 == 5:
                await hers.until(lambda: hers.is_connected)
                await hers.drop()
                await his.drop()
        numbers = [await pending.done for pending in under_way]
        events = await taken(his, chat, 31)

    assert numbers == list(range(2, 32))
    assert [event.s for event in events] == list(range(1, 32))
    assert [event.b.get("text") for event in events[1:]] == [f"{number}" for number in range(30)]


@WAYS
async def test_a_client_goes_on_where_it_stood_before_a_restart(house: House, way: Opening) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with client_of(house, amy, way) as before:
        await before.send(chat.id, "One")
        await taken(before, chat, 2)
        stood = before.position(chat.id)

    async with client_of(house, amy, way) as after:
        await after.send(chat.id, "Two")
        (event,) = await taken(after, chat, 1, stood)

    assert stood == (chat.epoch, 2)
    assert (event.s, event.b) == (3, {"text": "Two"})


@WAYS
async def test_what_the_server_refuses_is_raised(house: House, way: Opening) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat = await house.conversation(amy)

    async with client_of(house, eve, way) as client:
        with pytest.raises(Refusing) as refused:
            await client.watch(chat.id)
        with pytest.raises(Refusing) as unsent:
            await client.send(chat.id, "Mine?")

    assert (refused.value.code, unsent.value.code) == ("gone", "not_found")


@WAYS
async def test_a_client_goes_on_when_a_caller_stops_waiting_for_an_answer(house: House, way: Opening) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with client_of(house, amy, way) as client:
        (await client.post(chat.id, "One")).done.cancel()
        number = await asyncio.wait_for(client.send(chat.id, "Two"), 20)

    assert number == 3


async def test_a_fault_of_the_clients_own_ends_every_wait_and_is_raised() -> None:
    @asynccontextmanager
    async def faulty(
        url: str, admission: Admission, subscriptions: lines.Subscriptions, door: str | None = None
    ) -> AsyncIterator[lines.Line]:
        raise ArithmeticError
        yield

    client = await Client("http://shop.test", Admission("shopper", {}, ""), opening=faulty).__aenter__()
    with pytest.raises(Refusing) as waiting:
        await client.until(lambda: False, limit_s=20)
    with pytest.raises(Refusing) as sending:
        await client.send("c1", "Hello?")

    with pytest.raises(ArithmeticError):
        await client.__aexit__(None, None, None)
    assert (waiting.value.code, sending.value.code) == ("client_failed", "client_failed")


@WAYS
async def test_a_client_whose_sign_in_has_ended_stops(house: House, way: Opening) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with client_of(house, amy, way) as client:
        await client.watch(chat.id)
        await client.until(lambda: client.views[chat.id].cursor == 1)
        await house.core.database.write(signins.end, house.core.hub, amy.sign_in)
        with pytest.raises(Refusing) as refused:
            await client.until(lambda: False, limit_s=20)

    assert refused.value.code == "closed_4401"


@WAYS
async def test_an_echo_comes_after_everything_before_it(house: House, way: Opening) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with client_of(house, amy, way) as client:
        await client.watch(chat.id)
        await house.post(
            amy, *({"t": "send", "c": chat.id, "m": _id(n), "k": "message", "b": {"text": "x"}} for n in "abc")
        )
        await client.echo(limit_s=20)
        await client.until(lambda: client.views[chat.id].cursor == 4, limit_s=20)

    assert client.views[chat.id].said() == 3


def at_hour(hour: int) -> datetime:
    return datetime(2026, 11, 24, hour, tzinfo=UTC)


def _id(letter: str) -> str:
    return f"00000000-0000-7000-8000-00000000000{letter}"


async def test_nothing_is_left_of_clients_that_poll(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    before = len(asyncio.all_tasks())

    async with client_of(house, amy, lines.polling) as client:
        await client.send(chat.id, "Hello")
        await taken(client, chat, 2)

    async with asyncio.timeout(10):
        while house.chat.rooms or house.chat.connections or len(asyncio.all_tasks()) > before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_example_answers_once_and_only_after_hours(house: House) -> None:
    amy, robot = await house.guest(), await house.member("robot")
    chat, later = await house.conversation(amy), await house.conversation(amy)

    async with client_of(house, robot, lines.socket) as client, client_of(house, amy, lines.socket) as hers:
        night = asyncio.create_task(bot.answer_after_hours(client, chat.id, lambda: at_hour(23)))
        day = asyncio.create_task(bot.answer_after_hours(client, later.id, lambda: at_hour(10)))
        await hers.send(later.id, "Good morning")
        await hers.send(chat.id, "Is anybody there?")
        await hers.send(chat.id, "Hello?")
        answered = await taken(hers, chat, 4)
        await client.echo()
        quiet = await hers.whole(later.id)
        for task in (night, day):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    said = [(event.from_.kind, event.b["text"]) for event in answered if event.k == "message"]
    assert sorted(said) == sorted([("shopper", "Is anybody there?"), ("shopper", "Hello?"), ("agent", bot.SENTENCE)])
    assert [event.from_.kind for event in quiet if event.k == "message"] == ["shopper"]


async def test_two_versions_are_served_and_the_newest_that_both_speak_is_chosen(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "SUPPORTED", ("aftercare.v2", "aftercare.v1"))
    amy = await house.guest()
    chosen = []

    for version in ("aftercare.v1", "aftercare.v2"):
        async with house.socket(amy, version=version) as raw:
            await raw.send(f'{{"t":"hello","csrf":"{amy.csrf}"}}')
            (welcome, *_) = protocol.read_server(str(await raw.recv()))
            chosen.append((raw.subprotocol, welcome.proto if isinstance(welcome, protocol.Welcome) else None))

    assert chosen == [("aftercare.v1", "aftercare.v1"), ("aftercare.v2", "aftercare.v2")]
    assert protocol.agree(["aftercare.v1", "other", "aftercare.v2"]) == "aftercare.v2"
    assert protocol.agree(["aftercare.v3"]) is None
