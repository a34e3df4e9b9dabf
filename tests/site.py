"""A whole Aftercare of a test's own: the real command in a process of its own, on a free port, in its own folder."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT, free_port
from tests.nursery import Born, Nursery

START_SECONDS = 60
GREETED = "Stop with Ctrl+C."


@dataclass(frozen=True)
class Way:
    """How the server is started: with which faults built into it (`tests/chaos/patched.py`), forked from a nursery or
    else `through` another command, such as a tracer, and with what in its environment alone."""

    patches: Sequence[str] = ()
    nursery: Nursery | None = None
    through: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Site:
    """A server that can be started, killed, stopped and started again on the same data."""

    def __init__(self, folder: Path, way: Way = Way(), /, *, demo: bool = True, **settings: str) -> None:
        self.data = folder / "var"
        self.log = folder / "server.log"
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._starts = 0
        self._way = way
        self._module = "tests.chaos.patched" if way.patches else "support.cli"
        self._words = [*way.patches, "serve", *(["--demo"] if demo else [])]
        self._environment = {
            **os.environ,
            "PORT": str(self.port),
            "AFTERCARE_DATA": str(self.data),
            "PYTHONUNBUFFERED": "1",
            **{f"AFTERCARE_{name.upper()}": value for name, value in settings.items()},
            **way.environment,
        }
        self._process: subprocess.Popen[bytes] | Born | None = None

    def start(self) -> None:
        """Start and wait until it is ready; fails with the log when it does not get there."""
        greeted = self._greetings() + 1
        self._starts += 1
        self._process = self._begin(self._environment | {"AFTERCARE_CHAOS_START": str(self._starts)})
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the server ended:\n{self.output()}"
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                    if answer.status == 200 and self._greetings() >= greeted:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            self._process_wait(0.1)
        raise AssertionError(f"the server was not ready after {START_SECONDS} s:\n{self.output()}")

    def _begin(self, environment: Mapping[str, str]) -> "subprocess.Popen[bytes] | Born":
        if self._way.nursery is not None:
            return self._way.nursery.bear(self._module, self._words, environment, self.log)
        command = [*self._way.through, sys.executable, "-m", self._module, *self._words]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)

    @property
    def pid(self) -> int:
        """The process that serves now."""
        assert self._process is not None, "the site is not running"
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process that was started has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def wait_for_end(self, seconds: float) -> int:
        """How it ended by itself; fails when it does not."""
        assert self._process is not None, "the site is not running"
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it without warning, as a power cut of the process would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop and wait until it has."""
        self._end(signal.SIGTERM)

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run an `aftercare` command against this site's data."""
        command = [sys.executable, "-m", "support.cli", *words]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            input=stdin,
            check=False,
            timeout=60,
        )

    def status(self, path: str) -> int:
        """How the server answers a plain GET."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def output(self) -> str:
        """What the server has written so far."""
        return self.log.read_text(errors="replace")

    def files(self) -> list[Path]:
        """Every file that this site has written: its data and its log."""
        return [self.log, *(path for path in self.data.rglob("*") if path.is_file())]

    def _greetings(self) -> int:
        """How often it has said that it serves; the demo shop is loaded by then."""
        return self.output().count(GREETED) if self.log.exists() else 0

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def _process_wait(self, seconds: float) -> None:
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
