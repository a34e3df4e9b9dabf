"""How a server ends: asked, asked twice, orphaned, or stuck."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Origin, Subprotocol

from chat import protocol
from chat.lines import cookie_header
from chat.protocol import Close, Err
from support.replay.doors import Admission, enter_as_guest
from tests.conftest import ROOT
from tests.site import Site

PATIENCE_S = 60


@contextlib.asynccontextmanager
async def connected(site: Site, guest: Admission, conversation: str) -> AsyncIterator[ClientConnection]:
    """A guest's socket, signed in and watching."""
    async with websockets.connect(
        site.url.replace("http", "ws") + "/chat/socket",
        origin=Origin(site.url),
        subprotocols=[Subprotocol(protocol.SUBPROTOCOL)],
        additional_headers={"Cookie": cookie_header(guest.cookies)},
        compression=None,
    ) as socket:
        await say(socket, t="hello", csrf=guest.csrf, subs={conversation: {}}, **{"as": "shopper"})
        await until(socket, protocol.Tops)
        yield socket


async def say(socket: ClientConnection, **frame: Any) -> None:  # Any: fields of a frame
    await socket.send(msgspec.json.encode(frame).decode())


async def until(socket: ClientConnection, kind: type[protocol.ServerFrame]) -> protocol.ServerFrame:
    """The first frame of this kind."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for frame in protocol.read_server(str(await socket.recv())):
                if isinstance(frame, kind):
                    return frame


async def closed(socket: ClientConnection) -> int:
    """The code with which the server ends the socket."""
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0


def ask(url: str) -> None:
    """Ask for a page that will not come."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=0.5).close()


def gone(process: psutil.Process) -> bool:
    """Whether it ends in time."""
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(PATIENCE_S)
    return not process.is_running()


async def test_a_drain_refuses_what_is_new_and_sends_everybody_away_one_by_one(tmp_path: Path) -> None:
    site = Site(tmp_path, patches="leisurely")
    site.start()
    guest, conversation = await enter_as_guest(site.url)
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connected(site, guest, conversation)) for _ in range(6)]

        site.send(signal.SIGTERM)
        byes = [await until(socket, protocol.Bye) for socket in sockets]
        readiness = await asyncio.to_thread(site.status, "/readyz")
        still_open = [socket for socket in sockets if not socket.close_code]
        for socket in still_open[-2:]:
            await say(
                socket,
                t="send",
                c=conversation,
                m="4f9f3a52-5d0f-4f0b-9a37-d2d6f2e0c001",
                k="message",
                b={"text": "Wait"},
            )
        refusals = [await until(socket, Err) for socket in still_open[-2:]]
        codes = [await closed(socket) for socket in sockets]

    assert len(byes) == 6
    assert readiness == 503
    assert [(err.code, err.retry) for err in refusals if isinstance(err, Err)] == [("busy", "same")] * 2
    assert codes == [Close.RESTARTING] * 6
    assert site.ended() == 0


async def test_what_was_being_written_is_acknowledged_before_the_socket_closes(tmp_path: Path) -> None:
    site = Site(tmp_path, message_rate="1000", message_burst="1000")
    site.start()
    guest, conversation = await enter_as_guest(site.url)
    names = [f"4f9f3a52-5d0f-4f0b-9a37-{number:012d}" for number in range(300)]
    acked: set[str] = set()

    async with connected(site, guest, conversation) as socket:
        for name in names:
            await say(socket, t="send", c=conversation, m=name, k="message", b={"text": "Hello"})
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    frames = protocol.read_server(str(await socket.recv()))
                    new = {frame.m for frame in frames if isinstance(frame, protocol.Ack)}
                    if new and not acked:
                        site.send(signal.SIGTERM)
                    acked |= new

    assert site.ended() == 0
    site.start()
    async with connected(site, guest, conversation) as socket:
        await say(socket, t="ping", n=1)
        pong = await until(socket, protocol.Pong)
    site.stop()
    assert isinstance(pong, protocol.Pong)
    assert 0 < len(acked) == pong.tops[conversation][1] - 1  # the first event is that it was opened


def test_a_server_that_nobody_uses_stops_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start()

    site.send(signal.SIGINT)

    assert site.ended() == 0
    assert not (site.data / "control.sock").exists()


def test_a_second_signal_ends_a_drain_that_takes_too_long(tmp_path: Path) -> None:
    site = Site(tmp_path, patches="stuck")
    site.start()

    site.send(signal.SIGINT)
    site.send(signal.SIGTERM)  # Ctrl+C as a runner passes it on: one wish, not two
    echo_was_ignored = site.lives_for(1.5)
    site.send(signal.SIGTERM)

    assert echo_was_ignored
    assert site.ended() == 1
    assert "stopped_unfinished" not in site.output()


def test_a_drain_that_hangs_is_given_up(tmp_path: Path) -> None:
    site = Site(tmp_path, patches="stuck impatient_stop")
    site.start()

    site.send(signal.SIGTERM)

    assert site.ended() == 1
    assert "stopped_unfinished" in site.output()


def test_a_server_whose_loop_is_blocked_says_where_and_ends(tmp_path: Path) -> None:
    site = Site(tmp_path, patches="blocking impatient")
    site.start()

    ask(f"{site.url}/block")

    assert site.ended() == 70
    assert "in sit_on_the_loop" in site.output()
    assert "loop_blocked" in site.output()


def test_a_server_whose_interpreter_is_held_ends_too(tmp_path: Path) -> None:
    site = Site(tmp_path, patches="holding impatient")
    site.start()

    ask(f"{site.url}/hold")

    assert site.ended() == -signal.SIGPROF
    assert "in hold_the_interpreter" in site.output()


def test_a_server_that_was_stopped_for_a_while_lives_on(tmp_path: Path) -> None:
    site = Site(tmp_path, patches="impatient")
    site.start()
    questions = 3 * 10 * 0.2

    site.send(signal.SIGSTOP)
    site.lives_for(questions)
    site.send(signal.SIGCONT)

    assert site.lives_for(questions)
    assert site.status("/healthz") == 200
    site.stop()


def worker_of(folder: Path, postgres_url: str, patches: str) -> tuple["subprocess.Popen[bytes]", Path]:
    """A worker in a process of its own, and its log."""
    environment = {**os.environ, "AFTERCARE_DATA": str(folder), "AFTERCARE_DATABASE_URL": postgres_url}
    environment["AFTERCARE_KEYSTORE_URL"] = postgres_url
    migrate = [sys.executable, "-m", "support.cli", "migrate"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True, timeout=60, capture_output=True)
    log = folder / "worker.log"
    work = [sys.executable, "-m", "tests.patched", "worker"]
    with log.open("wb") as out:
        environment |= {"PATCHES": patches}
        return subprocess.Popen(work, cwd=ROOT, env=environment, stdout=out, stderr=out), log


def test_a_worker_stops_when_asked(tmp_path: Path, postgres_url: str) -> None:
    worker, log = worker_of(tmp_path, postgres_url, "")
    deadline = time.monotonic() + PATIENCE_S
    while not psutil.Process(worker.pid).net_connections("tcp") and time.monotonic() < deadline:
        time.sleep(0.1)  # it hears signals before it opens the database

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(PATIENCE_S) == 0, log.read_text()


def test_a_worker_whose_loop_is_blocked_says_where_and_ends(tmp_path: Path, postgres_url: str) -> None:
    worker, log = worker_of(tmp_path, postgres_url, "blocking_worker impatient")

    code = worker.wait(PATIENCE_S)

    assert code == 70
    assert "in sit_on_the_job" in log.read_text()


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "support.cli", "serve"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize(("runner", "ends"), [({"PS": "web.1"}, True), ({}, False)])
def test_a_server_ends_with_its_runner_but_not_with_its_shell(
    tmp_path: Path, runner: dict[str, str], *, ends: bool
) -> None:
    site = Site(tmp_path, demo=False)
    environment = {name: value for name, value in site.environment.items() if name != "PS"} | runner
    with site.log.open("ab") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    site.wait_until_ready()

    parent.kill()
    parent.wait()
    parent.stdout.close()

    if ends:
        assert gone(server)
    else:
        assert site.status("/readyz") == 200
        server.terminate()
        assert gone(server)
