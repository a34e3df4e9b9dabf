"""A nursery: one process that has imported the product, and forks a server from itself whenever one is wanted.

Importing is most of a start, and a test that kills its server forty times starts it forty times. What is forked is the
real command in a process of its own, with its own environment; only the reading of the sources is shared.
"""

import contextlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent


class Born:
    """A forked process; the four verbs of `subprocess.Popen` that a `Site` needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._has_ended = False
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:  # it ended before we could look
            self._has_ended = True

    def poll(self) -> int | None:
        """Something else than None when it has ended."""
        return 0 if self._ended_within(0) else None

    def wait(self, seconds: float) -> int:
        """Wait for the end. Raises: subprocess.TimeoutExpired."""
        if not self._ended_within(seconds):
            raise subprocess.TimeoutExpired(["aftercare"], seconds)
        return 0

    def send_signal(self, sign: int) -> None:
        if not self._ended_within(0):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, sign)

    def _ended_within(self, seconds: float) -> bool:
        if not self._has_ended and select.select([self._handle], [], [], seconds)[0]:
            self._has_ended = True
            os.close(self._handle)
        return self._has_ended


class Nursery:
    """Ask it for a process that runs `python -m MODULE WORDS…`."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def bear(self, module: str, words: Sequence[str], environment: Mapping[str, str], log: Path) -> Born:
        """Start it; what it writes goes to the end of `log`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wish = {"module": module, "words": list(words), "environment": dict(environment), "log": str(log)}
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(wish) + "\n")
            self._process.stdin.flush()
            return Born(int(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def main() -> None:
    """Fork one process for every line that asks for one, until there are no more."""
    import support.cli  # noqa: PLC0415
    import support.greeting  # noqa: PLC0415
    import support.server  # noqa: F401, PLC0415  (these three import the whole product)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line))
        print(pid, flush=True)  # noqa: T201  (this is how it answers)


def _become(wish: Mapping[str, Any]) -> NoReturn:
    """In the child: the command that was wished for, and nothing after it. Any: JSON values of our own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(str(wish["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(wish["environment"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # they are text streams
    sys.argv = [str(wish["module"]), *wish["words"]]
    code = 1
    try:
        runpy.run_module(str(wish["module"]), run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # whatever it is, it must not go on as a nursery
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
