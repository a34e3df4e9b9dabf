"""Readers: the threads that read, and the queue before them, which has a bound."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from core.refusals import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

QUEUE_LIMIT = 4_096


class Readers(ThreadPoolExecutor):
    """A fixed number of threads; what would wait behind too much else is refused at once."""

    def __init__(self, count: int) -> None:
        super().__init__(count, thread_name_prefix="reader")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Queue a reading. Raises: Unavailable, when the queue is full."""
        if self._work_queue.qsize() >= QUEUE_LIMIT:
            raise Unavailable("busy", retry_ms=1_000)
        return super().submit(fn, *args, **kwargs)
