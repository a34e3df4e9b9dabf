"""What the service does again and again is done again and again, whatever fails meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chat import beacon, cards, conversations, protocol, pulse, rooms
from chat.cards import Card
from chat.models import Conversation
from chat.protocol import Close, Gone, Pong, State, SubOk, Tops
from chat.statements import CONVERSATION
from core import clock, hub
from core.database import OutcomeUnknown, Transaction
from core.identity.callers import SYSTEM, Caller
from core.limits import Limits
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import draft
from tests.chat.line import Client, House, SignedIn, serving
from tests.chat.reading import broken
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house whose pulse is quick."""
    monkeypatch.setattr(pulse, "PULSE_S", 0.02)
    async with serving(core, media, free_port()) as house:
        yield house


class Failing:
    """Fails three times, each time it is asked."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        self._error = error
        self._left = 3
        self.succeeded = asyncio.Event()

    async def __call__(self) -> None:
        self._left -= 1
        if self._left >= 0:
            raise self._error()
        self.succeeded.set()


@pytest.mark.parametrize("error", [OutcomeUnknown, PoolTimeout, broken, RuntimeError])
async def test_what_fails_is_tried_again_at_once_and_holds_up_nothing_else(
    house: House, error: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    beacon, sign_ins = Failing(error), Failing(error)
    monkeypatch.setattr(house.chat, "beacon", beacon)
    monkeypatch.setattr(house.chat, "check_sign_ins", sign_ins)

    house.core.hub.publish(hub.GAP, b"")
    async with asyncio.timeout(5):
        await beacon.succeeded.wait()
        await sign_ins.succeeded.wait()


async def test_how_far_each_log_goes_is_said_unasked_also_while_the_database_hangs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    monkeypatch.setattr(house.chat, "beacon", asyncio.Event().wait)
    monkeypatch.setattr(protocol, "HEARTBEAT_S", 0.1)
    house.core.hub.publish(hub.GAP, b"")

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben) as his:
        again = [await hers.until(Tops) for _ in range(2)]
        await his.say(t="ping", n=1)
        await his.until(Pong)

    assert again == [Tops({chat.id: (chat.epoch, 1)})] * 2
    assert his.got(Tops) == [Tops({})]


async def test_whoever_got_a_conversation_while_the_beacon_asked_keeps_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy, ben, cat = await house.guest(), await house.member("ben"), await house.member("cat")
    chat = await house.conversation(amy)
    await assign(house, chat, ben)
    async with house.connect(ben, subs={chat.id: {}}) as his, house.connect(cat) as hers:
        slow = SlowAnswer(monkeypatch)

        asking = asyncio.create_task(house.chat.compare([chat.id]))
        await asyncio.wait_for(slow.is_known.wait(), 5)
        await assign(house, chat, cat)
        await his.until(Gone)
        await hers.say(t="sub", c=chat.id)
        await hers.until(SubOk)
        slow.may_be_told.set()
        await asking
        await hers.say(t="ping", n=1)
        pong = await hers.until(Pong)

    assert hers.got(Gone) == []
    assert list(pong.tops) == [chat.id]


class SlowAnswer:
    """What the database says to the first who asks about rooms is told only when it is old."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_known = asyncio.Event()
        self.may_be_told = asyncio.Event()
        self._compare = beacon.compare
        monkeypatch.setattr(beacon, "compare", self)

    async def __call__(self, *asked: Any) -> Any:  # Any: as the beacon has it
        is_first = not self.is_known.is_set()
        rows = await self._compare(*asked)
        if is_first:
            self.is_known.set()
            await self.may_be_told.wait()
        return rows


async def assign(house: House, chat: Conversation, to: SignedIn) -> None:
    await house.core.database.write(conversations.assign, house.core, SYSTEM, chat.id, to.id, now=clock.now())


async def test_a_right_ends_within_a_pulse_also_when_there_is_too_much_to_do(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy, ben, cat = await house.guest(), await house.member("ben"), await house.member("cat")
    chat = await house.conversation(amy)
    async with house.connect(ben, subs={chat.id: {}}) as his:
        monkeypatch.setattr(rooms, "MOST_TASKS", 0)

        await assign(house, chat, cat)
        gone = await his.until(Gone)

    assert gone.c == chat.id


async def test_whoever_came_in_by_a_right_that_nobody_heard_of_is_put_out_once_it_has_gone_again(house: House) -> None:
    amy, ben, cat = await house.guest(), await house.member("ben"), await house.member("cat")
    chat = await house.conversation(amy)
    await assign(house, chat, ben)
    async with house.connect(ben, subs={chat.id: {}}), house.connect(cat) as hers:
        await house.chat.compare([chat.id])

        await house.core.database.write(give_silently, chat.id, cat.id)
        await hers.say(t="sub", c=chat.id)
        await hers.until(SubOk)
        await house.core.database.write(give_silently, chat.id, ben.id)
        await house.chat.compare([chat.id])
        gone = await hers.until(Gone)

    assert gone.c == chat.id


def give_silently(tx: Transaction, conversation_id: str, member: str) -> None:
    """Assign as another process does whose hints are all lost."""
    tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == conversation_id).values(assignee=member))


async def test_a_sign_out_between_the_look_up_and_the_welcome_ends_the_socket(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = await house.guest()

    async def sign_out_meanwhile(*_: object) -> None:
        house.core.hub.publish(hub.SIGN_OUT, hub.hint(amy.sign_in))

    monkeypatch.setattr(Limits, "spend", sign_out_meanwhile)

    async with house.socket(amy) as raw:
        client = Client(raw)
        await client.say(t="hello", csrf=amy.csrf)
        code = await client.closed()

    assert code == Close.NOT_SIGNED_IN


async def test_cards_that_could_not_be_made_are_dealt_when_they_can(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    make, failures = cards.make, [broken(), PoolTimeout()]

    def make_sometimes(*asked: Any) -> list[Card]:  # Any: as the cards have it
        if failures:
            raise failures.pop()
        return make(*asked)

    monkeypatch.setattr(cards, "make", make_sometimes)

    async with house.connect(ben, inbox=True) as his:
        await house.chat.append(draft(chat, Caller("visitor", amy.id, name="Amy"), "Is anybody there?"))
        card = await his.until(State, lambda state: state.what == "card" and state.data["unread"] == 1)

    assert card.c == chat.id
    assert failures == []
