"""Real servers that a test may kill, freeze and start again: PostgreSQL and Redis, each throw-away."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

POSTGRES_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
START_S = 30


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A Redis that keeps nothing: started again, it is empty."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = Path(tempfile.mkdtemp(prefix="aftercare-redis-"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        assert shutil.which("redis-server"), "Redis is missing: apt-get install redis-server"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            ["redis-server", *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, "Redis ended at its start"
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.02)  # nothing tells when it listens

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def cut_listeners(self) -> None:
        """Break the connections of everyone who is subscribed."""
        self.command("CLIENT", "KILL", "TYPE", "pubsub")

    def command(self, *words: str) -> str:
        """Say something to it, by hand."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(65_536).decode()

    def close(self) -> None:
        """End it and leave nothing behind."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith("+PONG")
        except OSError:
            return False

    def _signal(self, sign: signal.Signals) -> None:
        assert self._process is not None, "Redis is not running"
        self._process.send_signal(sign)


class PostgresServer:
    """A PostgreSQL cluster of a test's own; `options` are words for `postgres`, `disk` is where its data lie."""

    def __init__(self, options: str = "", disk: Path | None = None) -> None:
        assert POSTGRES_BINARIES, "PostgreSQL is missing: apt-get install postgresql"
        self._options = options
        self.port = free_port()
        self.url = f"postgresql://aftercare@127.0.0.1:{self.port}"
        self._folder = Path(tempfile.mkdtemp(prefix="aftercare-postgres-", dir=disk))
        self._cluster = self._folder / "cluster"
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self._folder, "postgres", "postgres")
            self._as_user = ["runuser", "-u", "postgres", "--"]
        self._run("initdb", "-U", "aftercare", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")

    def start(self) -> None:
        """Start and wait until it answers."""
        folder = self._folder
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200"
            f" {self._options}"
        )
        self._run("pg_ctl", "-o", options, "-l", folder / "log", "-w", "start")

    def kill(self) -> None:
        """End it without warning: every connection breaks, and it recovers from its log at the next start."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def mend(self) -> None:
        """Start it again if it has ended by itself, from a full disk for one."""
        status = subprocess.run(
            [*self._as_user, POSTGRES_BINARIES[-1] / "pg_ctl", "-D", self._cluster, "status"], check=False
        )
        if status.returncode != 0:
            self.start()

    def freeze(self) -> None:
        """Stop every process of it in the middle of whatever it does; connections stay open."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # a backend may end at any moment
                process.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def cut_listeners(self) -> None:
        """Break the connections of everyone who listens for notices."""
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            listening = "query LIKE 'LISTEN%' OR query = 'SELECT 1'"
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}".encode())

    def create(self, like: str = "") -> str:
        """The URL of a new database: an empty one, or a copy of another, which nobody may use meanwhile."""
        name = f"test_{os.urandom(6).hex()}"
        template = f" TEMPLATE {like.rpartition('/')[2]}" if like else ""
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{template}".encode())
        return f"{self.url}/{name}"

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = url.rpartition("/")[2]
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def close(self) -> None:
        """End it and leave nothing behind."""
        if (self._cluster / "postmaster.pid").exists():
            self.thaw()
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(int((self._cluster / "postmaster.pid").read_text().split()[0]))
        return [first, *first.children(recursive=True)]

    def _run(self, program: str, *words: str | Path) -> None:
        binary = POSTGRES_BINARIES[-1] / program
        subprocess.run([*self._as_user, binary, "-D", self._cluster, *words], check=True, capture_output=True, cwd="/")
