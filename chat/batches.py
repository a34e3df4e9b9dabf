"""Group commit: what people send while the last commit runs goes into the next one together.

Danger. An answer before the commit; a queue without bound; one bad message that takes its neighbours down; a broken
connection answered as "failed" when the message may be stored.

Principle. One lane per writing thread of the database, a conversation always in the same lane. A lane takes at most
256 drafts or 1 MB, writes them in one transaction and answers each after the commit, in the same turn of the loop as
the announcements, so that a sender's acknowledgements and events go out together; there is no timer. While a full batch
waits behind the one being written it is handed over already, so that a busy loop does not keep the disk waiting; the
order of a sender is kept by `after`, should the first of the two have to be written again. When the outcome is
unknown the same batch is tried again, which is harmless because ids are for ever. When a batch fails on its data it is
repeated draft by draft, so that only the bad one fails.

Boundary. A lane's task is never cancelled while it writes; whoever waited may have gone.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, OperationalError

from chat.log import Ack, Announce, Draft, append_batch
from core import clock
from core.database import OutcomeUnknown, Transaction
from core.refusals import Unavailable
from core.services import Core

BATCH_DRAFTS = 256
BATCH_BYTES = 1 << 20
QUEUE_LIMIT = 4_096
PAUSES_S = (0.1, 0.5, 2.0)


Answer = Callable[[Ack | BaseException], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    draft: Draft
    size: int
    answer: Answer


class Batches:
    """Puts drafts into the log; `put` never waits."""

    def __init__(self, core: Core, announce: Announce) -> None:
        self._core = core
        self._announce = announce
        self._lanes = [deque[_Waiting]() for _ in range(core.database.lane_count)]
        self._writing: dict[tuple[int, int], asyncio.Task[None]] = {}

    def put(self, draft: Draft, answer: Answer, size: int = 512) -> None:
        """Queue a draft of about `size` bytes; `answer` is called once, after the commit, and must not raise.

        Raises: Unavailable when the queue is full, and then there is no answer.
        """
        number = zlib.crc32(draft.conversation.encode()) % len(self._lanes)
        lane = self._lanes[number]
        if len(lane) >= QUEUE_LIMIT:
            raise Unavailable("busy", retry_ms=1_000)
        lane.append(_Waiting(draft, size, answer))
        self._start(number, 0)
        if len(lane) >= BATCH_DRAFTS:
            self._start(number, 1)

    def _start(self, number: int, place: int) -> None:
        if (number, place) not in self._writing:
            serving = asyncio.get_running_loop().create_task(self._serve(number, place), name=f"chat-lane-{number}")
            self._writing[number, place] = serving

    async def finish(self) -> None:
        """Wait until everything queued is settled."""
        while self._writing:
            await asyncio.wait(list(self._writing.values()))

    async def _serve(self, number: int, place: int) -> None:
        lane = self._lanes[number]
        fewest = BATCH_DRAFTS if place else 1
        try:
            while len(lane) >= fewest:
                await self._settle(number, _take(lane))
        finally:
            self._writing.pop((number, place), None)

    async def _settle(self, number: int, batch: Sequence[_Waiting]) -> None:
        try:
            await self._write(number, batch)
        except Exception as error:
            if len(batch) == 1 or isinstance(error, Unavailable):
                _answer(batch, [error] * len(batch))
                return
            for waiting in batch:
                await self._settle(number, [waiting])

    async def _write(self, number: int, batch: Sequence[_Waiting]) -> None:
        """Write the batch, again after a pause when the connection broke: the same ids give the same answers."""
        for pause in (*PAUSES_S, None):
            try:
                await self._attempt(number, batch)
            except (OutcomeUnknown, DBAPIError) as error:
                if not _may_be_stored(error):
                    raise
                if pause is None:
                    raise Unavailable("unknown", retry_ms=2_000) from None
                await asyncio.sleep(pause)
            else:
                return

    async def _attempt(self, number: int, batch: Sequence[_Waiting]) -> None:
        await self._core.database.write_in(number, self._append, batch, now=clock.now())

    def _append(self, tx: Transaction, batch: Sequence[_Waiting], *, now: int) -> None:
        drafts = [waiting.draft for waiting in batch]
        outcomes = append_batch(tx, self._core, drafts, self._announce, now=now)
        tx.after_commit(lambda: _answer(batch, outcomes))


def _take(lane: "deque[_Waiting]") -> list[_Waiting]:
    batch = [lane.popleft()]
    size = batch[0].size
    while lane and len(batch) < BATCH_DRAFTS and size + lane[0].size <= BATCH_BYTES:
        size += lane[0].size
        batch.append(lane.popleft())
    return batch


def _may_be_stored(error: OutcomeUnknown | DBAPIError) -> bool:
    """Whether the connection broke, so that nobody knows; anything else is about the data."""
    return isinstance(error, OutcomeUnknown | OperationalError) or error.connection_invalidated


def _answer(batch: Sequence[_Waiting], outcomes: Sequence[Ack | BaseException]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        waiting.answer(outcome)


def settling(answered: "asyncio.Future[Ack]") -> Answer:
    """An answer for somebody who awaits it, and may have gone meanwhile."""

    def answer(outcome: Ack | BaseException) -> None:
        if answered.done():
            return
        if isinstance(outcome, Ack):
            answered.set_result(outcome)
        else:
            answered.set_exception(outcome)

    return answer
