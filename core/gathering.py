"""Questions of one kind that come at the same time, answered in one transaction: a thousand arrivals are a few reads.

Principle. What is asked while the last reading runs goes into the next one, so nobody waits for a timer and every
answer is of a snapshot that was taken after the question. One that is refused is refused alone.

Boundary. Runs on the event loop; there are as many questions waiting as there are connections asking.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from core.lanes import Transaction
from core.refusals import Refusal

A = TypeVar("A")
R = TypeVar("R")
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

MOST_TOGETHER = 200


class Together(Protocol[A_contra, R_co]):
    """A verb that answers many questions in one transaction."""

    def __call__(self, tx: Transaction, asked: Sequence[A_contra], /, *, now: int) -> Sequence[R_co | Refusal]:
        """One answer for each, in their order; a refusal is one, too."""


class Gathering(Generic[A, R]):
    """Asks one reading at a time."""

    def __init__(self, read: "Callable[[Sequence[A]], asyncio.Future[Sequence[R | Refusal]]]") -> None:
        self._read = read
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._is_reading = False

    def ask(self, question: A) -> "asyncio.Future[R]":
        """The answer, once there is one. Raises: Refusal, and whatever the reading raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((question, answer))
        if not self._is_reading:
            self._is_reading = True
            loop.call_soon(self._read_next)
        return answer

    def _read_next(self) -> None:
        asking, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        self._is_reading = bool(asking)
        if asking:
            reading = self._read([question for question, _ in asking])
            reading.add_done_callback(lambda done: self._answer([answer for _, answer in asking], done))

    def _answer(self, waiting: "Sequence[asyncio.Future[R]]", reading: "asyncio.Future[Sequence[R | Refusal]]") -> None:
        self._read_next()
        if reading.cancelled():
            for answer in waiting:
                answer.cancel()
            return
        error = reading.exception()
        answers = [error] * len(waiting) if error else reading.result()
        for answer, found in zip(waiting, answers, strict=True):
            if answer.done():
                continue  # whoever asked has gone
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)
