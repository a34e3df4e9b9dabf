"""The socket of a real server: two shoppers, agents, and everything that can go wrong between them."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import websockets
from prometheus_client import REGISTRY
from sqlalchemy import text

from chat import conversations, holdings, log, protocol, reaching
from chat.audiences import Audience
from chat.log import Span
from chat.protocol import Ack, Close, Err, Ev, Gone, Page, Pong, Reset, State, SubOk, TypingNow
from core import clock, mail
from core.database import Transaction
from core.holdings import Ref
from core.hub import SIGN_OUT, hint
from core.identity import codes
from core.identity.callers import Caller, Role
from core.ledger import ENTRY
from core.services import Core
from media.uploads import Media
from tests.chat.line import Client, House, serving
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


async def test_a_message_reaches_both_sides_and_is_acknowledged(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        m = await hers.send(chat, "Where is my parcel?")
        ack = await hers.until(Ack)
        answer = await his.send(chat, "On its way")
        ours, theirs = await his.events(3), await hers.events(3)

    assert (ack.m, ack.s, ack.dup) == (m, 2, False)
    assert [event.b.get("text") for event in ours[1:]] == ["Where is my parcel?", "On its way"]
    assert [event.s for event in theirs] == [1, 2, 3]
    assert [event.m for event in theirs[1:]] == [m, None]
    assert [event.m for event in ours[1:]] == [None, answer]


@pytest.mark.clause("3(1)")
async def test_a_shopper_never_gets_a_note_nor_a_gap_nor_a_staff_id(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await his.send(chat, "Looks lost", k="note")
        await his.send(chat, "We are looking")
        theirs, ours = await hers.events(2), await his.events(3)

    assert [(event.s, event.k) for event in theirs] == [(1, "opened"), (2, "message")]
    assert [event.k for event in ours] == ["opened", "note", "message"]
    assert ben.id not in repr(hers.frames)
    assert theirs[1].from_.name == "Ben"


async def test_messages_keep_their_order_and_a_resend_is_answered_alike(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        names, before = [], None
        for number in range(30):
            before = await hers.send(chat, f"Message {number}", after=before)
            names.append(before)
        await hers.until(Ack, lambda ack: ack.m == names[-1])
        await hers.send(chat, "Message 3", m=names[3])
        again = await hers.until(Ack, lambda ack: ack.m == names[3])
        await hers.events(31)

    assert [event.m for event in hers.got(Ev)[1:]] == names
    assert [event.s for event in hers.got(Ev)] == list(range(1, 32))
    assert (again.s, again.dup) == (5, True)


@pytest.mark.both_engines
async def test_what_is_no_id_is_refused_for_good_and_takes_no_neighbour_along(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    wrong: list[dict[str, Any]] = [{"c": "\0"}, {"after": "\0"}, {"k": "media", "b": {"attachment": "\0"}}]

    async with house.connect(amy, subs={chat.id: {}, "\0": {}}) as hers, house.browser(amy) as browser:
        refused = []
        for fields in wrong:
            frame = {"t": "send", "c": chat.id, "m": str(uuid.uuid4()), "k": "message", "b": {"text": "Hello"}}
            await hers.say(**frame | fields)
            refused.append(await hers.until(Err))
        await hers.say(t="sub", c="\0")
        await hers.send(chat)
        ack = await hers.until(Ack)
        history = await browser.get("/chat/conversations/%00/events")

    assert [(error.code, error.retry) for error in refused] == [
        ("not_found", "no"),
        ("bad_id", "no"),
        ("not_found", "no"),
    ]
    assert {gone.c for gone in hers.got(Gone)} == {"\0"}
    assert (ack.s, history.status_code) == (2, 404)


async def test_another_text_under_a_used_id_is_a_conflict(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        m = await hers.send(chat, "Yes")
        await hers.until(Ack)
        await hers.send(chat, "No", m=m)
        err = await hers.until(Err)

    assert (err.m, err.code, err.retry) == (m, "conflict", "no")


async def test_a_message_whose_predecessor_is_missing_is_sent_again_from_there(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, "Second", after=str(uuid.uuid4()))
        err = await hers.until(Err)

    assert (err.code, err.retry) == ("order", "order")


async def test_an_agent_is_told_that_the_shopper_wrote_meanwhile(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await hers.send(chat, "Never mind")
        await hers.until(Ack)
        m = await his.send(chat, "Refunded", seen=1)
        err = await his.until(Err)
        await his.send(chat, "Refunded", m=m)
        ack = await his.until(Ack)

    assert (err.code, err.retry, err.info["seq"]) == ("stale", "no", 2)
    assert ack.s == 3


async def test_a_client_resumes_where_it_stood(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        for number in range(3):
            await hers.send(chat, f"Message {number}")
        await hers.events(4)
        epoch = hers.got(SubOk)[0].ep

    async with house.connect(amy, subs={chat.id: {"cur": 2, "ep": epoch}}) as again:
        events = await again.events(4)

    assert [event.s for event in events] == [3, 4]
    assert again.got(SubOk)[0].first == 3
    assert again.got(Reset) == []


@pytest.mark.parametrize(("cursor", "why"), [({"cur": 1, "ep": "other"}, "epoch"), ({"cur": 99}, "ahead")])
async def test_a_cursor_that_cannot_be_is_reset(house: House, cursor: dict[str, Any], why: str) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {"ep": chat.epoch, **cursor}}) as hers:
        reset = await hers.until(Reset) if not hers.got(Reset) else hers.got(Reset)[0]
        events = await hers.events(1)

    assert reset.why == why
    assert [event.s for event in events] == [1]


async def test_who_is_far_behind_gets_the_newest_and_asks_for_the_rest(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        for number in range(120):
            await hers.send(chat, f"Message {number}")
        await hers.events(121)

    async with house.connect(amy, subs={chat.id: {}}) as again:
        newest = list(await again.events(121))
        await again.say(t="get", c=chat.id, before=72, limit=10)
        page = await again.until(Page)

    assert [event.s for event in newest] == list(range(72, 122))
    assert [event.s for event in again.got(Ev)[50:]] == list(range(62, 72))
    assert (page.first, page.last, page.more) == (62, 71, True)


async def test_the_holes_that_clients_see_are_counted(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    before = REGISTRY.get_sample_value("aftercare_client_gap_total") or 0

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        for asked in ({"before": 2}, {"from": 1}, {"from": 1, "to": 1}):
            await hers.say(t="get", c=chat.id, **asked)
            await hers.until(Page)
    await house.post(amy, {"t": "get", "c": chat.id, "from": 1, "to": 1})

    assert REGISTRY.get_sample_value("aftercare_client_gap_total") == before + 2


async def test_another_persons_conversation_is_gone_and_takes_nothing(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat, own = await house.conversation(amy), await house.conversation(eve)

    async with house.connect(eve, subs={chat.id: {}, own.id: {}}) as client:
        gone = client.got(Gone)
        await client.send(chat, "Let me in")
        err = await client.until(Err)
        await client.send(own, "Hello")
        ack = await client.until(Ack)

    assert [each.c for each in gone] == [chat.id]
    assert (err.code, err.retry) == ("not_found", "no")
    assert ack.c == own.id


@pytest.mark.clause("3(2)")
async def test_every_opening_by_staff_leaves_an_entry_and_a_wrong_purpose_shows_nothing(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(ben) as his:
        await his.say(t="sub", c=chat.id, purpose="P3_MARKETING")
        refused = await his.until(Err)
        nothing = his.got(Ev)
        await his.say(t="sub", c=chat.id, purpose="P5_SECURITY_QUALITY")
        await his.events(1)

    entries = await house.core.database.read(_readings, chat.id)
    assert (refused.code, nothing) == ("purpose_refused", [])
    assert entries == [(ben.ref, "P5_SECURITY_QUALITY")]


def _readings(tx: Transaction, conversation_id: str) -> list[tuple[str, str]]:
    rows = tx.execute(ENTRY.select().where(ENTRY.c.object_id == conversation_id))
    return [(row.actor, row.purpose) for row in rows]


async def test_a_conversation_assigned_to_somebody_else_is_lost_at_once(house: House) -> None:
    amy, ben, sue = await house.guest(), await house.member("ben"), await house.member("sue")
    chat = await house.conversation(amy)

    async with house.connect(ben, subs={chat.id: {}}) as his:
        caller = Caller("staff", sue.id, role=Role.AGENT)
        await house.core.database.write(conversations.assign, house.core, caller, chat.id, sue.id, now=clock.now())
        gone = await his.until(Gone)

    assert gone.c == chat.id


async def test_the_inbox_gets_a_card_for_what_happens(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(ben, inbox=True) as his, house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, "Is anybody there?")
        card = await his.until(State, lambda state: state.what == "card" and state.data["unread"] == 1)

    assert card.data["last"]["text"] == "Is anybody there?"
    assert card.data["id"] == chat.id


@pytest.mark.clause("5(1)3")
async def test_the_card_of_an_erased_conversation_goes_from_every_inbox(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    holding, refs = holdings.holding(house.core), [Ref("conversation", chat.id)]

    async with house.connect(ben, inbox=True) as his, house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, "My secret")
        await his.until(State, lambda state: state.what == "card" and state.data["unread"] == 1)
        await house.core.database.write(holding.hide, refs, now=clock.now())
        gone = await his.until(State, lambda state: "gone" in state.data)

    assert (gone.what, gone.data) == ("card", {"id": chat.id, "gone": True})


async def test_reading_and_receiving_are_shown_in_the_viewers_numbering(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await his.send(chat, "Between us", k="note")
        await his.send(chat, "Hello")
        await hers.events(2)
        await hers.say(t="read", c=chat.id, upto=2)
        to_staff = await his.until(State, lambda state: state.what == "read")
        await his.say(t="read", c=chat.id, upto=3)
        to_shopper = await hers.until(State, lambda state: state.what == "read" and state.data["kind"] == "agent")

    assert to_staff.data == {"ref": amy.ref, "kind": "shopper", "upto": 3}
    assert to_shopper.data == {"ref": "agent", "kind": "agent", "upto": 2}


async def test_what_is_read_in_quick_succession_is_written_once_and_goes_with_no_socket(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "PAUSE_S", 3_600)
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    async with house.connect(ben, subs={chat.id: {}}) as his:
        async with house.connect(amy, subs={chat.id: {}}) as hers:
            for _ in range(4):
                await hers.send(chat)
            await hers.events(5)
            for upto in range(1, 6):
                await hers.say(t="read", c=chat.id, upto=upto)
                await hers.say(t="ping", n=upto)
                await hers.until(Pong)
        last = await his.until(State, lambda state: state.what == "read" and state.data["upto"] == 5)

    assert last.v == 2


async def test_what_is_read_later_is_written_after_the_pause(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PAUSE_S", 0.01)
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat)
        await hers.events(2)
        for upto in (1, 2):
            await hers.say(t="read", c=chat.id, upto=upto)
        shown = await hers.until(State, lambda state: state.what == "read" and state.data["upto"] == 2)
        await hers.send(chat)
        await hers.events(3)
        await hers.say(t="read", c=chat.id, upto=3)
        again = await hers.until(State, lambda state: state.what == "read" and state.data["upto"] == 3)

    assert (shown.v, again.v) == (2, 3)


async def test_two_agents_are_one_to_the_shopper_and_as_far_as_the_furthest(house: House) -> None:
    amy, ben, cat = await house.guest(), await house.member("ben"), await house.member("cat")
    chat = await house.conversation(amy)
    await house.post(ben, *({"t": "read", "c": chat.id, "upto": 1} for _ in range(3)))
    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(cat, subs={chat.id: {}}) as theirs:
        await hers.send(chat)
        await theirs.events(2)
        await theirs.say(t="read", c=chat.id, upto=2)
        moved = await hers.until(State, lambda state: state.what == "read" and state.data["upto"] == 2)

    again = await house.poll(amy, {chat.id: {}})

    assert (moved.v, moved.data["ref"]) == (2, "agent")
    known = [frame for frame in again if isinstance(frame, State) and frame.data["ref"] == "agent"]
    assert [(state.what, state.v, state.data.get("upto")) for state in known if state.what != "presence"] == [
        ("read", 2, 2),
        ("received", 2, 2),
    ]


async def test_an_agent_is_here_for_the_shopper_as_long_as_any_is(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    staff = sorted([await house.member(name) for name in ("ben", "cat", "sue")], key=lambda member: member.ref)
    await house.post(staff[2], {"t": "read", "c": chat.id, "upto": 1})

    async with house.connect(staff[1], subs={chat.id: {}}), house.connect(amy, subs={chat.id: {}}) as hers:
        told = [state.data for state in hers.got(State) if state.what == "presence"]
        house.chat.states.show_presence(staff[2].ref)
        again = await hers.until(State, lambda state: state.what == "presence")

    assert [(state["ref"], state["online"]) for state in told] == [("agent", True)]
    assert again.data == {"ref": "agent", "kind": "agent", "online": True}


async def test_nothing_shows_the_shopper_that_a_note_was_read(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    await house.post(ben, {"t": "read", "c": chat.id, "upto": 1})

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        before = hers.got(SubOk)
        await his.send(chat, "Between us", k="note")
        await his.events(2)
        await his.say(t="read", c=chat.id, upto=2)
        await his.until(State, lambda state: state.what == "read" and state.data["upto"] == 2)
        shown = len(hers.got(State))
        await his.send(chat, "Hello")
        await hers.events(2)
        told = hers.got(State)[shown:]
        await hers.say(t="sub", c=chat.id)
        after = await hers.until(SubOk)

    assert [after.marks] == [each.marks for each in before]
    assert [state.what for state in told if state.what in ("read", "received")] == []


async def test_typing_is_shown_to_the_other_side_only(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await his.say(t="typing", c=chat.id)
        shown = await hers.until(TypingNow)
        await his.say(t="ping", n=7)
        await his.until(Pong)

    assert (shown.who.kind, shown.who.name, shown.who.ref) == ("agent", "Ben", "agent")
    assert his.got(TypingNow) == []


@pytest.mark.clause("2(3)")
async def test_a_card_number_is_masked_before_it_is_stored_and_its_sender_told(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, "My card is 4242 4242 4242 4242, thanks")
        ack = await hers.until(Ack)

    row = await house.core.database.read(conversations.get, chat.id, now=clock.now())
    events = await house.core.database.read(log.read, house.core, row, Audience.STAFF, Span(50))
    assert ack.masked == 1
    assert "4242 4242" not in events[1].body["text"]
    assert events[1].body["text"].startswith("My card is **** 4242")


@pytest.mark.clause("2(2)")
async def test_a_sign_in_code_that_is_live_never_reaches_the_log(house: House) -> None:
    core = house.core
    asker = codes.Asker(network="203.0.113.0/24", challenge=None, device="", locale="en")
    await codes.request(core, "amy@example.com", asker, codes.CodePurpose.LOGIN, now=clock.now())
    letters = await core.database.read(mail.kept, core, now=clock.now())
    code = re.search(r"\b\d{4} ?\d{4}\b", letters[0].text)
    amy = await house.guest()
    chat = await house.conversation(amy)
    assert code is not None

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, f"The man on the phone wants {code[0]}, order 12345678")
        await hers.until(Ack)

    row = await core.database.read(conversations.get, chat.id, now=clock.now())
    events = await core.database.read(log.read, core, row, Audience.STAFF, Span(50))
    assert code[0] not in events[1].body["text"]
    assert events[1].body["text"].endswith("order 12345678")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 4_001, "text_too_long"),
        ("   ", "text_empty"),
        ("a\0b", "text_characters"),
        ("e" + "\u0301" * 9, "text_characters"),
    ],
)
async def test_text_beyond_the_limits_is_refused_and_the_socket_lives(house: House, text: str, code: str) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, text)
        err = await hers.until(Err)
        await hers.send(chat, "e\u0301 is fine")
        ack = await hers.until(Ack)

    assert (err.code, err.retry) == (code, "no")
    assert ack.s == 2


async def test_whoever_writes_too_fast_is_asked_to_wait_and_loses_nothing(core: Core, media: Media) -> None:
    slow = core.settings.model_copy(update={"message_rate": 1.0, "message_burst": 2})
    async with serving(_with(core, slow), media, free_port()) as house:
        amy = await house.guest()
        chat = await house.conversation(amy)
        async with house.connect(amy, subs={chat.id: {}}) as hers:
            for _ in range(3):
                await hers.send(chat)
            err = await hers.until(Err)

    assert (err.code, err.retry) == ("rate", "same")
    assert isinstance(err.retry_ms, int)
    assert 0 < err.retry_ms <= 1_000


async def test_whoever_opens_more_sockets_writes_no_faster(core: Core, media: Media) -> None:
    slow = core.settings.model_copy(update={"message_rate": 0.001, "message_burst": 2})
    async with serving(_with(core, slow), media, free_port()) as house:
        amy, eve = await house.guest(), await house.guest()
        chat, other = await house.conversation(amy), await house.conversation(eve)
        async with house.connect(amy) as one, house.connect(amy) as two, house.connect(eve) as theirs:
            for socket in (one, two):
                await socket.send(chat)
                await socket.until(Ack)
            await two.send(chat)
            err = await two.until(Err)
            await theirs.send(other)
            ack = await theirs.until(Ack)

    assert (err.code, err.retry, ack.s) == ("rate", "same", 2)


def _with(core: Core, settings: Any) -> Core:
    return Core(settings, core.database, core.vault, core.policy, core.hub, core.limits)


# ---------------------------------------------------------------- at the door


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
async def test_another_origin_is_refused_before_the_handshake(house: House, origin: str | None) -> None:
    amy = await house.guest()

    with pytest.raises(websockets.InvalidStatus) as refused:
        async with house.socket(amy, origin=origin):
            pass

    assert refused.value.response.status_code == 403


async def test_an_unknown_version_is_told_to_reload(house: House) -> None:
    amy = await house.guest()

    async with house.socket(amy, version="aftercare.v9") as raw:
        await raw.wait_closed()

    assert raw.close_code == Close.NO_COMMON_VERSION


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        ('{"t":"hello","csrf":"' + 64 * "0" + '"}', Close.FORBIDDEN),
        ('{"t":"hello","csrf":""}', Close.FORBIDDEN),
        ('{"t":"hello","csrf":"x","as":"staff"}', Close.NOT_SIGNED_IN),
        ('{"t":"ping","n":1}', Close.NOT_SIGNED_IN),
        ("not json", Close.BAD_FRAME),
    ],
)
async def test_a_wrong_greeting_ends_the_socket(house: House, hello: str, code: Close) -> None:
    amy = await house.guest()

    async with house.socket(amy) as raw:
        await raw.send(hello)
        await raw.wait_closed()

    assert raw.close_code == code


async def test_without_a_sign_in_there_is_no_socket(house: House) -> None:
    async with house.socket(None) as raw:
        await raw.send('{"t":"hello","csrf":""}')
        await raw.wait_closed()

    assert raw.close_code == Close.NOT_SIGNED_IN


async def test_signing_out_ends_the_sockets(house: House) -> None:
    amy = await house.guest()

    async with house.connect(amy) as hers:
        house.core.hub.publish(SIGN_OUT, hint(amy.sign_in))
        code = await hers.closed()

    assert code == Close.NOT_SIGNED_IN


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", Close.BAD_FRAME),
        ('"text"', Close.BAD_FRAME),
        ('{"t":"send","c":1}', Close.BAD_FRAME),
        ("[" * 60 + "]" * 60, Close.BAD_FRAME),
        ('{"t":"new","x":' + "[" * 20 + "]" * 20 + "}", Close.BAD_FRAME),
        ("[" + ",".join(['{"t":"ping"}'] * 65) + "]", Close.BAD_FRAME),
        ('{"t":"send","c":"x","m":"\\ud800","k":"message","b":{}}', Close.BAD_FRAME),
        ("x" * 70_000, 1009),
        (b"\x00binary", 1003),
    ],
)
async def test_a_bad_frame_ends_the_socket_with_its_code(house: House, frame: str | bytes, code: int) -> None:
    amy = await house.guest()

    async with house.connect(amy) as hers:
        await hers.raw.send(frame)
        closed = await hers.closed()

    assert closed == code


async def test_frames_from_the_future_are_ignored(house: House) -> None:
    amy = await house.guest()

    async with house.connect(amy) as hers:
        await hers.say(t="dance", tempo=3)
        await hers.say(t="ping", n=9, mood="good")
        pong = await hers.until(Pong)

    assert pong.n == 9


async def test_a_client_that_comes_while_the_database_is_away_is_told_to_come_again(house: House) -> None:
    """Left open, the socket would hold a client that hears nothing of its conversation."""
    amy = await house.guest()
    chat = await house.conversation(amy)
    await house.core.database.write(_rename, "read_mark", "read_mark_away")

    async with house.socket(amy) as raw:
        client = Client(raw)
        await client.say(t="hello", csrf=amy.csrf, **{"as": "shopper"}, subs={chat.id: {}})
        code = await client.closed()

    await house.core.database.write(_rename, "read_mark_away", "read_mark")
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        events = await hers.events(1)
    assert code == Close.INTERNAL
    assert [event.k for event in events] == ["opened"]


def _rename(tx: Transaction, name: str, to: str) -> None:
    tx.execute(text(f"ALTER TABLE {name} RENAME TO {to}"))


async def test_a_drain_says_goodbye_and_closes_for_a_restart(house: House) -> None:
    amy = await house.guest()

    async with house.connect(amy) as hers:
        draining = asyncio.create_task(house.chat.drain())
        bye = await hers.until(protocol.Bye)
        code = await hers.closed()
        await draining

    assert bye.why == "restart"
    assert code == Close.RESTARTING


async def test_nothing_is_left_behind_when_everybody_has_gone(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat)
        await hers.until(Ack)

    async with asyncio.timeout(5):
        while house.chat.connections:  # noqa: ASYNC110  (sockets end in their own time)
            await asyncio.sleep(0.01)

    assert house.chat.rooms == {}
    assert house.chat.presence.count(amy.ref) == 0
