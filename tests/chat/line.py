"""A real server on a free port, and clients that speak the protocol to it over real sockets."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import msgspec
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.middleware import Middleware
from websockets.asyncio.client import ClientConnection
from websockets.typing import Origin, Subprotocol

import chat.web
import media.web
from chat import conversations, poll, protocol, socket
from chat.models import Conversation
from chat.protocol import Ev
from chat.rooms import Chat
from chat.server import HttpProtocol, SocketProtocol
from core import clock
from core.database import Transaction
from core.identity import agreement, people, signins, staff
from core.identity.callers import Caller, Role
from core.identity.signins import Fresh, Holder
from core.services import Core
from core.web import csrf
from core.web.edge import Edge
from media.uploads import Media

F = TypeVar("F", bound=protocol.ServerFrame)
COOKIES = {"visitor": "__Host-cv", "person": "__Host-cs", "staff": "__Host-cd"}
PATIENCE_S = 10


@dataclass(frozen=True)
class SignedIn:
    """Somebody with a sign-in, as a browser holds it."""

    kind: str
    id: str
    sign_in: str
    cookie: str
    csrf: str

    @property
    def ref(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass
class House:
    """The server under test."""

    core: Core
    chat: Chat
    port: int
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/chat/socket"

    async def guest(self) -> SignedIn:
        """A guest in a browser of her own."""

        def enter(tx: Transaction) -> tuple[str, Fresh]:
            visitor = people.welcome_visitor(tx, now=clock.now())
            holder = Holder("visitor", visitor, "guest")
            return visitor, signins.start(tx, self.core.hub, holder, now=clock.now())

        visitor, fresh = await self.core.database.write(enter)
        return self._signed_in("visitor", visitor, fresh)

    async def member(self, login: str, role: Role = Role.AGENT) -> SignedIn:
        """A member of staff who has signed the agreement."""
        new = staff.NewMember(login=login, name=login.title(), role=role, password="correct horse battery staple")
        enrolled = await staff.create(self.core, new, now=clock.now())

        def enter(tx: Transaction) -> Fresh:
            newcomer = Caller("staff", enrolled.id)
            staff.sign_agreement(tx, newcomer, agreement.VERSION, now=clock.now())
            holder = Holder("staff", enrolled.id, "password_totp", role)
            return signins.start(tx, self.core.hub, holder, now=clock.now())

        fresh = await self.core.database.write(enter)
        return self._signed_in("staff", enrolled.id, fresh)

    def _signed_in(self, kind: str, caller_id: str, fresh: Fresh) -> SignedIn:
        cookie = f"{COOKIES[kind]}={fresh.token}"
        return SignedIn(kind, caller_id, fresh.id, cookie, csrf.token(self.core.vault, fresh.id))

    async def conversation(self, owner: SignedIn) -> Conversation:
        """A conversation of this shopper's."""
        caller = Caller("visitor", owner.id, name="Visitor", sign_in=owner.sign_in)
        fresh = await conversations.prepare(self.core, owner.ref)
        return await self.core.database.write(
            conversations.open_, self.core, caller, fresh, topic=None, locale="en", now=clock.now()
        )

    @contextlib.asynccontextmanager
    async def connect(self, who: SignedIn, **hello: Any) -> AsyncIterator["Client"]:  # Any: fields of a hello
        """A socket that has been welcomed."""
        async with self.socket(who) as raw:
            client = Client(raw)
            await client.say(t="hello", csrf=who.csrf, **{"as": "staff" if who.kind == "staff" else "shopper"}, **hello)
            await client.until(protocol.Tops)
            yield client

    def browser(self, who: SignedIn) -> httpx.AsyncClient:
        """Plain HTTP, with what a browser of ours sends along."""
        headers = {"Cookie": who.cookie, "X-CSRF-Token": who.csrf, "Origin": self.core.settings.origin}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)

    async def poll(self, who: SignedIn, subs: Any, wait_ms: int = 0) -> list[protocol.ServerFrame]:
        """The frames of one poll. Any: cursors as JSON."""
        asked = {"as": "staff" if who.kind == "staff" else "shopper", "subs": subs, "wait_ms": wait_ms}
        async with self.browser(who) as http:
            answer = await http.post("/chat/poll", json=asked)
        assert answer.status_code == 200, answer.text
        return protocol.read_server(answer.text)

    async def post(self, who: SignedIn, *frames: Any) -> list[protocol.ServerFrame]:
        """The answers to frames sent without a socket. Any: frames as JSON."""
        side = "?as=staff" if who.kind == "staff" else ""
        async with self.browser(who) as http:
            answer = await http.post(f"/chat/send{side}", json=list(frames))
        assert answer.status_code == 200, answer.text
        return protocol.read_server(answer.text)

    def socket(self, who: SignedIn | None, origin: str | None = "", version: str | None = protocol.SUBPROTOCOL) -> Any:
        """A bare socket. Any: the client library's context manager."""
        return websockets.connect(
            self.url,
            origin=None if origin is None else Origin(origin or self.core.settings.origin),
            subprotocols=[Subprotocol(version)] if version else None,
            additional_headers={"Cookie": who.cookie} if who else {},
            compression=None,
            max_size=None,
        )


@dataclass
class Client:
    """One side of a socket: what it sends, everything it got."""

    raw: ClientConnection
    frames: list[protocol.ServerFrame] = field(default_factory=list)
    seen: int = 0

    async def say(self, **frame: Any) -> None:  # Any: fields of a frame
        """Send one frame."""
        await self.raw.send(msgspec.json.encode(frame).decode())

    async def send(self, chat: Conversation, text: str = "Hello", **fields: Any) -> str:  # Any: fields of a send
        """Send a message; returns its client id."""
        name = str(fields.pop("m", uuid.uuid4()))
        body = fields.pop("b", {"text": text})
        await self.say(t="send", c=chat.id, m=name, k=fields.pop("k", "message"), b=body, **fields)
        return name

    async def until(self, kind: type[F], matches: Callable[[F], bool] = lambda _: True) -> F:
        """The next frame of this kind that matches; those before it are kept in `frames`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self.seen < len(self.frames):
                    frame = self.frames[self.seen]
                    self.seen += 1
                    if isinstance(frame, kind) and matches(frame):
                        return frame
                self.frames += protocol.read_server(str(await self.raw.recv()))

    def got(self, kind: type[F]) -> list[F]:
        """Every frame of this kind so far."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def events(self, upto: int) -> list[Ev]:
        """The events received, once number `upto` is among them."""
        if not any(event.s >= upto for event in self.got(Ev)):
            await self.until(Ev, lambda event: event.s >= upto)
        return self.got(Ev)

    async def closed(self) -> int:
        """The code with which the server ends the socket."""
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await self.raw.recv()
        return self.raw.close_code or 0


@contextlib.asynccontextmanager
async def serving(core: Core, uploads: Media, port: int) -> AsyncIterator[House]:
    """Serve chat and its files, and nothing else, until the test is over."""
    chat_service = Chat(core, uploads)
    files = media.web.routes(chat.web.may_see)
    app = Starlette(
        routes=[*socket.routes, *poll.routes, *chat.web.routes, *files],
        middleware=[Middleware(Edge), Middleware(csrf.CsrfGuard)],
    )
    app.state.core, app.state.chat, app.state.media = core, chat_service, uploads
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=protocol.FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    async with chat_service.running():
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  (uvicorn offers no event)
            await asyncio.sleep(0.01)
        try:
            yield House(core, chat_service, port, server)
        finally:
            server.should_exit = True
            await running
