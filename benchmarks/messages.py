"""How many messages a second are delivered, sealed, durable and acknowledged, against a raw relay of the same server in
the same run, on SQLite and on PostgreSQL, by one process and by two: `python -m benchmarks.messages [seconds]`.

The raw relay is uvicorn with our protocol class and an endpoint that sends each message to both sides of a room, as it
came. The product is the real socket: parsed, masked, checked, numbered, sealed, committed with fsync, acknowledged,
fetched by cursor. Shoppers keep a window of unacknowledged messages; what counts is what reached the other side.
"""

import asyncio
import base64
import multiprocessing
import os
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import uvicorn
import uvloop
from rich.console import Console
from rich.table import Table
from sqlmodel import SQLModel
from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send

from chat import conversations, protocol, socket
from chat.outbox import client_id
from chat.rooms import Chat
from chat.server import SocketProtocol
from core import clock, garbage, mail, policy
from core.database import Database, Transaction
from core.identity import agreement, people, signins, staff
from core.identity.callers import Caller, Role
from core.identity.signins import Holder
from core.limits import Limits
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault
from core.web import csrf
from media.blobs import LocalBlobs
from media.uploads import Media
from support.house import carrier
from tests.services import PostgresServer, RedisServer

ROOMS = 40
AGENTS = 4
WINDOW = 32
TEXT = "Where is my parcel? It was to arrive on Tuesday, and the tracking page has not changed since. " * 2
MAIL_TABLES = mail


@dataclass(frozen=True)
class Seat:
    """One socket of the load: its cookie, its greeting, and the conversation it writes into, if any."""

    path: str
    cookie: str
    hello: str
    writes_to: str | None


@dataclass(frozen=True)
class Trial:
    """What is measured; `pace` is messages a second in all, or 0 for as fast as acknowledgements come."""

    name: str
    is_relay: bool = False
    is_postgres: bool = False
    processes: int = 1
    pace: float = 0.0


# ---------------------------------------------------------------- the servers


def serve(trial: Trial, place: int, settings: Settings, parent: Connection) -> None:
    """Run one of the servers in a process of its own."""
    uvloop.run(_serve(trial, place, settings, parent))


async def _serve(trial: Trial, place: int, settings: Settings, parent: Connection) -> None:
    if trial.is_relay:
        await _listen([WebSocketRoute("/relay/{room}", Relay())], {}, settings, parent, _relay_seats())
        return
    database = Database(settings.database_url)
    database.open()
    if place == 0:
        database.create_all(SQLModel.metadata)
    vault, rules, hub = Vault.open(settings), policy.load(settings.policy), carrier(settings)
    core = Core(settings, database, vault, rules, hub, Limits.open(settings))
    media = Media(core, LocalBlobs.open(settings))
    async with hub.running(), vault.shared_over(hub), Chat(core, media).running() as chat:
        seats = await _seats(core) if place == 0 else []
        await _listen(socket.routes, {"core": core, "chat": chat}, settings, parent, seats)
    vault.close()
    database.close()


async def _listen(
    routes: list[BaseRoute], state: dict[str, object], settings: Settings, parent: Connection, seats: list[Seat]
) -> None:
    app = Starlette(routes=routes)
    for name, value in state.items():
        setattr(app.state, name, value)
    options: dict[str, Any] = {"ws": SocketProtocol, "ws_per_message_deflate": False, "ws_max_size": 65_536}
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False, **options)
    server = uvicorn.Server(config)
    garbage.set_aside()
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn offers no event)
        await asyncio.sleep(0.01)
    parent.send((server.servers[0].sockets[0].getsockname()[1], settings.origin, seats))
    await asyncio.to_thread(parent.recv)
    server.should_exit = True
    await running


class Relay:
    """Sends what comes from one side of a room to both."""

    def __init__(self) -> None:
        self._rooms: dict[str, list[Send]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": protocol.SUBPROTOCOL})
        sides = self._rooms.setdefault(scope["path"], [])
        sides.append(send)
        while (message := await receive())["type"] == "websocket.receive":
            for side in sides:
                await side({"type": "websocket.send", "text": message["text"]})
        sides.remove(send)


def _relay_seats() -> list[Seat]:
    pairs = ((f"/relay/{room}", writes) for room in range(ROOMS) for writes in ("x", None))
    return [Seat(path, "", "", writes) for path, writes in pairs]


async def _seats(core: Core) -> list[Seat]:
    shoppers = [await _shopper(core) for _ in range(ROOMS)]
    new = staff.NewMember(login="ben", name="Ben", role=Role.AGENT, password="correct horse battery staple")
    member = await staff.create(core, new, now=clock.now())

    def enter(tx: Transaction) -> signins.Fresh:
        staff.sign_agreement(tx, Caller("staff", member.id), agreement.VERSION, now=clock.now())
        return signins.start(tx, core.hub, Holder("staff", member.id, "password_totp", Role.AGENT), now=clock.now())

    agents = []
    for number in range(AGENTS):
        fresh = await core.database.write(enter)
        watched = [seat.writes_to for seat in shoppers[number::AGENTS] if seat.writes_to]
        agents.append(Seat("/chat/socket", f"__Host-cd={fresh.token}", _hello(core, fresh.id, "staff", watched), None))
    return shoppers + agents


async def _shopper(core: Core) -> Seat:
    def enter(tx: Transaction) -> tuple[str, signins.Fresh]:
        visitor = people.welcome_visitor(tx, now=clock.now())
        return visitor, signins.start(tx, core.hub, Holder("visitor", visitor, "guest"), now=clock.now())

    visitor, signed_in = await core.database.write(enter)
    caller = Caller("visitor", visitor, name="Visitor")
    fresh = await conversations.prepare(core, caller.ref)
    await core.database.write(conversations.open_, core, caller, fresh, topic=None, locale="en", now=clock.now())
    hello = _hello(core, signed_in.id, "shopper", [fresh.id])
    return Seat("/chat/socket", f"__Host-cv={signed_in.token}", hello, fresh.id)


def _hello(core: Core, sign_in: str, side: str, watched: list[str]) -> str:
    subs = {conversation: protocol.Cursor() for conversation in watched}
    token = csrf.token(core.vault, sign_in)
    greeting = {"t": "hello", "csrf": token, "as": side, "subs": subs}
    return msgspec.json.encode(greeting).decode()


# ---------------------------------------------------------------- the load: a client that costs next to nothing


@dataclass
class Load:
    """One run against one server."""

    is_relay: bool
    pace: float = 0.0
    delivered: int = 0
    acked: int = 0
    rate: float = 0.0
    waits: list[float] = field(default_factory=list)
    until: float = 0.0

    def wait_ms(self, share: float) -> float:
        """How long so many of the messages waited at most for their acknowledgement."""
        waits = sorted(self.waits) or [0.0]
        return round(waits[min(len(waits) - 1, int(len(waits) * share))] * 1e3, 1)


class Seated(asyncio.Protocol):
    """A WebSocket client that counts frames without parsing them; its masking key is zero, so masking is free."""

    def __init__(self, seat: Seat, load: Load, host: str, origin: str) -> None:
        self.seat = seat
        self.load = load
        self.ready = asyncio.get_running_loop().create_future()
        self._request = (
            f"GET {seat.path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Protocol: {protocol.SUBPROTOCOL}\r\nOrigin: {origin}\r\nCookie: {seat.cookie}\r\n\r\n"
        )
        self._buffer = bytearray()
        self._is_open = False
        self._sent: dict[bytes, float] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            head, ending, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not ending:
                return
            assert b" 101 " in head.split(b"\r\n")[0] + b" ", head[:200]
            self._is_open, self._buffer = True, bytearray(rest)
            if self.seat.hello:
                self._write(self.seat.hello.encode())
            else:
                self.ready.set_result(None)
        self._read_frames()

    def _read_frames(self) -> None:
        start = 0
        while len(self._buffer) >= start + 2:
            size, head = self._buffer[start + 1] & 127, 2
            if size == 126:
                size, head = struct.unpack_from("!H", self._buffer, start + 2)[0], 4
            elif size == 127:
                size, head = struct.unpack_from("!Q", self._buffer, start + 2)[0], 10
            stop = start + head + size
            if len(self._buffer) < stop:
                break
            self._count(bytes(self._buffer[start + head : stop]))
            start = stop
        del self._buffer[:start]

    def _count(self, text: bytes) -> None:
        if not self.ready.done():
            if b'"t":"tops"' in text:
                self.ready.set_result(None)
            return
        mine = b'"t":"send"' if self.load.is_relay else b'"t":"ack"'
        theirs = b'"t":"send"' if self.load.is_relay else b'"t":"ev"'
        if self.seat.writes_to is None:
            self.load.delivered += text.count(theirs)
        elif answered := text.count(mine):
            self.load.acked += answered
            now = time.perf_counter()
            for piece in text.split(mine)[1:]:
                name = piece[piece.find(b'"m":"') + 5 :][:32]
                if sent := self._sent.pop(name, None):
                    self.load.waits.append(now - sent)
            if not self.load.pace and now < self.load.until and not self._transport.is_closing():
                self.write_messages(answered)

    def begin(self) -> None:
        """Keep a window of messages under way, or send at the pace of the load."""
        if not self.load.pace:
            self.write_messages(WINDOW)
            return
        self.write_messages(1)
        if time.perf_counter() < self.load.until:
            asyncio.get_running_loop().call_later(ROOMS / self.load.pace, self.begin)

    def write_messages(self, count: int) -> None:
        """Send this many more messages."""
        for _ in range(count):
            name = client_id().replace("-", "")
            self._sent[name.encode()] = time.perf_counter()
            frame = f'{{"t":"send","c":"{self.seat.writes_to}","m":"{name}","k":"message","b":{{"text":"{TEXT}"}}}}'
            self._write(frame.encode())

    def _write(self, payload: bytes) -> None:
        size = len(payload)
        head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
        self._transport.write(head + b"\0\0\0\0" + payload)

    def close(self) -> None:
        self._transport.abort()


def _same(client: Seated) -> Seated:
    return client


async def _measure(trial: Trial, ports: list[int], origin: str, seats: list[Seat], seconds: float) -> Load:
    """Load the servers; rooms are dealt out among them, and each agent sits at another one than her shoppers."""
    load, loop = Load(trial.is_relay, trial.pace), asyncio.get_running_loop()
    clients = []
    for number, seat in enumerate(seats):
        port = ports[(number + (seat.writes_to is None)) % len(ports)]
        client = Seated(seat, load, f"127.0.0.1:{port}", origin)
        await loop.create_connection(partial(_same, client), "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.ready for client in clients))
    begun = time.perf_counter()
    load.until = begun + seconds
    for client in clients:
        if client.seat.writes_to is not None:
            client.begin()
    await asyncio.sleep(seconds)
    load.rate = load.delivered / (time.perf_counter() - begun)
    for client in clients:
        client.close()
    return load


class Services:
    """A throw-away PostgreSQL and Redis; each trial gets databases of its own."""

    def __init__(self) -> None:
        self._postgres = PostgresServer()
        self._redis = RedisServer()
        self._postgres.start()
        self._redis.start()

    def settings(self, trial: Trial, folder: Path) -> Settings:
        """What the servers of a trial are told."""
        chosen: dict[str, Any] = {"data": folder, "message_rate": 1e6, "message_burst": 1_000_000}
        if trial.is_postgres:
            names = [f"bench_{os.urandom(4).hex()}" for _ in range(2)]
            with psycopg.connect(f"{self._postgres.url}/postgres", autocommit=True) as connection:
                for name in names:
                    connection.execute(f"CREATE DATABASE {name}")
            chosen["database_url"], chosen["keystore_url"] = (f"{self._postgres.url}/{name}" for name in names)
            chosen["redis_url"] = self._redis.url
        return Settings(**chosen)

    def close(self) -> None:
        """Stop both."""
        self._postgres.close()
        self._redis.close()


def run(trial: Trial, seconds: float, services: Services) -> Load:
    """Start the servers, load them, stop them."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, ports = [], [], []
    origin = ""
    seats: list[Seat] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = services.settings(trial, Path(folder))
        try:
            for place in range(trial.processes):
                here, there = context.Pipe()
                process = context.Process(target=serve, args=(trial, place, settings, there))
                process.start()
                pipes.append(here)
                processes.append(process)
                port, origin, made = here.recv()
                ports.append(port)
                seats = seats or made
            return asyncio.run(_measure(trial, ports, origin, seats, seconds))
        finally:
            for here in pipes:
                here.send("stop")
            for process in processes:
                process.join(20)
                if process.is_alive():
                    process.kill()


TRIALS = (
    Trial("relay", is_relay=True),
    Trial("SQLite"),
    Trial("PostgreSQL", is_postgres=True),
    Trial("PostgreSQL, two processes", is_postgres=True, processes=2),
)


def main() -> None:
    """Measure all in one run and print the ratios, as a table and as one line of JSON."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    title = f"{ROOMS} rooms, {WINDOW} messages under way in each, {seconds:.0f} s each"
    table = Table("server", "delivered/s", "of the relay", "acknowledged p50", "p99", "p99 at half load", title=title)
    services = Services()
    results: dict[str, dict[str, float]] = {}
    try:
        for trial in TRIALS:
            full = run(trial, seconds, services)
            half = full if trial.is_relay else run(replace(trial, pace=full.rate / 2), seconds, services)
            ratio = full.rate / results.get("relay", {}).get("rate", full.rate)
            results[trial.name] = {
                "rate": round(full.rate),
                "ratio": round(ratio, 3),
                "p50_ms": full.wait_ms(0.5),
                "p99_ms": full.wait_ms(0.99),
                "half_p99_ms": half.wait_ms(0.99),
            }
            row = results[trial.name]
            waits = (f"{row[name]:.1f} ms" for name in ("p50_ms", "p99_ms", "half_p99_ms"))
            table.add_row(trial.name, f"{full.rate:,.0f}", f"{ratio:.3f}", *waits)
    finally:
        services.close()
    Console().print(table)
    print(msgspec.json.encode(results).decode())


if __name__ == "__main__":
    main()
