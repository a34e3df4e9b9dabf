"""The console's doors: the inbox, the side panel, and what an agent does with a conversation."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlmodel import select

from chat import conversations
from core import clock
from core.database import Transaction
from core.identity import Role
from core.ledger import LedgerEntry
from core.services import Core
from support.desk import web
from tests.support.desk.house import app_of, browser, conversation, linked, member, said, shopper


@pytest_asyncio.fixture
async def desk(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


async def entries(core: Core) -> list[tuple[str, str, str | None]]:
    """Who did what for which purpose, as the ledger has it."""

    def read(tx: Transaction) -> list[tuple[str, str, str | None]]:
        rows = tx.session.exec(select(LedgerEntry).order_by(LedgerEntry.seq)).all()  # type: ignore[arg-type]
        return [(row.actor, row.action, row.purpose) for row in rows]

    return await core.database.read(read)


async def test_the_page_brings_the_inbox_and_its_words(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "收到的杯子有裂痕，想換一組新的。")

    answer = await desk.get("/desk", headers=mei.page)

    assert answer.status_code == 200
    assert made.id in answer.text
    assert "收到的杯子有裂痕" in answer.text


async def test_a_conversation_of_the_queue_is_in_the_inbox_masked(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "請問可以改地址嗎？")

    answer = await desk.get("/desk/inbox", headers=mei.headers)

    [card] = answer.json()["cards"]
    assert (card["id"], card["title"], card["unread"]) == (made.id, "陳○婷", 1)


@pytest.mark.clause("3(2)")
async def test_looking_at_the_inbox_is_in_the_ledger(core: Core, desk: httpx.AsyncClient) -> None:
    mei = await member(core, "mei.lin")

    await desk.get("/desk/inbox", headers=mei.headers)

    assert (mei.caller.ref, "inbox.read", "P2_CONTRACT_AFTERSALES") in await entries(core)


async def test_a_colleagues_conversation_is_not_in_an_agents_inbox(core: Core, desk: httpx.AsyncClient) -> None:
    mei, ben, yiting = await member(core, "mei.lin"), await member(core, "ben.wu"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    await desk.post(f"/desk/conversations/{made.id}/assign", json={"to": "me"}, headers=ben.headers)

    answer = await desk.get("/desk/inbox", headers=mei.headers)

    assert answer.json()["cards"] == []


async def test_a_supervisor_sees_what_colleagues_hold(core: Core, desk: httpx.AsyncClient) -> None:
    lee, ben, yiting = await member(core, "lee", Role.SUPERVISOR), await member(core, "ben.wu"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    await desk.post(f"/desk/conversations/{made.id}/assign", json={"to": "me"}, headers=ben.headers)

    answer = await desk.get("/desk/inbox", headers=lee.headers)

    assert [card["assignee"]["name"] for card in answer.json()["cards"]] == ["Ben.Wu"]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_who_answers_nobody_has_no_console(core: Core, desk: httpx.AsyncClient, role: Role) -> None:
    someone = await member(core, "someone", role)

    assert (await desk.get("/desk", headers=someone.page)).status_code == 404
    assert (await desk.get("/desk/inbox", headers=someone.headers)).status_code == 403


async def test_an_agent_takes_resolves_and_reopens(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    states = []

    for act, body in (("assign", {"to": "me"}), ("resolve", {}), ("reopen", {})):
        answer = await desk.post(f"/desk/conversations/{made.id}/{act}", json=body, headers=mei.headers)
        assert answer.status_code == 200, answer.text
        row = await core.database.read(conversations.get, made.id, now=clock.now())
        states.append((row.assignee == mei.caller.id, row.state))

    assert states == [(True, "open"), (True, "resolved"), (True, "open")]


@pytest.mark.parametrize("act", ["assign", "resolve", "reopen", "side"])
async def test_a_colleagues_conversation_is_not_there(core: Core, desk: httpx.AsyncClient, act: str) -> None:
    mei, ben, yiting = await member(core, "mei.lin"), await member(core, "ben.wu"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    await desk.post(f"/desk/conversations/{made.id}/assign", json={"to": "me"}, headers=ben.headers)
    path = f"/desk/conversations/{made.id}/{act}"

    if act == "side":
        answer = await desk.get(path, headers=mei.headers)
    else:
        answer = await desk.post(path, json={"to": "me"} if act == "assign" else {}, headers=mei.headers)

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_a_change_without_the_token_is_refused(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "Hello")

    answer = await desk.post(f"/desk/conversations/{made.id}/resolve", json={}, headers=mei.page)

    assert answer.status_code == 403


async def test_unknown_words_in_a_change_are_refused(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    body = {"to": "me", "role": "supervisor"}

    answer = await desk.post(f"/desk/conversations/{made.id}/assign", json=body, headers=mei.headers)

    assert answer.status_code == 422


@pytest.mark.clause("2(3)3")
async def test_the_side_panel_masks_the_customer_and_the_recipient(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    await linked(core, made, yiting)

    answer = await desk.get(f"/desk/conversations/{made.id}/side", headers=mei.headers)

    panel = answer.json()
    [order] = panel["orders"]
    assert panel["customer"]["email_masked"] == "y***@e***.com"
    assert (order["recipient"], order["address"], order["phone"]) == ("王○明", "台北市大安區***", "09**-***-678")
    for secret in ("yiting@example.com", "和平東路", "0912345678", "陳怡婷", "王小明"):
        assert secret not in answer.text


async def test_the_side_panel_speaks_of_the_order_in_the_readers_words(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    await linked(core, made, yiting)

    answer = await desk.get(f"/desk/conversations/{made.id}/side", headers=mei.headers)

    [order] = answer.json()["orders"]
    assert (order["number"], order["status_label"], order["total"]) == ("#10482", "Delivered", "NT$1,280")
    assert order["lines"] == [
        {"name": "Ceramic teacup set", "quantity": 1, "price": "NT$1,280", "options": ["Colour: green"]}
    ]


@pytest.mark.clause("1(2)", "3(2)")
async def test_looking_at_a_customer_is_in_the_ledger(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "Hello")

    await desk.get(f"/desk/conversations/{made.id}/side", headers=mei.headers)

    assert (mei.caller.ref, "customer.view", "P2_CONTRACT_AFTERSALES") in await entries(core)


async def test_past_conversations_of_the_same_customer_are_listed(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    before = await conversation(core, yiting, "Before")
    made = await conversation(core, yiting, "Now")
    other = await shopper(core, "lin@example.com", "林薇")
    await conversation(core, other, "Somebody else's")

    answer = await desk.get(f"/desk/conversations/{made.id}/side", headers=mei.headers)

    assert [past["id"] for past in answer.json()["customer"]["past"]] == [before.id]


async def test_a_note_is_the_last_line_for_staff(core: Core, desk: httpx.AsyncClient) -> None:
    mei, yiting = await member(core, "mei.lin"), await shopper(core)
    made = await conversation(core, yiting, "Hello")
    await said(core, made.id, mei.caller, "Second breakage from this batch", kind="note")

    answer = await desk.get("/desk/inbox", headers=mei.headers)

    [card] = answer.json()["cards"]
    assert card["last"] == {**card["last"], "kind": "note", "text": "Second breakage from this batch", "from": "agent"}
