"""What the promises cost on this machine: `python -m benchmarks.privacy` sweeps, copies and wraps keys anew.

The budgets are design's: 5,000 messages a second swept, 2,000 copied, 20,000 keys wrapped anew.
"""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chat import conversations, log
from chat.log import Ack, Draft
from core import clock, ids
from core.database import Transaction
from core.identity import people
from core.identity.callers import Caller
from core.report import Collected
from core.settings import Settings
from support.house import House, opened
from support.privacy import copies, retention

KEYS, KEYS_AT_ONCE = 40_000, 2_000
CHATS, MESSAGES = 100, 60
COPIED = 6_000
BATCH = 200
ROUNDS = 3
LONG_AGO_MS = 3_000 * clock.DAY
WORDS = (
    "The cup with the blue rim came broken, and the parcel was wet. Could you send me a new one before Friday, please?"
)


@dataclass(frozen=True)
class Measured:
    """So many things in so many seconds, and how many a second were wanted."""

    what: str
    count: int
    seconds: float
    wanted: int

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds


def main() -> None:
    """Print the table."""
    table = Table("operation", "count", "a second", "at least", "", title="Privacy")
    for each in asyncio.run(measure()):
        verdict = "good" if each.rate >= each.wanted else "below"
        table.add_row(each.what, f"{each.count:,}", f"{each.rate:,.0f}", f"{each.wanted:,}", verdict)
    Console().print(table)


async def measure() -> list[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder) / "var", keys=f"file:{folder}/keys/kek.d")
        async with opened(settings) as house:
            return [await swept(house), await copied(house, Path(folder)), *await rewrapped(house)]


async def swept(house: House) -> Measured:
    """The messages of chats whose period is over, deleted with their keys."""
    now = clock.now()
    for _ in range(CHATS):
        await chat(house, Caller("visitor", ids.new(), sign_in=ids.new()), MESSAGES, now - LONG_AGO_MS)
    began = time.perf_counter()
    ended = await retention.run(house.core, house.holdings, Collected(), confirmed=True, now=now)
    seconds = time.perf_counter() - began
    assert ended.objects >= CHATS
    return Measured("messages swept", CHATS * MESSAGES, seconds, 5_000)


async def copied(house: House, folder: Path) -> Measured:
    """The copy of one person who has written much."""
    now = clock.now()
    person = await people.enrol(house.core, "ann@example.com", name="Ann", now=now)
    caller = Caller("person", person.id, sign_in=ids.new(), proof="email_code", proven_ms=now)
    await chat(house, caller, COPIED, now)
    asked, best = copies.Request(f"person:{person.id}", "en"), float("inf")
    for number in range(ROUNDS):
        began = time.perf_counter()
        await copies.write(house.core, house.holdings, asked, folder / f"{number}.zip", Collected(), now=now)
        best = min(best, time.perf_counter() - began)
    return Measured("messages copied", COPIED, best, 2_000)


async def rewrapped(house: House) -> list[Measured]:
    """Every data key under a new epoch, and every key opened."""
    vault = house.core.vault
    for _ in range(KEYS // KEYS_AT_ONCE):
        await vault.create_many([(ids.new(), f"visitor:{ids.new()}") for _ in range(KEYS_AT_ONCE)])
    wrapping, opening = float("inf"), float("inf")
    for _ in range(ROUNDS):
        standing = await vault.rotation.standing()
        target = vault.rotation.create(standing.current)
        began = time.perf_counter()
        count = await vault.rotation.rewrap(target, nobody_watches)
        wrapped = time.perf_counter()
        await vault.rotation.verify(nobody_watches)
        wrapping, opening = min(wrapping, wrapped - began), min(opening, time.perf_counter() - wrapped)
        await vault.rotation.mark(target, now=clock.now())
    return [
        Measured("keys wrapped anew", count, wrapping, 20_000),
        Measured("keys opened and compared", count, opening, 20_000),
    ]


def nobody_watches(_: int, __: int) -> None:
    """No bar."""


async def chat(house: House, owner: Caller, messages: int, now: int) -> None:
    """A conversation in which its owner says so much."""
    fresh = await conversations.prepare(house.core, owner.ref)

    def begin(tx: Transaction) -> str:
        return conversations.open_(tx, house.core, owner, fresh, topic="A parcel", locale="en", now=now).id

    conversation = await house.core.database.write(begin)
    for some in batches(messages):
        drafts = [Draft(conversation, owner, str(uuid.uuid4()), "message", {"text": WORDS}) for _ in range(some)]
        outcomes = await house.core.database.write(log.append_batch, house.core, drafts, now=now)
        assert all(isinstance(outcome, Ack) for outcome in outcomes), outcomes


def batches(total: int) -> Iterator[int]:
    """So many, in batches."""
    for start in range(0, total, BATCH):
        yield min(BATCH, total - start)


if __name__ == "__main__":
    main()
