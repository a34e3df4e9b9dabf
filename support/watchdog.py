"""The watchdog: a process whose event loop has stopped turning says where it hangs and ends, to be started anew.

Danger. A loop that blocks answers nobody and looks alive from outside: the process is there and the port is open. And
the opposite: a healthy process shot because somebody stopped the whole of it for a while.

Principle. A thread asks the loop for a sign of life once a second and counts the questions that went without an answer;
it never reads a clock. A process that was stopped and goes on has missed one question, not a minute's worth. Should one
call hold the interpreter itself, so that not even the thread can run, the kernel counts the processor time that passes
and ends the process.

What is written are names of functions, files and lines, never what a variable holds.
"""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator

import structlog

QUESTION_S = 1.0
UNANSWERED = 10
DUMP_S = 2.0
INTERPRETER_CPU_S = 60.0  # of all threads together: work that lets go of the interpreter may use many at once
BLOCKED_EXIT = 70

logger = structlog.get_logger("watchdog")


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Watch the running loop while the block runs."""
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(asyncio.get_running_loop(), over), name="watchdog", daemon=True)
    faulthandler.register(signal.SIGPROF, all_threads=True, chain=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.unregister(signal.SIGPROF)


def _watch(loop: asyncio.AbstractEventLoop, over: threading.Event) -> None:
    answered = threading.Event()
    unanswered = 0
    loop.call_soon_threadsafe(answered.set)
    while not over.wait(QUESTION_S):
        signal.setitimer(signal.ITIMER_PROF, INTERPRETER_CPU_S)
        if answered.is_set():
            unanswered = 0
            answered.clear()
            loop.call_soon_threadsafe(answered.set)
            continue
        unanswered += 1
        if unanswered >= UNANSWERED:
            _end()


def _end() -> None:
    """Dump and leave; a log that nobody reads any more does not keep us."""
    dumping = threading.Thread(target=_dump, daemon=True)
    dumping.start()
    dumping.join(DUMP_S)
    os._exit(BLOCKED_EXIT)


def _dump() -> None:
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    logger.critical("loop_blocked", seconds=UNANSWERED * QUESTION_S, code=BLOCKED_EXIT)
    sys.stdout.flush()
