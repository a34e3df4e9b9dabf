"""The door of the socket, `/chat/socket`: a bare ASGI endpoint from the handshake to the last frame.

Danger. Another site's page opening a socket with our cookies; a socket without a sign-in that stays open; a frame that
makes the process work or remember too much.

Principle. The origin is compared exactly before the handshake is accepted. The sign-in is the HttpOnly cookie, and the
first frame must carry its CSRF token within five seconds. Everything after that is `chat.connection`.

Boundary. One task per socket reads; `chat.outlet` writes.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send

from chat import protocol, welcome
from chat.connection import Connection
from chat.presence import MOST_AT_ONCE
from chat.protocol import BadFrame, Close, Hello
from chat.rooms import Chat
from chat.server import ABORT
from core.database import FAULTS
from core.identity import access
from core.identity.callers import Caller
from core.refusals import Refusal, TooMany, Unavailable
from core.services import core_of
from core.web import csrf, i18n

HELLO_S = 5.0
HELLO_BYTES = 32_768  # 200 conversations with the longest cursors there are
POLICY_VIOLATION = 1008
UNSUPPORTED_DATA = 1003


class Ended(Exception):
    """The other side has gone."""


class Refused(Exception):
    """The socket is closed with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Door:
    """The ASGI endpoint."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            client = await _admit(HTTPConnection(scope), receive, send)
        except Refused as refused:
            await _close(send, refused.code)
            return
        except Ended:
            return
        scope.clear()  # the handshake takes up room as long as the socket is open, and nobody asks for it any more
        try:
            await _listen(client, receive)
        finally:
            await client.finish()


async def _admit(connection: HTTPConnection, receive: Receive, send: Send) -> Connection:
    """Whoever is signed in is welcomed, and picks up where she was. Raises: Refused, Ended."""
    if connection.headers.get("origin") != core_of(connection).settings.origin:
        raise Refused(POLICY_VIOLATION)
    version = await _agree_on_version(connection.scope, send)
    chat = connection.app.state.chat
    assert isinstance(chat, Chat)
    _turn_away_while_draining(chat)
    hello = await _hello(receive)
    caller = await _sign_in(connection, hello, chat)
    _turn_away_while_draining(chat)
    abort, lang = _abort_of(connection.scope), i18n.negotiate(connection)
    client = Connection(chat, caller, send, abort, lang=lang, inbox=hello.inbox)
    chat.join(client)
    client.out.reply(welcome.greet(caller, version))
    client.begin(hello.subs)
    return client


async def _agree_on_version(scope: Scope, send: Send) -> str:
    """Choose the version. A browser turns a handshake without one into a bare 1006, so the first one offered is
    accepted and then closed with a code that tells the page to reload."""
    offered = scope["subprotocols"]
    version = protocol.agree(offered)
    await send({"type": "websocket.accept", "subprotocol": version or (offered[0] if offered else None)})
    if version is None:
        raise Refused(Close.NO_COMMON_VERSION)
    return version


def _turn_away_while_draining(chat: Chat) -> None:
    if chat.is_draining:
        raise Refused(Close.RESTARTING)


async def _hello(receive: Receive) -> Hello:
    try:
        text = await asyncio.wait_for(_text(receive), HELLO_S)
    except TimeoutError:
        raise Refused(Close.HELLO_TIMEOUT) from None
    if len(text) > HELLO_BYTES:
        raise Refused(Close.TOO_LARGE)
    try:
        frames = protocol.parse(text)
    except BadFrame:
        raise Refused(Close.BAD_FRAME) from None
    if len(frames) != 1 or not isinstance(frames[0], Hello):
        raise Refused(Close.NOT_SIGNED_IN)
    return frames[0]


async def _sign_in(connection: HTTPConnection, hello: Hello, chat: Chat) -> Caller:
    """Who is there, by cookie and token. Raises: Refused."""
    try:
        if hello.as_ == "staff":
            caller = await access.staff(connection)
        else:
            caller = await access.caller(connection)
        if not csrf.matches(chat.core.vault, [caller.sign_in or ""], hello.csrf):
            raise Refused(Close.FORBIDDEN)
        if chat.presence.count(caller.ref) >= MOST_AT_ONCE:
            raise Refused(Close.ABUSE)
        await chat.core.limits.spend("socket.open", caller.sign_in or caller.ref)
    except (TooMany, Unavailable):
        raise Refused(Close.OVERLOADED) from None
    except FAULTS:
        raise Refused(Close.INTERNAL) from None
    except Refusal as refusal:
        raise Refused(Close.FORBIDDEN if refusal.status == 403 else Close.NOT_SIGNED_IN) from None
    return caller


async def _listen(client: Connection, receive: Receive) -> None:
    """Read until the other side goes. Nothing here waits for anything but the next frame."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if client.out.is_ending:
            continue
        text: str | None = message.get("text")
        if text is None:
            client.out.close(UNSUPPORTED_DATA)
            continue
        try:
            frames = protocol.parse(text)
        except BadFrame:
            client.close(Close.BAD_FRAME)
            continue
        for frame in frames:
            client.receive(frame)


async def _text(receive: Receive) -> str:
    message = await receive()
    if message["type"] == "websocket.disconnect":
        raise Ended
    text: str | None = message.get("text")
    if text is None:
        raise Refused(UNSUPPORTED_DATA)
    return text


async def _close(send: Send, code: int) -> None:
    try:
        await send({"type": "websocket.close", "code": code, "reason": ""})
    except OSError:
        return  # gone already


def _abort_of(scope: Scope) -> Callable[[], None]:
    """What cuts the connection under us; without our own server class there is none and the close must do."""
    abort: Callable[[], Any] | None = scope.get(ABORT)  # Any: the transport's abort returns nothing of use
    return abort or (lambda: None)


routes: list[BaseRoute] = [WebSocketRoute("/chat/socket", Door())]
