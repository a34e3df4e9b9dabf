"""Questions that come at the same time are answered in one transaction, each with an answer of its own."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import literal, select

from core.database import Database, Transaction
from core.gathering import MOST_TOGETHER
from core.refusals import NotFound, Refusal

HELD_S = 10


class Doubling:
    """Answers with twice the number, refuses odd ones, and notes who was asked together."""

    def __init__(self) -> None:
        self.together: list[list[int]] = []

    def __call__(self, tx: Transaction, asked: Sequence[int], /, *, now: int) -> list[int | Refusal]:
        assert now > 0
        self.together.append(list(asked))
        if 404 in asked:
            raise RuntimeError("the database is away")
        return [NotFound() if each % 2 else tx.execute(select(literal(2 * each))).scalar_one() for each in asked]


@pytest.mark.both_engines
async def test_questions_that_come_together_are_answered_together(database: Database) -> None:
    doubling = Doubling()

    answers = await asyncio.gather(*(database.read_together(doubling, number) for number in range(0, 100, 2)))

    assert answers == list(range(0, 200, 4))
    assert len(doubling.together) == 1


async def test_one_that_is_refused_is_refused_alone(database: Database) -> None:
    asking = [database.read_together(Doubling(), number) for number in (2, 3, 4)]

    answers = await asyncio.gather(*asking, return_exceptions=True)

    assert [type(answer) for answer in answers] == [int, NotFound, int]


async def test_too_many_for_one_transaction_are_answered_in_the_next(database: Database) -> None:
    doubling = Doubling()

    await asyncio.gather(*(database.read_together(doubling, 2) for _ in range(MOST_TOGETHER + 1)))

    assert [len(asked) for asked in doubling.together] == [MOST_TOGETHER, 1]


async def test_a_reading_that_fails_is_told_to_all_who_asked_and_to_nobody_else(database: Database) -> None:
    doubling = Doubling()

    failed = await asyncio.gather(
        database.read_together(doubling, 404), database.read_together(doubling, 2), return_exceptions=True
    )
    answer = await database.read_together(doubling, 2)

    assert [type(error) for error in failed] == [RuntimeError, RuntimeError]
    assert answer == 4


async def test_whoever_goes_before_the_answer_takes_nobody_along(database: Database) -> None:
    doubling = Doubling()
    impatient = asyncio.create_task(database.read_together(doubling, 2))
    patient = asyncio.create_task(database.read_together(doubling, 4))
    await asyncio.sleep(0)

    impatient.cancel()

    async with asyncio.timeout(HELD_S):
        assert await patient == 8
    assert impatient.cancelled() or impatient.cancelling()
