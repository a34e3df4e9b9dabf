"""A crowd: shoppers who write faster than they are answered, agents who answer, and a trouble that strikes in between.

Nothing waits for the clock: the trouble strikes when a set number of messages has been acknowledged, while others
are under way. Every run ends with silence, because a hint that is lost last is the one that nothing later heals. What
does not come to rest in time is a broken promise too.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from chat import lines
from chat.lines import Opening
from chat.outbox import Refusing
from chat.protocol import Ev
from support.replay import checker
from support.replay.checker import Violation
from support.replay.client import Client
from support.replay.doors import Admission, enter_as_guest, take
from support.replay.journal import Journal, Logged, fingerprint
from support.replay.result import Result, summed_up
from tests.chaos.rows import Row, Stored

UNDER_WAY = 4
PATIENCE_S = 60
AWAY = ("unavailable", "unknown", "busy", "full")  # try again, says the server

Trouble = Callable[[], Awaitable[None]]


@dataclass
class Crowd:
    """Who takes part: each guest in her conversation, and one agent for each, in turn, if there are any.

    `doors` are where the clients reach the servers, when that is not `url`; they begin at different ones. `origin` is
    the public address of servers that are reached one by one, `way` how everybody reaches them.
    """

    url: str
    agents: Sequence[Admission]
    texts: Sequence[str]
    seed: int
    doors: Sequence[str] = ()
    origin: str | None = None
    patience_s: float = PATIENCE_S
    way: Opening = lines.socket
    guests: list[tuple[Admission, str]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    journals: list[Journal] = field(default_factory=list)
    logs: dict[str, list[Logged]] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    acked: int = 0
    progress: asyncio.Event = field(default_factory=asyncio.Event)
    may_speak: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def expected(self) -> int:
        """How many messages and notes there are to say."""
        answers = len(self.texts) // UNDER_WAY * 2 if self.agents else 0
        return len(self.guests) * (len(self.texts) + answers)

    async def gather(self, size: int) -> None:
        """Let everybody in and give every conversation its agent."""
        for number in range(size):
            guest, conversation = await enter_as_guest(self.url, number=number)
            self.guests.append((replace(guest, origin=self.origin), conversation))
        for number, (_, conversation) in enumerate(self.guests):
            if agent := self._agent(number):
                await take(self.url, agent, conversation)

    async def talk(self, trouble: Trouble, strikes: Sequence[int]) -> None:
        """Everybody talks; after each of these numbers of acknowledged messages the trouble strikes once.

        A trouble that clears `may_speak` lets shoppers wait with what they say next until it is set again.
        """
        self.may_speak.set()
        async with AsyncExitStack() as stack:
            people = [*self.agents, *(guest for guest, _ in self.guests)]
            joined = [await stack.enter_async_context(self._client(each, at)) for at, each in enumerate(people)]
            agents, shoppers = joined[: len(self.agents)], joined[len(self.agents) :]
            self.clients = [*agents, *shoppers]
            self.journals = [client.journal for client in self.clients]
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._strike(trouble, strikes))
                    for number, (_, conversation) in enumerate(self.guests):
                        group.create_task(self._speak(shoppers[number], conversation, number))
                        if agents:
                            group.create_task(self._answer(agents[number % len(agents)], conversation))
                await self._fall_silent(agents, shoppers)
            except* TimeoutError:
                self.violations.append(Violation("C4", "", f"no rest within {self.patience_s} s"))

    async def judge(self, stored: Stored, test: str) -> Result:
        """Read every conversation afresh from both sides and compare both with the rows of the log."""
        try:
            await self._read_afresh(stored)
        except (TimeoutError, Refusing):
            self.violations.append(Violation("C4", "", "a conversation could not be read afresh"))
        self.violations += checker.check(self.journals, self.logs)
        return summed_up(self.journals, self.logs, self.violations, test=test, seed=self.seed)

    def _client(self, admission: Admission, number: int) -> Client:
        first = number % max(1, len(self.doors))
        return Client(self.url, admission, [*self.doors[first:], *self.doors[:first]], self.way)

    def _agent(self, number: int) -> Admission | None:
        return self.agents[number % len(self.agents)] if self.agents else None

    async def _speak(self, shopper: Client, conversation: str, number: int) -> None:
        """Several messages are under way at any time; now and then the shopper's own network fails as well."""
        await self._watch(shopper, conversation)
        chance = random.Random(self.seed * 1_000 + number)
        for start in range(0, len(self.texts), UNDER_WAY):
            await asyncio.wait_for(self.may_speak.wait(), self.patience_s)
            pending = [await shopper.post(conversation, text) for text in self.texts[start : start + UNDER_WAY]]
            if chance.random() < 0.1:
                await shopper.drop()
            await asyncio.wait_for(asyncio.gather(*(each.done for each in pending)), self.patience_s)
            self._count(len(pending))

    async def _answer(self, agent: Client, conversation: str) -> None:
        """After every fourth message of the shopper an answer, and a note for the colleagues."""
        await self._watch(agent, conversation)
        for answers in range(len(self.texts) // UNDER_WAY):
            await self._until_said(agent, conversation, (answers + 1) * UNDER_WAY + answers)
            note = await agent.post(conversation, f"noted {answers}", kind="note")
            answer = await agent.post(conversation, f"answered {answers}")
            await asyncio.wait_for(asyncio.gather(note.done, answer.done), self.patience_s)
            self._count(2)

    async def _strike(self, trouble: Trouble, strikes: Sequence[int]) -> None:
        """Each time it hits everybody: the next one waits until all are back."""
        for at in strikes:
            async with asyncio.timeout(self.patience_s):
                while self.acked < at:
                    await self.progress.wait()
            await trouble()
            for client in self.clients:
                await _until_connected(client, self.patience_s)

    async def _watch(self, client: Client, conversation: str) -> None:
        """Follow a conversation from here on; a server that cannot show it now is asked again."""
        async with asyncio.timeout(self.patience_s):
            while True:
                try:
                    return await client.watch(conversation)
                except Refusing as refused:
                    if refused.code not in AWAY:
                        raise
                    await asyncio.sleep(0.1)

    def _count(self, acked: int) -> None:
        self.acked += acked
        self.progress.set()
        self.progress = asyncio.Event()

    async def _fall_silent(self, agents: Sequence[Client], shoppers: Sequence[Client]) -> None:
        """Nothing more is said until everybody holds the end of the log, and then nothing more may come."""
        said = self.expected // max(1, len(self.guests)) - (len(self.texts) // UNDER_WAY if agents else 0)
        for number, (_, conversation) in enumerate(self.guests):
            for client in (shoppers[number], *agents[number % max(1, len(agents)) :][:1]):
                await self._until_said(client, conversation, said)
        for client in (*agents, *shoppers):
            await client.echo(limit_s=self.patience_s)

    async def _until_said(self, client: Client, conversation: str, count: int) -> None:
        await client.until(lambda: client.views[conversation].said() >= count, limit_s=self.patience_s)

    async def _read_afresh(self, stored: Stored) -> None:
        for conversation, rows in ((each, stored.get(each, ())) for _, each in self.guests):
            self.logs[conversation] = merged(rows, (), ())
        async with AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(Client(self.url, each)) for each in self.agents]
            for number, (guest, conversation) in enumerate(self.guests):
                async with Client(self.url, guest) as shopper, asyncio.timeout(self.patience_s):
                    await self._watch(shopper, conversation)
                    public = await shopper.whole(conversation)
                staff: Sequence[Ev] = ()
                if readers:
                    async with asyncio.timeout(self.patience_s):
                        await self._watch(readers[number % len(readers)], conversation)
                        staff = await readers[number % len(readers)].whole(conversation)
                    self.violations += checker.same_story(conversation, public, staff)
                self._compare(conversation, stored.get(conversation, ()), public, staff)

    def _compare(self, conversation: str, rows: Sequence[Row], public: Sequence[Ev], staff: Sequence[Ev]) -> None:
        self.logs[conversation] = merged(rows, public, staff)
        is_whole = [event.s for event in public] == [row.pub_seq for row in rows if row.pub_seq is not None]
        if self.agents:
            is_whole = is_whole and [event.s for event in staff] == [row.seq for row in rows]
        if not is_whole:
            self.violations.append(Violation("C4", conversation, "what is read afresh is not what is stored"))


def merged(rows: Sequence[Row], public: Sequence[Ev], staff: Sequence[Ev]) -> list[Logged]:
    """The rows, with what each side reads at their numbers."""
    ours = {event.s: _print(event) for event in staff}
    theirs = {event.s: _print(event) for event in public}
    return [
        Logged(
            row.seq,
            row.kind,
            ours.get(row.seq, ""),
            row.client_id,
            row.pub_seq,
            theirs.get(row.pub_seq) if row.pub_seq is not None else None,
        )
        for row in rows
    ]


def _print(event: Ev) -> str:
    return fingerprint(event.from_.ref, event.k, event.b)


async def _until_connected(client: Client, limit_s: float) -> None:
    await client.until(lambda: client.is_connected, limit_s=limit_s)


async def leave_alone() -> None:
    """No trouble."""
