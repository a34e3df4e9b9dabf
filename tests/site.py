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

from core.settings import ROOT, Settings
from tests.nursery import Born, Nursery
from tests.services import free_port

START_SECONDS = 120
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

    def __init__(
        self,
        folder: Path,
        way: Way = Way(),
        /,
        *,
        demo: bool = True,
        name: str = "server",
        patches: str = "",
        **settings: str,
    ) -> None:
        self.data = folder / "var"
        self.log = folder / f"{name}.log"
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.origin = settings.get("public_url", self.url)
        self.chosen = Settings(
            data=self.data,
            port=self.port,
            public_url=self.origin,
            database_url=settings.get("database_url", ""),
            keystore_url=settings.get("keystore_url", ""),
            redis_url=settings.get("redis_url"),
        )
        self._starts = 0
        self._way = way
        self._module = "tests.chaos.patched" if way.patches else "tests.patched" if patches else "support.cli"
        self._words = [*way.patches, "serve", *(["--demo"] if demo else [])]
        self.environment = {
            **os.environ,
            "PORT": str(self.port),
            "AFTERCARE_DATA": str(self.data),
            "PYTHONUNBUFFERED": "1",
            "PATCHES": patches,
            **{f"AFTERCARE_{name.upper()}": value for name, value in settings.items()},
            **way.environment,
        }
        self._process: subprocess.Popen[bytes] | Born | None = None

    def start(self) -> None:
        """Start and wait until it is ready; fails with the log when it does not get there."""
        greeted = self._greetings() + 1
        self._starts += 1
        self._process = self._begin(self.environment | {"AFTERCARE_CHAOS_START": str(self._starts)})
        self.wait_until_ready(greeted)

    def wait_until_ready(self, greetings: int = 1) -> None:
        """Wait until it answers and has greeted so often."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is None or self._process.poll() is None, f"the server ended:\n{self.output()}"
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                    if answer.status == 200 and self._greetings() >= greetings:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            self.lives_for(0.1)
        raise AssertionError(f"the server was not ready after {START_SECONDS} s:\n{self.output()}")

    def lives_for(self, seconds: float) -> bool:
        """Wait for its end at most so long; says whether it is still there."""
        if self._process is None:
            time.sleep(seconds)
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

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

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def send(self, sign: signal.Signals) -> None:
        """Send a signal and go on."""
        os.kill(self.pid, sign)

    def ended(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        assert self._process is not None, "the site is not running"
        code = self._process.wait(40)
        self._process = None
        return code

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run an `aftercare` command against this site's data."""
        command = [sys.executable, "-m", "support.cli", *words]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
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

    def _signal(self, sign: signal.Signals) -> None:
        assert self._process is not None, "the site is not running"
        self._process.send_signal(sign)
