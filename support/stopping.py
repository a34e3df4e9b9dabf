"""Stopping: the first signal asks the process to finish; a second one, or too long a wait, ends it at once.

Ending at once is only a crash, and crashes are safe: what was acknowledged is on disk. A process that was started by a
runner is asked to finish as well when the runner dies, so that no orphan keeps the port.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import structlog

ECHO_S = 1.0  # Ctrl+C reaches a runner and its children, and the runner passes it on: that is one wish, not two
GIVEN_UP_EXIT = 1
NAMED_BY_RUNNERS = ("PS", "HONCHO_PROCESS_NAME", "OVERMIND_PROCESS_NAME")
PR_SET_PDEATHSIG = 1

logger = structlog.get_logger("stopping")


class Stopping:
    """Belongs to the running loop; give `signalled` to whatever hears signals."""

    def __init__(self, ask: Callable[[], None], patience_s: float) -> None:
        self._ask = ask
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._asked_at: float | None = None

    def signalled(self) -> None:
        """Somebody wants us to stop; may be called from a signal handler."""
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            self._loop.call_soon_threadsafe(self._begin)
        elif now - self._asked_at >= ECHO_S:
            os._exit(GIVEN_UP_EXIT)

    def _begin(self) -> None:
        limit = threading.Timer(self._patience_s, _give_up, [self._patience_s])
        limit.daemon = True
        limit.start()
        self._ask()


@contextlib.contextmanager
def hearing(stopping: Stopping) -> Iterator[None]:
    """Take SIGTERM and SIGINT as a wish to stop while the block runs."""
    loop = asyncio.get_running_loop()
    signs = (signal.SIGTERM, signal.SIGINT)
    for sign in signs:
        loop.add_signal_handler(sign, stopping.signalled)
    try:
        yield
    finally:
        for sign in signs:
            loop.remove_signal_handler(sign)


def end_with_the_runner(environment: Mapping[str, str]) -> None:
    """Get SIGTERM when the runner that started us dies. Anyone else's child (a shell's, with `nohup` or `&`) may
    outlive its parent as always."""
    if any(name in environment for name in NAMED_BY_RUNNERS):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _give_up(patience_s: float) -> None:
    logger.error("stopped_unfinished", seconds=patience_s, code=GIVEN_UP_EXIT)
    os._exit(GIVEN_UP_EXIT)
