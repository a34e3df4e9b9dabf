"""Faults: what may go wrong around a correct server, built into its process so that it goes wrong at the worst moment.

A fault breaks no promise; the product must keep every one of them all the same. Each is called with the value that
follows its name. A crash is a real one: the process kills itself with SIGKILL, after it has written which point it was.
"""

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

import alembic.op
import msgspec
from sqlalchemy import Connection

import chat.batches
import chat.presence
import chat.pulse
import chat.rooms
import chat.sending
import core.lanes
import core.vault.rotation
import media.blobs
from chat.audiences import Event
from chat.drafts import Draft, Outcome, Top
from chat.log import announce_hints
from core import hub
from core.database import Transaction
from core.hub import Listener
from core.refusals import Unavailable
from support import server
from tests.chaos.patching import exchange, original

Install = Callable[[str], None]

_chance = random.Random(f"{os.environ.get('AFTERCARE_CHAOS_SEED')}:{os.environ.get('AFTERCARE_CHAOS_START')}")
_writing = threading.local()  # whether the transaction that this thread is about to commit holds messages


def die(point: str) -> None:
    """End the process as a power cut would."""
    os.write(1, f"crashed {point}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """True now and then: on average once in `mean` times, and at the latest after twice as many."""

    def __init__(self, mean: int) -> None:
        self._mean = mean
        self._left = _chance.randint(1, 2 * mean)

    def strikes(self) -> bool:
        self._left -= 1
        if self._left > 0:
            return False
        self._left = _chance.randint(1, 2 * self._mean)
        return True


# ---------------------------------------------------------------- crashes


def crash_before_commit(mean: str) -> None:
    """Die when the messages are written and the commit has not begun; it comes late, as on a slow disk."""
    countdown = Countdown(int(mean))

    def doomed(_: Sequence[core.lanes.Work], stand: Callable[[], None]) -> None:
        if countdown.strikes():
            time.sleep(0.05)
            die("before commit")
        stand()

    around_commits_of_messages(doomed)


def crash_after_commit(mean: str) -> None:
    """Die exactly between commit and acknowledgement."""
    countdown = Countdown(int(mean))

    def doomed(_: Sequence[core.lanes.Work], stand: Callable[[], None]) -> None:
        stand()
        if countdown.strikes():
            die("after commit")

    around_commits_of_messages(doomed)


def crash_after_ack(mean: str) -> None:
    """Die when the acknowledgement is on its way and others still wait for theirs."""
    countdown = Countdown(int(mean))
    settled = original(chat.sending.Sending, "_settled")

    def doomed(self: chat.sending.Sending, *words: Any) -> None:  # Any: what _settled takes
        settled(self, *words)
        if countdown.strikes():
            asyncio.get_running_loop().call_later(0.005, die, "after ack")

    exchange(chat.sending.Sending, "_settled", doomed)


def crash_in_migration(tables: str) -> None:
    """Die when so many tables have been made."""
    made = int(tables)
    create_table = alembic.op.create_table

    def doomed(*words: Any, **named: Any) -> Any:  # Any: as Alembic has it
        nonlocal made
        if made == 0:
            die("in migration")
        made -= 1
        return create_table(*words, **named)

    exchange(alembic.op, "create_table", doomed)


def crash_in_upload(files: str) -> None:
    """Die when so many files of pictures have been written, before the row that names them."""
    left = int(files)
    create = media.blobs.LocalBlobs.create

    async def doomed(self: media.blobs.LocalBlobs, name: str, pieces: AsyncGenerator[bytes, None]) -> int:
        nonlocal left
        written = await create(self, name, pieces)
        left -= 1
        if left == 0:
            die("in upload")
        return written

    exchange(media.blobs.LocalBlobs, "create", doomed)


def around_commits_of_messages(wrap: Callable[[Sequence[core.lanes.Work], Callable[[], None]], None]) -> None:
    """From now on a commit that holds messages is made by `wrap`, which is handed the works and the real commit."""
    append, stand = original(chat.batches, "append_batch"), original(core.lanes, "_stand")

    def noted(tx: Transaction, *words: Any, **named: Any) -> list[Outcome]:  # Any: what append_batch takes
        _writing.messages = True
        outcomes: list[Outcome] = append(tx, *words, **named)
        return outcomes

    def wrapped(connection: Connection, group: Sequence[core.lanes.Work]) -> None:
        if not getattr(_writing, "messages", False):
            stand(connection, group)
            return
        try:
            wrap(group, lambda: stand(connection, group))
        finally:
            _writing.messages = False

    exchange(chat.batches, "append_batch", noted)
    exchange(core.lanes, "_stand", wrapped)


# ---------------------------------------------------------------- refusals


def stumble(mean: str) -> None:
    """Refuse a message now and then, as a full queue does; the ones that follow it are already on their way."""
    countdown = Countdown(int(mean))
    put = chat.batches.Batches.put

    def stumbling(self: chat.batches.Batches, draft: Draft, answer: chat.batches.Answer, size: int = 512) -> None:
        if countdown.strikes():
            raise Unavailable("busy", retry_ms=20)
        put(self, draft, answer, size)

    exchange(chat.batches.Batches, "put", stumbling)


# ---------------------------------------------------------------- hints


def deaf_rooms(_: str) -> None:
    """Rooms are not handed what this process commits: they live by hints, as if another process had written it."""

    def announce(self: chat.rooms.Chat, _events: Sequence[Event], tops: Sequence[Top]) -> None:
        announce_hints(self.core, tops)

    exchange(chat.rooms.Chat, "_announce", announce)


def unruly_hub(_: str) -> None:
    """Hints about logs are lost, repeated and overtake each other."""

    def unruly(tell: Callable[[], None]) -> None:
        fate = _chance.random()
        for _ in range(0 if fate < 0.3 else 2 if fate < 0.6 else 1):
            asyncio.get_running_loop().call_later(_chance.uniform(0, 0.03), tell)

    _between_hub_and_listeners(unruly)


def silent_hub(_: str) -> None:
    """Every hint about a log is lost."""
    _between_hub_and_listeners(lambda _: None)


def quick_beacon(seconds: str) -> None:
    """Compare with the database so often."""
    exchange(chat.pulse, "BEACON_S", float(seconds))
    exchange(chat.pulse, "PULSE_S", float(seconds) / 2)


def _between_hub_and_listeners(pass_on: Callable[[Callable[[], None]], None]) -> None:
    subscribe = hub.LocalHub.subscribe

    def listening(self: hub.LocalHub, listener: Listener) -> Callable[[], None]:
        def hear(channel: str, hint: bytes) -> None:
            if channel == hub.LOG:
                pass_on(lambda: listener(channel, hint))
            else:
                listener(channel, hint)

        return subscribe(self, hear)

    exchange(hub.LocalHub, "subscribe", listening)


def crash_in_rotation(step: str) -> None:
    """Die when this step of a rotation of the keys has just been done; `page` is one page of keys, committed."""
    exchange(core.vault.rotation, "PAGE", 7)
    owner: object = core.vault.rotation if step == "page" else core.vault.rotation.Rotation
    name = "_rewrap" if step == "page" else step
    verb = original(owner, name)
    pages: list[Any] = []  # Any: what the step gives

    async def later(*args: Any, **kwargs: Any) -> None:  # Any: whatever the step takes
        await verb(*args, **kwargs)
        die(step)

    def at_once(*args: Any, **kwargs: Any) -> Any:  # Any: whatever the step takes and gives
        if step == "page" and pages:
            die(step)
        pages.append(verb(*args, **kwargs))
        if step != "page":
            die(step)
        return pages[0]

    exchange(owner, name, later if asyncio.iscoroutinefunction(verb) else at_once)


# ---------------------------------------------------------------- a look inside


def tell(_: str) -> None:
    """On SIGUSR1 write how many tasks, sockets, rooms and people there are; who has left is forgotten soon."""
    exchange(chat.presence, "LINGER_S", 1.0)
    startup = server.Server.startup

    async def watched(self: server.Server, sockets: list[object] | None = None) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: os.write(1, _inside(self).encode()))
        await startup(self, sockets)

    exchange(server.Server, "startup", watched)


def _inside(running: server.Server) -> str:
    service = running._house.chat
    counts = {
        "tasks": len(asyncio.all_tasks()),
        "sockets": len(service.connections),
        "rooms": len(service.rooms),
        "people": len(service.presence._connections) + len(service.presence._leaving),
    }
    return f"inside {msgspec.json.encode(counts).decode()}\n"


FAULTS: Mapping[str, Install] = {
    "crash-before-commit": crash_before_commit,
    "crash-after-commit": crash_after_commit,
    "crash-after-ack": crash_after_ack,
    "crash-in-migration": crash_in_migration,
    "crash-in-upload": crash_in_upload,
    "crash-in-rotation": crash_in_rotation,
    "stumble": stumble,
    "deaf-rooms": deaf_rooms,
    "unruly-hub": unruly_hub,
    "silent-hub": silent_hub,
    "quick-beacon": quick_beacon,
    "tell": tell,
}
