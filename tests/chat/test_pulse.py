"""What the service does again and again is done again and again, whatever fails meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chat import protocol, pulse
from chat.protocol import Pong, Tops
from core import hub
from core.database import OutcomeUnknown
from core.services import Core
from media.uploads import Media
from tests.chat.line import House, serving
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
