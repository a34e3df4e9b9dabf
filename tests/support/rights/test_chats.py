"""What is asked in a chat becomes a request with one click, for whoever answers that chat and nobody else."""

import httpx
import pytest

from chat import conversations
from core import clock
from core.identity import Role
from support.house import House
from support.rights import ringing, steps
from support.rights.models import Channel
from tests.support.desk.house import Member, conversation, member, shopper
from tests.support.rights.conftest import WORDS, count, row


async def wished(client: httpx.AsyncClient, who: Member, conversation_id: str, kind: str = "copy") -> httpx.Response:
    return await client.post(
        f"/desk/conversations/{conversation_id}/right", json={"kind": kind, "words": WORDS}, headers=who.headers
    )


@pytest.mark.clause("5(1)1(2)")
async def test_an_agent_opens_a_request_for_the_customer_of_her_chat(client: httpx.AsyncClient, house: House) -> None:
    customer = await shopper(house.core)
    chat = await conversation(house.core, customer, "I want to know what you have of me.")
    mei = await member(house.core, "mei", team="care")

    answer = await wished(client, mei, chat.id)

    assert answer.status_code == 201
    assert answer.json()["reference"].startswith("R-")
    (request_id,) = await house.core.database.read(ringing.open_requests)
    stands = await row(house.core, request_id)
    assert (stands.subject, stands.channel, stands.conversation_id) == (customer.ref, Channel.CHAT, chat.id)
    assert (stands.locale, stands.identity_level) == ("zh-Hant", "I0")
    assert steps.open_(house.core, stands, "words") == WORDS


@pytest.mark.clause("4(2)2")
async def test_the_chat_of_another_team_and_one_that_is_not_there_are_alike(
    client: httpx.AsyncClient, house: House
) -> None:
    chat = await conversation(house.core, await shopper(house.core), "Hello")
    kai = await member(house.core, "kai", team="care")
    await house.core.database.write(
        conversations.assign, house.core, kai.caller, chat.id, kai.caller.id, now=clock.now()
    )
    stranger = await member(house.core, "noa", team="night")

    others = await wished(client, stranger, chat.id)
    nobodys = await wished(client, stranger, "0" * 32)

    assert (others.status_code, nobodys.status_code) == (404, 404)
    assert others.json() == nobodys.json()
    assert await count(house.core) == (0, 0)


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_who_answers_no_chats_opens_no_request(client: httpx.AsyncClient, house: House, role: Role) -> None:
    chat = await conversation(house.core, await shopper(house.core), "Hello")
    other = await member(house.core, "other", role)

    assert (await wished(client, other, chat.id)).status_code == 404


async def test_a_kind_that_nobody_knows_is_refused(client: httpx.AsyncClient, house: House) -> None:
    chat = await conversation(house.core, await shopper(house.core), "Hello")
    mei = await member(house.core, "mei", team="care")

    assert (await wished(client, mei, chat.id, "explode")).status_code == 422
