"""Many connections: what an idle one costs, how fast everybody is back after a crash, and what those who never read do
to those who do: `python -m benchmarks.connections [idle] [storm]`, by default 1,000 and 300; in full 10000 and 3000.

The server is the real command in a process of its own, with its transactions counted. Everybody is signed in and
watches one conversation; people and conversations are made in the database before the server starts.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.counted import read_counts
from benchmarks.peers import Deaf, Peer, Ticket
from chat import conversations
from core import clock
from core.database import Transaction
from core.identity import agreement, people, signins, staff
from core.identity.callers import Caller, Role
from core.identity.signins import Holder
from core.services import Core
from core.settings import Settings
from core.web import csrf
from support.house import opened

AT_ONCE = 200
ENTER_AT_ONCE = 50
IDLE_S = 30.0
TALK_S, TALK_RATE = 20.0, 10
PAIRS = 100
STALLED, SLOW, NORMAL = 100, 100, 20
CALM_S, LOUD_RATE, ALL_CUT_S = 10.0, 50, 45.0
SOCKETS_PER_AGENT = 25
START_S, BACK_S, SETTLED_S = 60.0, 60.0, 3.0
TEXT = "Where is my parcel? It was to arrive on Tuesday, and the tracking page has not changed since. " * 16

Result = dict[str, float]


# ---------------------------------------------------------------- the people


async def make_people(settings: Settings, shoppers: int, agents: int) -> tuple[list[Ticket], list[Ticket]]:
    """Shoppers with a conversation each, and agents who watch the first shopper's."""
    async with opened(settings) as house:
        guests: list[Ticket] = []
        for start in range(0, shoppers, AT_ONCE):
            count = min(AT_ONCE, shoppers - start)
            guests += await asyncio.gather(*(_shopper(house.core) for _ in range(count)))
        return guests, [await _agent(house.core, number, guests[0]) for number in range(agents)]


async def _shopper(core: Core) -> Ticket:
    def enter(tx: Transaction) -> tuple[str, signins.Fresh]:
        visitor = people.welcome_visitor(tx, now=clock.now())
        return visitor, signins.start(tx, core.hub, Holder("visitor", visitor, "guest"), now=clock.now())

    visitor, fresh = await core.database.write(enter)
    caller = Caller("visitor", visitor, name="Visitor")
    key = await conversations.prepare(core, caller.ref)
    row = await core.database.write(conversations.open_, core, caller, key, topic=None, locale="en", now=clock.now())
    token = csrf.token(core.vault, fresh.id)
    return Ticket(f"__Host-cv={fresh.token}", token, "shopper", row.id, row.epoch)


async def _agent(core: Core, number: int, watched: Ticket) -> Ticket:
    new = staff.NewMember(login=f"agent{number}", name="Ben", role=Role.AGENT, password="correct horse battery staple")
    member = await staff.create(core, new, now=clock.now())

    def enter(tx: Transaction) -> signins.Fresh:
        staff.sign_agreement(tx, Caller("staff", member.id), agreement.VERSION, now=clock.now())
        return signins.start(tx, core.hub, Holder("staff", member.id, "password_totp", Role.AGENT), now=clock.now())

    fresh = await core.database.write(enter)
    token = csrf.token(core.vault, fresh.id)
    return Ticket(f"__Host-cd={fresh.token}", token, "staff", watched.conversation, watched.epoch)


# ---------------------------------------------------------------- the server


@dataclass
class Server:
    """The real command on a free port."""

    folder: Path
    port: int = 0
    process: psutil.Process = field(init=False)

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.settings = Settings(data=self.folder / "var", public_url=f"http://localhost:{self.port}")
        self.counts = self.folder / "counts"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        environment = {
            **os.environ,
            "PORT": str(self.port),
            "AFTERCARE_DATA": str(self.settings.data),
            "AFTERCARE_MESSAGE_RATE": "1000",
            "AFTERCARE_MESSAGE_BURST": "1000",
            "COUNTS": str(self.counts),
        }
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "benchmarks.counted", "serve"]
            self.process = psutil.Popen(command, env=environment, stdout=log, stderr=log)
        async with asyncio.timeout(START_S):
            while not await self._is_ready():  # noqa: ASYNC110  (another process: nothing to wait on)
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()
            return b" 200 " in status
        return False

    def end(self, how: signal.Signals) -> None:
        """Send the signal and wait for the end."""
        self.process.send_signal(how)
        self.process.wait(40)

    def rss(self) -> int:
        """Resident memory, in bytes."""
        return int(self.process.memory_info().rss)

    def cpu_s(self) -> float:
        """Processor seconds used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@contextlib.asynccontextmanager
async def served(shoppers: int, agents: int) -> AsyncIterator[tuple[Server, list[Ticket], list[Ticket]]]:
    """A server with its people."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        guests, members = await make_people(server.settings, shoppers, agents)
        await server.start()
        try:
            yield server, guests, members
        finally:
            server.end(signal.SIGKILL)


async def enter_all(server: Server, tickets: Sequence[Ticket]) -> list[Peer]:
    """Everybody connects, some at the same time, and is let in."""
    room = asyncio.Semaphore(ENTER_AT_ONCE)

    async def enter(ticket: Ticket) -> Peer:
        async with room:
            return await Peer.enter(server.port, server.settings.origin, ticket)

    return list(await asyncio.gather(*map(enter, tickets)))


# ---------------------------------------------------------------- the trials


async def idle(count: int) -> Result:
    """Hold `count` connections, then let some of them talk."""
    pairs = min(PAIRS, count // 4)
    async with served(count - pairs, 0) as (server, guests, _):
        empty, begun = server.rss(), time.perf_counter()
        peers = await enter_all(server, [*guests, *guests[:pairs]])
        connected = time.perf_counter() - begun
        await asyncio.sleep(SETTLED_S)
        held, used = server.rss(), server.cpu_s()
        await asyncio.sleep(IDLE_S)
        used = server.cpu_s() - used
        waits = await talk(peers[:pairs], [peers[-pairs:][number : number + 1] for number in range(pairs)])
        lost = sum(peer.is_lost for peer in peers)
        for peer in peers:
            peer.close()
    return {
        "connections": count,
        "connects_per_s": count / connected,
        "rss_kb_each": (held - empty) / count / 1024,
        "idle_cpu_percent": used / IDLE_S * 100,
        "delivery_p50_ms": at(waits, 0.5),
        "delivery_p99_ms": at(waits, 0.99),
        "lost": lost,
    }


async def talk(writers: Sequence[Peer], readers: Sequence[Sequence[Peer]]) -> list[float]:
    """Ten messages a second, each by the next writer; how long each took to the writer's other tab, in ms."""
    sent: dict[int, float] = {}
    waits: list[float] = []
    for tabs in readers:
        for tab in tabs:
            tab.heard = partial(_note, sent, waits)
    for number in range(int(TALK_S * TALK_RATE)):
        sent[number] = time.perf_counter()
        writers[number % len(writers)].say(f"#{number}# Still there?")
        await asyncio.sleep(1 / TALK_RATE)
    await asyncio.sleep(1)
    return waits


def _note(sent: dict[int, float], waits: list[float], text: bytes) -> None:
    now = time.perf_counter()
    numbers = map(int, re.findall(rb'"t":"ev"[^#]*#(\d+)#', text))
    waits.extend((now - sent[number]) * 1_000 for number in numbers if number in sent)


async def storm(count: int) -> Result:
    """Everybody is connected, the server is killed and started again, everybody comes back to where she was."""
    async with served(count, 0) as (server, guests, _):
        peers = await enter_all(server, guests)
        killed = time.perf_counter()
        server.end(signal.SIGKILL)
        for peer in peers:
            peer.close()
        backs = [asyncio.create_task(_come_back(server, ticket)) for ticket in guests]
        await server.start()
        started = time.perf_counter()
        async with asyncio.timeout(BACK_S):
            returned = await asyncio.gather(*backs)
        back = time.perf_counter()
        reads, writes = read_counts(server.counts)
        for peer in returned:
            peer.close()
    return {
        "clients": count,
        "back_s_after_kill": back - killed,
        "back_s_after_ready": back - started,
        "reads_each": reads / count,
        "writes_each": writes / count,
    }


async def _come_back(server: Server, ticket: Ticket) -> Peer:
    """As a browser does: at once, then after a random pause that grows."""
    longest = 0.5
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            return await Peer.enter(server.port, server.settings.origin, ticket.resuming(1))
        await asyncio.sleep(random.uniform(0, longest))
        longest = min(30.0, longest * 2)


async def stalled() -> Result:
    """Fifty messages a second to twenty readers, first alone, then beside a hundred deaf and a hundred slow ones."""
    agents = (STALLED + SLOW + NORMAL) // SOCKETS_PER_AGENT + 1
    async with served(1, agents) as (server, guests, members):
        seats = [members[number // SOCKETS_PER_AGENT] for number in range(STALLED + SLOW + NORMAL)]
        writer, *readers = await enter_all(server, [guests[0], *seats[:NORMAL]])
        loud = Loud(writer, readers)
        calm = await loud.speak(lambda elapsed: elapsed > CALM_S)
        peak = Peak(server, server.rss(), kernel_bytes(), server.process.num_fds())
        deaf = [Deaf(server.port, server.settings.origin, each) for each in seats[NORMAL:]]
        await asyncio.gather(*(each.enter() for each in deaf))
        for each in deaf[STALLED:]:
            each.trickle()
        await asyncio.sleep(SETTLED_S)  # what two hundred arrivals cost is the storm's matter
        beside = await loud.speak(partial(peak.is_over, len(deaf)))
        caught_up = await _resume(server, [*members[:agents]], loud.number + 1)
        for each in deaf:
            each.close()
        lost = sum(peer.is_lost for peer in readers)
    return {
        "calm_p99_ms": at(calm, 0.99),
        "beside_p99_ms": at(beside, 0.99),
        "undelivered": loud.number * NORMAL - len(calm) - len(beside),
        "normal_lost": lost,
        "stalled": len(deaf),
        "cut": len(deaf) - peak.left,
        "all_cut_s": peak.seconds,
        "kb_each": peak.each / 1024,
        "resumed": caught_up,
    }


@dataclass
class Loud:
    """The one conversation that everybody watches."""

    writer: Peer
    readers: Sequence[Peer]
    number: int = 0

    async def speak(self, is_over: Callable[[float], bool]) -> list[float]:
        """Write until it is over; how long each message took to each reader, in ms."""
        sent: dict[int, float] = {}
        waits: list[float] = []
        for reader in self.readers:
            reader.heard = partial(_note, sent, waits)
        begun = time.perf_counter()
        while not is_over(time.perf_counter() - begun):
            sent[self.number] = time.perf_counter()
            self.writer.say(f"#{self.number}# {TEXT}")
            self.number += 1
            await asyncio.sleep(1 / LOUD_RATE)
        await asyncio.sleep(2)
        return waits


@dataclass
class Peak:
    """The most that the stalled cost, in the server and in the kernel (both ends of each connection)."""

    server: Server
    rss: int
    kernel: int
    files: int
    each: float = 0.0
    seconds: float = 0.0
    left: int = 0

    def is_over(self, stalled: int, elapsed: float) -> bool:
        """Whether the server has let go of all of them, or should have."""
        cost = self.server.rss() - self.rss + kernel_bytes() - self.kernel
        self.each = max(self.each, cost / stalled)
        self.left = max(0, self.server.process.num_fds() - self.files)
        self.seconds = elapsed
        return elapsed > ALL_CUT_S or (elapsed > 1 and not self.left)


async def _resume(server: Server, members: Sequence[Ticket], last: int) -> int:
    """How many agents, back at number 1, get every event up to `last` in its order."""
    complete = 0
    for member in members:
        got: list[int] = []
        peer = await Peer.enter(server.port, server.settings.origin, member.resuming(max(1, last - 400)))
        peer.heard = partial(_number, got)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while not got or got[-1] < last:  # noqa: ASYNC110  (what comes is heard in a callback)
                    await asyncio.sleep(0.05)
        complete += got == list(range(got[0], last + 1)) if got else 0
        peer.close()
    return complete


def _number(got: list[int], text: bytes) -> None:
    got.extend(map(int, re.findall(rb'"t":"ev"[^#]*?"s":(\d+)', text)))


def kernel_bytes() -> int:
    """What TCP holds in this machine's kernel."""
    found = re.search(r"TCP: .* mem (\d+)", Path("/proc/net/sockstat").read_text())
    return int(found[1]) * os.sysconf("SC_PAGESIZE") if found else 0


def at(waits: Sequence[float], share: float) -> float:
    """A percentile; infinite when nothing arrived."""
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * share))] if waits else float("inf")


def main() -> None:
    """Run the three trials; a table for people and a JSON line for programs."""
    held = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    stormed = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    trials: dict[str, Callable[[], Coroutine[None, None, Result]]] = {
        "idle": partial(idle, held),
        "storm": partial(storm, stormed),
        "stalled": stalled,
    }
    results: dict[str, Result] = {}
    table = Table("trial", "what", "value", title="Many connections")
    for name, trial in trials.items():
        results[name] = uvloop.run(trial())
        for what, value in results[name].items():
            table.add_row(name, what, f"{value:,.1f}")
    Console().print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
