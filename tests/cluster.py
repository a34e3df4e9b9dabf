"""A whole Aftercare of several processes, each of which can be broken and mended; with Redis or without."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from core.settings import ROOT
from support.replay.doors import Admission, enter_as_guest
from tests.agents import signed_in
from tests.services import PostgresServer, RedisServer, free_port
from tests.site import Site, Way


class Worker:
    """The process that runs the jobs."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it takes its first job when it gets to it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.cli", "worker"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it without warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop and wait until it has."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


class Cluster:
    """Servers that share everything they may share, at one public address; `webs[0]` is where it points."""

    def __init__(
        self,
        folder: Path,
        way: Way | None = None,
        postgres: PostgresServer | None = None,
        /,
        *,
        webs: int = 2,
        redis: RedisServer | None = None,
        **settings: str,
    ) -> None:
        self._way = way or Way()
        self.postgres = postgres or PostgresServer()
        self.redis = redis
        self._size = webs
        self._settings = settings
        self._folder = folder
        self.webs: list[Site] = []
        self.worker: Worker

    def start(self) -> None:
        """Start everything, the servers all at once; fails with their logs."""
        self.postgres.start()
        shared = {
            "database_url": self.postgres.create(),
            "keystore_url": self.postgres.create(),
            "public_url": f"http://localhost:{free_port()}",
            "trusted_proxies": '["127.0.0.1"]',
            **({"redis_url": self.redis.url} if self.redis else {}),
            **self._settings,
        }
        self.webs = [
            Site(self._folder, self._way, demo=True, name=f"web{number}", **shared) for number in range(self._size)
        ]
        environment = {f"AFTERCARE_{name.upper()}": value for name, value in shared.items()}
        self.worker = Worker(
            self._folder / "worker.log", {**os.environ, "AFTERCARE_DATA": str(self.webs[0].data), **environment}
        )
        migrated = self.webs[0].run("migrate")
        assert migrated.returncode == 0, migrated.stderr
        with ThreadPoolExecutor() as pool:
            list(pool.map(Site.start, self.webs))
        self.worker.start()

    def close(self) -> None:
        """End everything, whatever state it is in."""
        for web in self.webs:
            web.kill()
        self.worker.kill()
        self.postgres.close()

    async def agents(self) -> list[Admission]:
        """The demo agents; what lets them into one process lets them into all."""
        return list(await signed_in(self.webs[0]))

    async def guest(self, number: int = 0) -> tuple[Admission, str]:
        """A guest from a network of her own, and her conversation."""
        admission, conversation = await enter_as_guest(self.webs[0].url, number=number)
        return replace(admission, origin=self.webs[0].origin), conversation
