"""The way without a socket, `/chat/poll` and `/chat/send`: the same frames, one request at a time, on any process.

Danger. A poll that waits for somebody who has gone; somebody who sends faster in pieces than a socket would let them;
a page that polls by itself and so keeps a forgotten sign-in alive.

Principle. Nothing is remembered between two requests but how fast a sign-in has been going. Rights are asked at every
one. What a poll shows is `chat.visit`, what a send stores is `chat.sending`: the numbers, the refusals and the limits
are the socket's.

Boundary. The token against forgery is checked for every POST by `core.web.csrf`; who asks comes from the cookie.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chat import conversations, opening, protocol, reader, welcome
from chat.marks import Reached
from chat.pace import Pace
from chat.presence import MOST_AT_ONCE
from chat.protocol import BadFrame, ClientFrame, ServerFrame
from chat.rooms import Chat
from chat.sending import Sending, pace_of, refused
from chat.visit import Visit
from chat.web import chat_of
from core import clock, hub
from core.database import FAULTS
from core.identity import access
from core.identity.callers import Caller
from core.refusals import Invalid, NotFound, Refusal, TooMany, Unavailable
from core.web import bodies, i18n

LONGEST_WAIT_MS = 25_000
CROWDED_MS = 5_000

HERE = (protocol.Send, protocol.Get, protocol.Read, protocol.Received, protocol.Typing)


async def poll(request: Request) -> Response:
    """What each conversation has after its cursor; waits a while when there is nothing."""
    asked = _read_poll(await _text(request))
    chat, caller = chat_of(request), await _caller(request, asked.as_)
    _spend(pace_of(chat, caller), max(1, len(asked.subs)))
    if chat.presence.count(caller.ref) >= MOST_AT_ONCE:
        raise TooMany(CROWDED_MS, "too_many_open")
    wait_s = min(max(0, asked.wait_ms), LONGEST_WAIT_MS) / 1_000
    visit = Visit(chat, caller, i18n.negotiate(request))
    leaving = asyncio.create_task(_left(request, visit), name="chat-poll-left")
    try:
        frames = await visit.answer(asked.subs, wait_s)
        return _answer([protocol.write(welcome.greet(caller)), *frames] if asked.greet else frames)
    finally:
        visit.leave()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def send(request: Request) -> Response:
    """Act on a frame or several, in their order; answers when what was sent is on disk."""
    frames = _read_frames(await _text(request))
    chat = chat_of(request)
    caller = await _caller(request, "staff" if request.query_params.get("as") == "staff" else "shopper")
    pace = pace_of(chat, caller)
    _spend(pace, max(1, len(frames)))
    return _answer([protocol.write(frame) for frame in await Errand(chat, caller, request, pace).run(frames)])


class Errand:
    """What one request to send does."""

    def __init__(self, chat: Chat, caller: Caller, request: Request, pace: Pace) -> None:
        self._chat = chat
        self._caller = caller
        self._lang = i18n.negotiate(request)
        self._pace = pace
        self._sending = Sending(chat, caller, self._lang, lambda frame: reader.purpose_named(caller, frame.purpose))

    async def run(self, frames: Sequence[ClientFrame]) -> list[ServerFrame]:
        """The answers to the frames, in their order. Messages are queued together, so each finds the one before it."""
        queued = [self._sent(frame) if isinstance(frame, protocol.Send) else None for frame in frames]
        answers: list[ServerFrame] = []
        for frame, sent in zip(frames, queued, strict=True):
            answers += [await sent] if sent is not None else await self._guarded(frame)
        return answers

    def _sent(self, frame: protocol.Send) -> "asyncio.Future[ServerFrame]":
        answered: asyncio.Future[ServerFrame] = asyncio.get_running_loop().create_future()
        self._sending.send(frame, lambda answer: None if answered.done() else answered.set_result(answer))
        return answered

    async def _guarded(self, frame: ClientFrame) -> list[ServerFrame]:
        conversation_id = str(getattr(frame, "c", ""))
        try:
            return await self._act(frame)
        except NotFound:
            return [protocol.Gone(conversation_id)]
        except Refusal as refusal:
            return [refused(refusal, self._lang, c=conversation_id)]
        except FAULTS:
            return [refused(Unavailable(retry_ms=2_000), self._lang, c=conversation_id)]

    async def _act(self, frame: ClientFrame) -> list[ServerFrame]:
        match frame:
            case protocol.Get():
                return await self._get(frame)
            case protocol.Read(c, upto):
                await self._reach(c, Reached(read=upto))
            case protocol.Received(c, upto):
                await self._reach(c, Reached(received=upto))
            case protocol.Typing(c):
                await self._type(c)
        return []

    async def _get(self, frame: protocol.Get) -> list[ServerFrame]:
        core, caller = self._chat.core, self._caller
        purpose, span = reader.purpose_named(caller, frame.purpose), reader.span_of(frame)
        reading = core.database.write if caller.is_staff else core.database.read
        _, events = await reading(opening.read_for, core, opening.Wish(caller, frame.c, purpose), span=span)
        reader.count_gap(frame)
        return reader.page_of(frame, events, self._sending.audience)

    async def _reach(self, conversation_id: str, reached: Reached) -> None:
        core = self._chat.core
        if max(reached.read, reached.received) > 0:
            await core.database.write(conversations.mark, core, self._caller, conversation_id, reached, now=clock.now())

    async def _type(self, conversation_id: str) -> None:
        if not self._pace.typing.take(asyncio.get_running_loop().time()):
            await self._chat.core.database.read(conversations.find, self._caller, conversation_id, now=clock.now())
            self._chat.core.hub.publish(hub.TYPING, hub.hint(conversation_id, self._caller.ref))


def _spend(pace: Pace, wanted: int) -> None:
    """Each conversation polled and each frame sent counts as a frame would on a socket. Raises: TooMany."""
    if wait_ms := pace.frames.take(asyncio.get_running_loop().time(), wanted):
        raise TooMany(wait_ms, "rate")


async def _caller(request: Request, side: Literal["shopper", "staff"]) -> Caller:
    return await (access.staff(request) if side == "staff" else access.caller(request))


async def _left(request: Request, visit: Visit) -> None:
    """End the visit when whoever asked hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    visit.hang_up()


async def _text(request: Request) -> str:
    try:
        return (await bodies.json_text(request, protocol.FRAME_BYTES)).decode()
    except UnicodeDecodeError:
        raise _unreadable() from None


def _read_poll(text: str) -> protocol.Poll:
    try:
        return protocol.parse_poll(text)
    except BadFrame:
        raise _unreadable() from None


def _read_frames(text: str) -> list[ClientFrame]:
    try:
        frames = protocol.parse(text)
    except BadFrame:
        raise _unreadable() from None
    if not all(isinstance(frame, HERE) for frame in frames):
        raise _unreadable()
    return frames


def _unreadable() -> Invalid:
    return Invalid("bad_frame", "That request is not in the form we expect.")


def _answer(frames: Sequence[str]) -> Response:
    return Response(f"[{','.join(frames)}]", 200, {"Cache-Control": "no-store"}, "application/json")


routes: list[BaseRoute] = [
    Route("/chat/poll", poll, methods=["POST"]),
    Route("/chat/send", send, methods=["POST"]),
]
