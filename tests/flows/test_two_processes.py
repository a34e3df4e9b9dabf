"""Two servers and a worker on one PostgreSQL, with Redis and without: nobody can tell which process they talk to."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
import websockets
from websockets.typing import Origin, Subprotocol

from chat import protocol
from chat.presence import LINGER_S
from core.vault import KeyGone
from support.demo import FOLDER
from support.house import opened
from support.replay.doors import Admission, cookie_header, take
from tests.browserless import Browserless
from tests.chat.line import PATIENCE_S, Client
from tests.cluster import Cluster
from tests.services import RedisServer
from tests.site import Site

EMAIL = "emma.novak@example.com"


@pytest.fixture(scope="module", params=["redis", "postgres alone"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    redis = RedisServer() if request.param == "redis" else None
    if redis is not None:
        redis.start()
    made = Cluster(tmp_path_factory.mktemp("cluster"), redis=redis)
    try:
        made.start()
        yield made
    finally:
        made.close()
        if redis is not None:
            redis.close()


@pytest.fixture(scope="module")
def agents(cluster: Cluster) -> list[Admission]:
    """Both demo agents; they signed in at the first process."""
    return asyncio.run(cluster.agents())


@asynccontextmanager
async def present(site: Site, who: Admission, *conversations: str) -> AsyncIterator[Client]:
    """Somebody at this process, with these conversations open."""
    async with websockets.connect(
        site.url.replace("http", "ws", 1) + "/chat/socket",
        origin=Origin(who.origin or site.url),
        subprotocols=[Subprotocol(protocol.SUBPROTOCOL)],
        additional_headers={"Cookie": cookie_header(who.cookies)},
        compression=None,
    ) as raw:
        client = Client(raw)
        subs: dict[str, object] = {conversation: {} for conversation in conversations}
        await client.say(t="hello", csrf=who.csrf, subs=subs, **{"as": who.side})
        await client.until(protocol.Tops)
        client.seen = 0  # what came with the welcome may be what a test waits for
        yield client


def test_servers_that_load_the_demo_shop_at_the_same_time_make_one(cluster: Cluster) -> None:
    wanted = {name: len(json.loads((FOLDER / f"{name}.json").read_text())) for name in ("conversations", "staff")}

    with psycopg.connect(cluster.webs[0].chosen.database_url) as connection:
        talks = connection.execute("SELECT count(*) FROM conversation WHERE owner LIKE 'person:%'").fetchone()
        staff = connection.execute("SELECT count(*) FROM staff").fetchone()

    assert talks == (wanted["conversations"],)
    assert staff == (wanted["staff"],)


async def test_a_shopper_and_an_agent_at_different_processes_meet(cluster: Cluster, agents: list[Admission]) -> None:
    here, there = cluster.webs
    amy, conversation = await cluster.guest(1)
    agent = agents[0]
    await take(here.url, agent, conversation)

    async with present(here, amy, conversation) as hers:
        async with present(there, agent, conversation) as theirs:
            await theirs.until(protocol.State, is_here("shopper"))
            await say(hers, conversation, "Where is my parcel?")
            asked = await theirs.until(protocol.Ev, lambda event: event.b == {"text": "Where is my parcel?"})
            await hers.say(t="typing", c=conversation)
            await theirs.until(protocol.TypingNow, lambda typing: typing.who.ref == amy.ref)

            await theirs.say(t="read", c=conversation, upto=asked.s)
            await hers.until(protocol.State, is_here("agent"))
            read = await hers.until(protocol.State, lambda each: each.what == "read" and each.data["kind"] == "agent")
            await theirs.say(t="typing", c=conversation)
            typing = await hers.until(protocol.TypingNow)
            await say(theirs, conversation, "On its way.", seen=asked.s)
            answer = await hers.until(protocol.Ev, lambda event: event.b == {"text": "On its way."})

        async with asyncio.timeout(LINGER_S + PATIENCE_S):
            while '"online":false' not in str(await hers.raw.recv()):
                pass

    assert read.data["upto"] >= 2
    assert typing.who.kind == "agent"
    assert typing.who.name == answer.from_.name != ""


async def say(client: Client, conversation: str, text: str, **more: object) -> None:
    """One message."""
    await client.say(t="send", c=conversation, m=str(uuid.uuid4()), k="message", b={"text": text}, **more)


def is_here(kind: str) -> Callable[[protocol.State], bool]:
    """Whether a state says that somebody of this kind is here."""
    return lambda state: state.what == "presence" and state.data["kind"] == kind and state.data["online"]


async def test_an_inbox_at_one_process_shows_who_writes_at_the_other(cluster: Cluster, agents: list[Admission]) -> None:
    here, there = cluster.webs
    amy, conversation = await cluster.guest(2)

    async with websockets.connect(
        there.url.replace("http", "ws", 1) + "/chat/socket",
        origin=Origin(there.origin),
        subprotocols=[Subprotocol(protocol.SUBPROTOCOL)],
        additional_headers={"Cookie": cookie_header(agents[0].cookies)},
        compression=None,
    ) as raw:
        inbox = Client(raw)
        await inbox.say(t="hello", csrf=agents[0].csrf, subs={}, inbox=True, **{"as": "staff"})
        await inbox.until(protocol.Tops)
        async with present(here, amy, conversation) as hers:
            await say(hers, conversation, "Anybody there?")
        card = await inbox.until(protocol.State, lambda state: state.c == conversation and bool(state.data.get("last")))

    assert card.what == "card"
    assert card.data["last"]["text"] == "Anybody there?"


async def test_a_code_that_is_asked_for_at_one_process_is_typed_at_the_other(cluster: Cluster) -> None:
    here, there = cluster.webs
    emma = Browserless(here.url)
    conversation = emma.start()
    code = emma.ask_for_code(EMAIL)

    emma.move_to(there.url)
    proven = emma.prove(code, conversation)
    emma.close()

    assert proven.status_code == 200


async def test_what_is_erased_is_gone_from_the_memory_of_every_process(
    cluster: Cluster, agents: list[Admission]
) -> None:
    here, there = cluster.webs
    emma = Browserless(here.url)
    conversation = emma.start()
    assert emma.prove(emma.ask_for_code("zoe@example.com"), conversation).status_code == 200
    emma.close()
    await take(here.url, agents[0], conversation)
    with psycopg.connect(here.chosen.database_url) as connection:
        found = connection.execute("SELECT dek_id, owner FROM conversation WHERE id = %s", (conversation,)).fetchone()
    assert found is not None
    dek_id, owner = found

    async with opened(there.chosen) as house, present(there, agents[0], conversation) as theirs:
        house.core.vault.key(dek_id, scope=conversation, owner=owner)
        erased = await asyncio.to_thread(here.run, "rights", "erase", "zoe@example.com")
        assert erased.returncode == 0, erased.stdout + erased.stderr
        await theirs.until(protocol.Gone, lambda gone: gone.c == conversation)
        async with asyncio.timeout(5):
            while house.core.vault._held.get(dek_id, conversation, owner) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        with pytest.raises(KeyGone):
            house.core.vault.key(dek_id, scope=conversation, owner=owner)


async def test_signing_out_at_one_process_ends_the_sockets_at_the_other(
    cluster: Cluster, agents: list[Admission]
) -> None:
    here, there = cluster.webs
    leaving = agents[1]
    async with present(there, leaving) as theirs:
        async with httpx.AsyncClient(base_url=here.url) as browser:
            left = await browser.post(
                "/desk/sign-out",
                data={"csrf_token": leaving.csrf},
                headers={"Cookie": cookie_header(leaving.cookies), "Sec-Fetch-Site": "same-origin"},
            )
        assert left.status_code < 400, left.text
        code = await theirs.closed()

    assert code == protocol.Close.NOT_SIGNED_IN


async def test_the_worker_goes_on_beside_the_servers_and_stops_when_asked(cluster: Cluster) -> None:
    assert cluster.worker.is_running

    cluster.worker.stop()

    assert "Traceback" not in cluster.worker.log.read_text()
    cluster.worker.start()
