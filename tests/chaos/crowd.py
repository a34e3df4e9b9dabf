"""A crowd: shoppers who write faster than they are answered, agents who answer, and a trouble that strikes in between.

Nothing waits for the clock: the trouble strikes when a set number of messages has been acknowledged, while others
are under way.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from support.replay import checker
from support.replay.checker import Result, Violation
from support.replay.client import Client
from support.replay.doors import Admission, enter_as_guest, take
from support.replay.journal import Journal, Logged
from support.replay.player import observed

UNDER_WAY = 4
PATIENCE_S = 60

Trouble = Callable[[], Awaitable[None]]


@dataclass
class Crowd:
    """Who takes part: each guest in her conversation, and one agent for each, in turn."""

    url: str
    agents: Sequence[Admission]
    texts: Sequence[str]
    seed: int
    guests: list[tuple[Admission, str]] = field(default_factory=list)
    journals: list[Journal] = field(default_factory=list)
    logs: dict[str, list[Logged]] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    acked: int = 0
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def gather(self, size: int) -> None:
        """Let everybody in and give every conversation its agent."""
        self.guests = [await enter_as_guest(self.url, number=number) for number in range(size)]
        for number, (_, conversation) in enumerate(self.guests):
            await take(self.url, self.agents[number % len(self.agents)], conversation)

    async def talk(self, trouble: Trouble, strikes: Sequence[int]) -> None:
        """Everybody talks; after each of these numbers of acknowledged messages the trouble strikes once."""
        async with AsyncExitStack() as stack:
            agents = [await stack.enter_async_context(Client(self.url, each)) for each in self.agents]
            shoppers = [await stack.enter_async_context(Client(self.url, each)) for each, _ in self.guests]
            self.journals = [client.journal for client in (*agents, *shoppers)]
            for number, (_, conversation) in enumerate(self.guests):
                await shoppers[number].watch(conversation)
                await agents[number % len(agents)].watch(conversation)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._strike(trouble, strikes, [*shoppers, *agents]))
                for number, (_, conversation) in enumerate(self.guests):
                    group.create_task(self._speak(shoppers[number], conversation, number))
                    group.create_task(self._answer(agents[number % len(agents)], conversation))
            await self._settle([*shoppers, *agents])

    async def judge(self) -> Result:
        """Read every conversation afresh from both sides and compare; the shoppers' view is the public one."""
        async with AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(Client(self.url, each)) for each in self.agents]
            for number, (guest, conversation) in enumerate(self.guests):
                async with Client(self.url, guest) as shopper:
                    public = await shopper.whole(conversation)
                staff = await readers[number % len(readers)].whole(conversation)
                self.logs[conversation] = observed(public, staff)
                self.violations += checker.same_story(conversation, public, staff)
        self.violations += checker.check(self.journals, self.logs)
        return checker.summed_up(self.journals, self.logs, self.violations, seed=self.seed)

    async def _speak(self, shopper: Client, conversation: str, number: int) -> None:
        """Several messages are under way at any time; now and then the shopper's own network fails as well."""
        chance = random.Random(self.seed * 1_000 + number)
        for start in range(0, len(self.texts), UNDER_WAY):
            pending = [await shopper.post(conversation, text) for text in self.texts[start : start + UNDER_WAY]]
            if chance.random() < 0.1:
                await shopper.drop()
            await asyncio.wait_for(asyncio.gather(*(each.done for each in pending)), PATIENCE_S)
            self._count(len(pending))

    async def _answer(self, agent: Client, conversation: str) -> None:
        """After every fourth message of the shopper an answer, and a note for the colleagues."""
        for answers in range(len(self.texts) // UNDER_WAY):
            await _until_said(agent, conversation, (answers + 1) * UNDER_WAY + answers)
            note = await agent.post(conversation, f"noted {answers}", kind="note")
            answer = await agent.post(conversation, f"answered {answers}")
            await asyncio.wait_for(asyncio.gather(note.done, answer.done), PATIENCE_S)
            self._count(2)

    async def _strike(self, trouble: Trouble, strikes: Sequence[int], clients: Sequence[Client]) -> None:
        """Each time it hits everybody: the next one waits until all are back."""
        for at in strikes:
            while self.acked < at:
                await asyncio.wait_for(self.progress.wait(), PATIENCE_S)
            await trouble()
            for client in clients:
                await _until_connected(client)

    def _count(self, acked: int) -> None:
        self.acked += acked
        self.progress.set()
        self.progress = asyncio.Event()

    async def _settle(self, clients: Sequence[Client]) -> None:
        """Silence: nothing more is said until everybody holds the end of the log."""
        for number, (_, conversation) in enumerate(self.guests):
            shopper, agent = clients[number], clients[len(self.guests) + number % len(self.agents)]
            said = len(self.texts) + len(self.texts) // UNDER_WAY
            for client in (shopper, agent):
                await _until_said(client, conversation, said)


async def _until_said(client: Client, conversation: str, count: int) -> None:
    await client.until(lambda: client.views[conversation].said() >= count, limit_s=PATIENCE_S)


async def _until_connected(client: Client) -> None:
    await client.until(lambda: client.is_connected, limit_s=PATIENCE_S)
