"""The protocol classes for uvicorn: peers that are dead, silent or have stopped reading are cut, not waited for.

Danger. uvicorn waits for ever: for the rest of a request's head, for a body that trickles, and after a keepalive that
got no answer for a buffer to drain that nobody reads; each wait holds a task, memory and kernel buffers. It answers
pings and collects fragments without a bound.

Principle. A head comes soon and is short, a body keeps coming, the kernel gives up on data that nobody acknowledges or
takes, and the last word is always `abort()`.
"""

import asyncio
import random
import socket
from asyncio.transports import BaseTransport
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from chat import beats
from chat.waiting import Gate, Mailbox

ABORT = "aftercare.abort"
SEND_BUFFER_BYTES = 131_072
WRITE_BUFFER_BYTES = 65_536
UNACKNOWLEDGED_MS = 30_000
HEAD_S = 15.0
HEAD_BYTES = 65_536
BODY_PAUSE_S = 30.0
FRAGMENTS = 64
CLOSE_S = 10.0
PING = b"\x89\x04"  # RFC 6455 section 5.5.2, with four bytes to be sent back


class HttpProtocol(HttpToolsProtocol):
    """Use as `uvicorn.Config(http=HttpProtocol)`; a socket begins here, too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        limit_kernel(transport)
        self._heard_at = self.loop.time()
        self._head_bytes = 0
        self._body: asyncio.TimerHandle | None = None
        self._head: asyncio.TimerHandle | None = self.loop.call_later(HEAD_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        if self._body is not None:
            self._body.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        head = self._head
        super().data_received(data)
        if head is not None and self._head is head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.abort()
        if self._body is None and self._awaits_body():
            self._body = self.loop.call_later(BODY_PAUSE_S, self._check_body)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:
            self._head_bytes = 0
            self._head = self.loop.call_later(HEAD_S, self.transport.abort)

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def _head_is_here(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _awaits_body(self) -> bool:
        cycle = self.cycle
        return cycle is not None and cycle.more_body and not cycle.response_complete

    def _check_body(self) -> None:
        """Cut who pauses too long within a body, unless it is we who have stopped reading."""
        self._body = None
        if not self._awaits_body():
            return
        silent_s = 0.0 if self.flow.read_paused else self.loop.time() - self._heard_at
        if silent_s >= BODY_PAUSE_S:
            self.transport.abort()
        else:
            self._body = self.loop.call_later(BODY_PAUSE_S - silent_s, self._check_body)


class SocketProtocol(WebSocketsSansIOProtocol):
    """Use as `uvicorn.Config(ws=SocketProtocol)`; the application finds `abort` in its scope.

    Most sockets are idle, so what one keeps while nothing happens is kept small: the slots hold what uvicorn would put
    into a dictionary, the handshake is forgotten once it is over, and one timer beats for all (`chat.beats`).
    """

    __slots__ = (
        *("config", "app", "loop", "logger", "root_path", "asgi_version", "app_state", "connections", "tasks"),
        *("default_headers", "transport", "server", "client", "scheme", "queue", "handshake_initiated"),
        *("handshake_complete", "close_sent", "disconnected", "close_timer", "close_timeout", "initial_response"),
        *("conn", "read_paused", "writable", "ping_interval", "ping_timeout", "ping_timer", "pong_timer"),
        *("pending_ping_payload", "ping_sent_at", "last_ping_rtt", "frames", "curr_msg_data_type", "request"),
        *("response", "scope", "_last_word", "_pong", "_spoke"),
    )
    queue: Mailbox[ASGIReceiveEvent]  # type: ignore[assignment]  # all that uvicorn uses of an asyncio.Queue
    writable: Gate  # type: ignore[assignment]  # all that uvicorn uses of an asyncio.Event

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:  # Any: as uvicorn
        super().__init__(config, server_state, app_state)
        self.queue = Mailbox()
        self.writable = Gate()
        self._pong = b""
        self._last_word: asyncio.TimerHandle | None = None
        self._spoke: int | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._last_word is not None:
            self._last_word.cancel()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:  # else it was refused, and there is no scope
            cast(dict[str, Any], self.scope)[ABORT] = self.transport.abort  # Any: an ASGI scope; this is our addition

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self._last_word = self.loop.call_later(CLOSE_S, self.transport.abort)

    async def receive(self) -> ASGIReceiveEvent:
        while self.queue.empty():
            await self.queue.arrival()
        message = self.queue.take()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's; a text on an open socket is framed here, without an object for it."""
        text = message.get("text")
        if not isinstance(text, str) or not self.handshake_complete or self.conn.state is not State.OPEN:
            await super().send(message)
            return
        if not self.writable.is_set():
            await self.writable.wait()
            if self.conn.state is not State.OPEN:
                raise ClientDisconnected
        if self.disconnected:
            raise ClientDisconnected
        self.transport.write(text_frame(text.encode()))

    # ------------------------------------------------------------ keepalive

    def start_keepalive(self) -> None:
        """The handshake is over: forget it, and ask now and then whether the other side still hears us."""
        self.request.headers.clear()
        self.response.headers.clear()
        if self.ping_interval:
            self._spoke = beats.wheel(self.ping_interval).add(self)

    def stop_keepalive(self) -> None:
        if self.ping_interval and self._spoke is not None:
            beats.wheel(self.ping_interval).remove(self, self._spoke)
            self._spoke = None

    def beat(self) -> None:
        """Ask; who has not answered since the last time is cut, and no close waits for a buffer nobody reads."""
        if self.close_sent or self.transport.is_closing():
            return
        if self.pending_ping_payload is not None:
            self.keepalive_timeout()
            self.transport.abort()
            return
        self.pending_ping_payload = random.randbytes(4)  # noqa: S311  (tells this answer from an older one)
        self.transport.write(PING + self.pending_ping_payload)

    def handle_pong(self, event: Frame) -> None:
        if event.data == self.pending_ping_payload:
            self.pending_ping_payload = None

    # ------------------------------------------------------------ what comes in

    def handle_ping(self) -> None:
        """Answer at once, or only what came last (one reading at most) once the answers before it have been read."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._pong = b"".join(self.conn.data_to_send())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pong and not self.transport.is_closing():
            self.transport.write(self._pong)
        self._pong = b""

    def handle_cont(self, event: Frame) -> None:
        """Keep a message in few pieces, however many (even empty) ones it comes in; its size has a limit already."""
        if len(self.frames) >= FRAGMENTS:
            self.frames = [b"".join(self.frames)]
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """End a text that is not UTF-8 with 1007 as uvicorn does, but without a traceback in the log."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not is_utf8(b"".join(self.frames)):
            self.frames = []
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()


def limit_kernel(transport: BaseTransport) -> None:
    """Let the kernel hold little for a peer, and give up on one that takes nothing for a while."""
    own = transport.get_extra_info("socket")
    if own is not None and own.family in (socket.AF_INET, socket.AF_INET6):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)


def text_frame(text: bytes) -> bytes:
    """A whole text as one frame of a server, unmasked (RFC 6455 section 5.2)."""
    size = len(text)
    if size < 126:
        return b"\x81%c%b" % (size, text)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), text)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), text)


def is_utf8(text: bytes) -> bool:
    """Whether the bytes are text (RFC 3629: no surrogates)."""
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False
