"""The protocol classes for uvicorn: peers that are dead, silent or have stopped reading are cut, not waited for.

Danger. uvicorn waits for ever: for the rest of a request's head, for a body that trickles, and after a keepalive that
got no answer for a buffer to drain that nobody reads; each wait holds a task, memory and kernel buffers. It answers
pings and collects fragments without a bound.

Principle. A head comes soon and is short, a body keeps coming, the kernel gives up on data that nobody acknowledges or
takes, and the last word is always `abort()`.
"""

import asyncio
import socket
from asyncio.transports import BaseTransport
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

ABORT = "aftercare.abort"
SEND_BUFFER_BYTES = 131_072
WRITE_BUFFER_BYTES = 65_536
UNACKNOWLEDGED_MS = 30_000
HEAD_S = 15.0
HEAD_BYTES = 65_536
BODY_PAUSE_S = 30.0
FRAGMENTS = 64
CLOSE_S = 10.0


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
    """Use as `uvicorn.Config(ws=SocketProtocol)`; the application finds `abort` in its scope."""

    _pong = b""
    _last_word: asyncio.TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        limit_kernel(transport)
        self.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._last_word is not None:
            self._last_word.cancel()

    async def run_asgi(self) -> None:
        scope = cast(dict[str, Any], self.scope)  # Any: an ASGI scope; the entry is our own addition
        scope[ABORT] = self.transport.abort
        await super().run_asgi()
        if not self.disconnected:
            self._last_word = self.loop.call_later(CLOSE_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

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


def is_utf8(text: bytes) -> bool:
    """Whether the bytes are text (RFC 3629: no surrogates)."""
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False
