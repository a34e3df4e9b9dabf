"""The player: puts recorded dialogues on stage, a guest for every shopper and staff for the other side.

Each side speaks only when it has seen what was said before, as people do; at most so many conversations are held at
once. When the last word is said everyone falls silent, the conversations are read afresh, and the checker compares.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from chat.audiences import STAFF_ONLY_KINDS
from chat.protocol import Ev
from core.refusals import Refusal
from support.replay import checker
from support.replay.checker import Violation
from support.replay.client import Client
from support.replay.doors import Admission, enter_as_guest, take
from support.replay.journal import Journal, Logged, fingerprint
from support.replay.result import Result, summed_up
from support.replay.scripts import Script

Advance = Callable[[], None]


@dataclass(frozen=True)
class Stage:
    """Where to play, with which staff, and how many conversations at once."""

    url: str
    agents: Sequence[Admission] = ()
    at_once: int = 10


@dataclass
class Performance:
    """What is known when the curtain has fallen; `broken_off` names scripts and the refusal that ended them."""

    journals: list[Journal] = field(default_factory=list)
    logs: dict[str, Sequence[Logged]] = field(default_factory=dict)
    seen: dict[str, tuple[Sequence[Ev], Sequence[Ev] | None]] = field(default_factory=dict)
    played: dict[str, Script] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    broken_off: dict[str, str] = field(default_factory=dict)

    def result(self, *, seed: int = 0) -> Result:
        return summed_up(self.journals, self.logs, self.violations, test="replay", seed=seed)


async def play(stage: Stage, scripts: Sequence[Script], advance: Advance = lambda: None) -> Performance:
    """Hold every dialogue, then compare. Raises: Unavailable when nobody is let in."""
    async with AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(Client(stage.url, each)) for each in stage.agents]
        show = _Show(stage, agents, advance)
        await show.hold_all(scripts)
        await show.fall_silent()
    performance = show.performance
    performance.violations += checker.check(performance.journals, performance.logs)
    return performance


class _Show:
    """One performance while it goes on."""

    def __init__(self, stage: Stage, agents: Sequence[Client], advance: Advance) -> None:
        self.performance = Performance(journals=[agent.journal for agent in agents])
        self._stage = stage
        self._agents = agents
        self._advance = advance
        self._guests: dict[str, tuple[Admission, Client | None]] = {}
        self._seats = asyncio.Semaphore(stage.at_once)

    async def hold_all(self, scripts: Sequence[Script]) -> None:
        async with asyncio.TaskGroup() as group:
            for index, script in enumerate(scripts):
                agent = self._agents[index % len(self._agents)] if self._agents else None
                group.create_task(self._hold(script, agent, index))

    async def fall_silent(self) -> None:
        """Read every conversation afresh, as its shopper and as the agent who held it."""
        async with AsyncExitStack() as stack:
            readers = {
                agent: await stack.enter_async_context(Client(self._stage.url, agent.admission))
                for agent in self._agents
            }
            for conversation, (guest, agent) in self._guests.items():
                async with Client(self._stage.url, guest) as shopper:
                    public = await shopper.whole(conversation)
                staff = None
                if agent is not None:
                    staff = await readers[agent].whole(conversation)
                    await readers[agent].leave(conversation)
                self.performance.seen[conversation] = (public, staff)
                self.performance.logs[conversation] = observed(public, staff)
                self.performance.violations += checker.same_story(conversation, public, staff or public)

    async def _hold(self, script: Script, agent: Client | None, number: int) -> None:
        """One dialogue from the first word to the last."""
        async with self._seats:
            guest, conversation = await enter_as_guest(self._stage.url, number=number)
            self._guests[conversation] = guest, agent
            self.performance.played[conversation] = script
            if agent is not None:
                await take(self._stage.url, agent.admission, conversation)
                await agent.watch(conversation)
            async with Client(self._stage.url, guest) as shopper:
                self.performance.journals.append(shopper.journal)
                await shopper.watch(conversation)
                try:
                    await self._speak(script, conversation, shopper, agent)
                except Refusal as refusal:
                    self.performance.broken_off[script.name] = refusal.code
            if agent is not None:
                await agent.leave(conversation)

    async def _speak(self, script: Script, conversation: str, shopper: Client, agent: Client | None) -> None:
        everyone = [shopper] if agent is None else [shopper, agent]
        for count, turn in enumerate(script.spoken(is_staffed=agent is not None), start=1):
            speaker = agent if agent is not None and turn.side == "agent" else shopper
            await speaker.send(conversation, turn.text)
            for each in everyone:
                await _until_said(each, conversation, count)
            self._advance()


async def _until_said(client: Client, conversation: str, count: int) -> None:
    await client.until(lambda: client.views[conversation].said() >= count)


def observed(public: Sequence[Ev], staff: Sequence[Ev] | None) -> list[Logged]:
    """The final log as the two sides tell it; without staff to ask, the public side is all there is."""
    if staff is None:
        return [_public_only(event) for event in public]
    by_number = {event.s: event for event in public}
    log: list[Logged] = []
    pub = 0
    for event in staff:
        is_internal = event.k in STAFF_ONLY_KINDS
        pub += not is_internal
        twin = None if is_internal else by_number.get(pub)
        log.append(
            Logged(
                seq=event.s,
                kind=event.k,
                staff=_print(event),
                client_id=event.m or (twin.m if twin else None),
                pub=None if is_internal else pub,
                public=_print(twin) if twin else None,
            )
        )
    return log


def _public_only(event: Ev) -> Logged:
    return Logged(event.s, event.k, _print(event), event.m, event.s, _print(event))


def _print(event: Ev) -> str:
    return fingerprint(event.from_.ref, event.k, event.b)
