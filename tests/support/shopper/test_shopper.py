"""The shopper's doors, from looking without leaving a trace to leaving for good."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update
from sqlmodel import SQLModel, col

from chat import audiences, conversations, log
from chat.audiences import Audience
from chat.log import Span
from core import clock
from core.database import Transaction
from core.identity.models import SignIn
from core.services import Core
from tests.support.shopper.conftest import Browser, bought

Visit = Callable[[], Browser]
TRACES = ("visitor", "sign_in", "acknowledgement", "conversation", "login_code", "letter")


def rows(tx: Transaction) -> dict[str, int]:
    """How many rows each table has that could tell of a visitor."""
    tables = SQLModel.metadata.tables
    return {name: tx.execute(select(func.count()).select_from(tables[name])).scalar_one() for name in TRACES}


async def events(core: Core, conversation: str) -> list[tuple[str, dict[str, object]]]:
    """What a shopper sees of a conversation: kind and body of each event."""

    def read(tx: Transaction) -> list[tuple[str, dict[str, object]]]:
        row = conversations.get(tx, conversation, now=clock.now())
        found = log.read(tx, core, row, Audience.PUBLIC, Span(50, start=1))
        return [(event.kind, audiences.body(event, Audience.PUBLIC)) for event in found]

    return await core.database.read(read)


@pytest.mark.clause("2(5)")
@pytest.mark.parametrize("path", ["/chat", "/chat/frame"])
async def test_looking_leaves_no_cookie_and_no_row(core: Core, visit: Visit, path: str) -> None:
    browser = visit()

    answer = await browser.page(path)

    assert answer.status_code == 200
    assert browser.cookies == set()
    assert set((await core.database.read(rows)).values()) == {0}


async def test_the_bare_address_leads_to_the_chat(visit: Visit) -> None:
    answer = await visit().page("/")

    assert (answer.status_code, answer.headers["location"]) == (307, "/chat")


@pytest.mark.clause("preface")
async def test_the_page_shows_the_notice_in_force_with_a_link_to_the_policy(core: Core, visit: Visit) -> None:
    answer = await visit().page("/chat")

    notice = core.policy.notice("en")
    assert notice.lead in answer.text
    assert all(text in answer.text for _, text in notice.slots)
    assert core.policy.version in answer.text
    assert 'href="/policy?lang=en"' in answer.text


async def test_a_shopper_who_sits_before_the_chat_stays_signed_in(core: Core, visit: Visit) -> None:
    browser = visit()
    await browser.prove(core, "hana@example.com", await browser.start(core))
    await core.database.write(unused_for, 119 * clock.MINUTE)

    told = await browser.post("/shopper/here")
    await core.database.write(unused_for, 119 * clock.MINUTE)
    answer = await browser.get("/shopper/orders")

    assert (told.status_code, answer.status_code) == (200, 200)


async def test_nobody_is_told_as_present(visit: Visit) -> None:
    answer = await visit().post("/shopper/here")

    assert answer.status_code == 401


def unused_for(tx: Transaction, milliseconds: int) -> None:
    """Let time pass for every sign-in."""
    tx.execute(update(SignIn).values(seen_ms=col(SignIn.seen_ms) - milliseconds))


@pytest.mark.clause("7(2)")
async def test_agreeing_to_another_version_starts_nothing(core: Core, visit: Visit) -> None:
    browser = visit()

    answer = await browser.post("/shopper/start", policy_version="1999-01-01", agreed=True)

    assert (answer.status_code, browser.said["error"]) == (409, "policy_changed")
    assert browser.cookies == set()
    assert set((await core.database.read(rows)).values()) == {0}


@pytest.mark.clause("preface")
async def test_not_agreeing_starts_nothing(core: Core, visit: Visit) -> None:
    browser = visit()

    answer = await browser.post("/shopper/start", policy_version=core.policy.version, agreed=False)

    assert answer.status_code == 422
    assert set((await core.database.read(rows)).values()) == {0}


@pytest.mark.clause("preface")
async def test_agreeing_records_the_answer_and_opens_a_conversation(core: Core, visit: Visit) -> None:
    browser = visit()

    conversation = await browser.start(core)

    assert browser.cookies == {"__Host-cv"}
    assert browser.said["me"]["proof"] == "guest"
    counts = await core.database.read(rows)
    assert (counts["visitor"], counts["acknowledgement"], counts["conversation"]) == (1, 1, 1)
    assert [kind for kind, _ in await events(core, conversation)] == ["opened"]


async def test_starting_twice_is_one_conversation(core: Core, visit: Visit) -> None:
    browser = visit()

    first = await browser.start(core)
    second = await browser.start(core)

    assert first == second


async def test_coming_back_shows_the_same_conversation(core: Core, visit: Visit) -> None:
    browser = visit()
    conversation = await browser.start(core)

    answer = await browser.page("/chat")

    assert conversation in answer.text
    assert 'data-view="chat"' in answer.text


async def test_another_browser_does_not_see_it(core: Core, visit: Visit) -> None:
    conversation = await visit().start(core)

    answer = await visit().page("/chat")

    assert conversation not in answer.text


@pytest.mark.clause("2(2)")
async def test_nobody_gets_a_code_before_agreeing(core: Core, visit: Visit) -> None:
    browser = visit()

    answer = await browser.post("/shopper/code", email="hana@example.com")

    assert answer.status_code == 401
    assert (await core.database.read(rows))["letter"] == 0


@pytest.mark.clause("2(2)")
async def test_a_right_code_makes_the_conversation_hers(core: Core, visit: Visit) -> None:
    browser = visit()
    conversation = await browser.start(core)

    answer = await browser.prove(core, "hana@example.com", conversation)

    assert answer.status_code == 200
    assert browser.cookies == {"__Host-cs"}
    assert browser.said["me"]["proof"] == "email_code"
    assert browser.said["me"]["email"] == "h***@e***.com"
    assert browser.said["conversation"]["id"] == conversation
    assert browser.said["has_agreed"] is True
    assert (await events(core, conversation))[-1] == ("identified", {"proof": "email_code", "email": "h***@e***.com"})


@pytest.mark.clause("2(2)")
async def test_a_wrong_code_leaves_her_a_guest(core: Core, visit: Visit) -> None:
    browser = visit()
    conversation = await browser.start(core)
    await browser.post("/shopper/code", email="hana@example.com")

    answer = await browser.post("/shopper/verify", code="0000 0000", conversation=conversation)

    assert (answer.status_code, browser.said["error"]) == (422, "code_wrong")
    assert "__Host-cs" not in browser.cookies
    assert [kind for kind, _ in await events(core, conversation)] == ["opened"]


async def test_somebody_elses_conversation_cannot_be_taken_along(core: Core, visit: Visit) -> None:
    conversation = await visit().start(core)
    thief = visit()
    await thief.start(core)

    answer = await thief.prove(core, "thief@example.com", conversation)

    assert answer.status_code == 404
    assert [kind for kind, _ in await events(core, conversation)] == ["opened"]


@pytest.mark.clause("2(2)")
async def test_a_guest_sees_no_orders(core: Core, visit: Visit) -> None:
    await bought(core, "hana@example.com", "10482")
    browser = visit()
    await browser.start(core)

    answer = await browser.get("/shopper/orders")

    assert answer.status_code == 401
    assert "10482" not in answer.text


@pytest.mark.clause("2(3)")
async def test_her_orders_show_what_she_bought_and_not_where_it_went(core: Core, visit: Visit) -> None:
    order = await bought(core, "hana@example.com", "10482")
    await bought(core, "somebody@example.com", "10483")
    browser = visit()
    await browser.prove(core, "hana@example.com", await browser.start(core))

    answer = await browser.get("/shopper/orders")

    [shown] = answer.json()["orders"]
    assert (shown["id"], shown["number"], shown["total_label"]) == (order, "10482", "NT$1,280")
    assert (shown["status_label"], shown["items"][0]["name"]) == ("Delivered", "Ceramic teacup set")
    assert "王小明" not in answer.text
    assert "0912345678" not in answer.text


async def test_her_own_order_is_linked_once(core: Core, visit: Visit) -> None:
    order = await bought(core, "hana@example.com", "10482")
    browser = visit()
    conversation = await browser.start(core)
    await browser.prove(core, "hana@example.com", conversation)

    for _ in range(2):
        answer = await browser.post(f"/shopper/conversations/{conversation}/order", order=order)

    assert answer.status_code == 200
    linked = [body for kind, body in await events(core, conversation) if kind == "order_linked"]
    assert linked == [{"order": order, "number": "10482"}]


async def test_an_order_of_somebody_else_is_not_there(core: Core, visit: Visit) -> None:
    order = await bought(core, "somebody@example.com", "10483")
    browser = visit()
    conversation = await browser.start(core)
    await browser.prove(core, "hana@example.com", conversation)

    answer = await browser.post(f"/shopper/conversations/{conversation}/order", order=order)

    assert answer.status_code == 404
    assert "order_linked" not in [kind for kind, _ in await events(core, conversation)]


async def test_signing_out_ends_the_sign_in_and_clears_the_browser(core: Core, visit: Visit) -> None:
    browser = visit()
    conversation = await browser.start(core)
    await browser.prove(core, "hana@example.com", conversation)
    kept = dict(browser.client.cookies)

    answer = await browser.post("/shopper/signout")

    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert browser.cookies == set()
    browser.client.cookies.update(kept)
    assert (await browser.get("/shopper/orders")).status_code == 401


async def test_another_sites_page_cannot_press_her_buttons(core: Core, visit: Visit) -> None:
    browser = visit()
    await browser.start(core)

    forged = await browser.client.post("/shopper/signout", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    bare = await browser.client.post("/shopper/signout", json={}, headers={"Sec-Fetch-Site": "same-origin"})

    assert (forged.status_code, bare.status_code) == (403, 403)
    assert browser.cookies == {"__Host-cv"}


async def test_only_the_frame_may_be_framed_and_only_by_the_shop(visit: Visit) -> None:
    alone, framed = await visit().page("/chat"), await visit().page("/chat/frame")

    assert "frame-ancestors 'none'" in alone.headers["content-security-policy"]
    assert alone.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'self' https://shop.test" in framed.headers["content-security-policy"]
    assert "x-frame-options" not in framed.headers


async def test_the_page_speaks_chinese_to_who_asks_for_it(visit: Visit) -> None:
    answer = await visit().page("/chat?lang=zh-Hant")

    assert '<html lang="zh-Hant"' in answer.text
    assert "同意並開始" in answer.text
    assert "Agree and start" not in answer.text


@pytest.mark.parametrize("path", ["/chat", "/chat/frame", "/demo/shop", "/demo/mailbox"])
async def test_no_page_holds_inline_style_or_script(visit: Visit, path: str) -> None:
    text = (await visit().page(path)).text

    assert " style=" not in text
    assert "<style" not in text
    assert all('type="application/json"' in tag or "src=" in tag for tag in _scripts(text))


def _scripts(text: str) -> list[str]:
    return [tag.split(">", 1)[0] for tag in text.split("<script")[1:]]
