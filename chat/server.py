"""The WebSocket protocol class for uvicorn: peers that are dead or have stopped reading are cut, not waited for.

uvicorn's keepalive ends with `transport.close()`, which waits for the buffer to drain: for a peer that never reads,
for ever, with its task and its kernel buffers. Here the last word is `abort()`, and the kernel is told to give up on
data that nobody acknowledges.
"""

import socket
from asyncio.transports import BaseTransport
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

ABORT = "aftercare.abort"
SEND_BUFFER_BYTES = 131_072
UNACKNOWLEDGED_MS = 30_000


class SocketProtocol(WebSocketsSansIOProtocol):
    """Use as `uvicorn.Config(ws=SocketProtocol)`; the application finds `abort` in its scope."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        own = transport.get_extra_info("socket")
        if own is not None and own.family in (socket.AF_INET, socket.AF_INET6):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)

    async def run_asgi(self) -> None:
        scope = cast(dict[str, Any], self.scope)  # Any: an ASGI scope; the entry is our own addition
        scope[ABORT] = self.transport.abort
        await super().run_asgi()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        """End a text that is not UTF-8 with 1007 as uvicorn does, but without a traceback in the log."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not is_utf8(b"".join(self.frames)):
            self.frames = []
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()


def is_utf8(text: bytes) -> bool:
    """Whether the bytes are text (RFC 3629: no surrogates)."""
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False
