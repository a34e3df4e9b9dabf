"""Chat over plain HTTP: uploads on their way into a conversation, and history for loading earlier and as a fallback.

Danger. A file or a page of history for somebody who has only guessed an address.

Principle. Whoever asks is known by cookie, the conversation says whether they may, and everything else is "not there".
Staff who read content here leave the same entry in the ledger as through the socket.

Boundary. A body is streamed into the media room, which seals it on the way; nothing is kept in memory or in the clear.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chat import audiences, conversations, opening, protocol, reader, sealing
from chat.log import Span
from chat.models import Conversation
from chat.rooms import Chat
from core import clock
from core.identity import access
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose
from core.refusals import Invalid, NotFound, NotSignedIn
from core.services import core_of
from core.vault.keys import DataKey
from core.web.bodies import json


def chat_of(request: Request) -> Chat:
    """The chat service of the application that serves this request."""
    chat = request.app.state.chat
    assert isinstance(chat, Chat)
    return chat


async def put_media(request: Request) -> Response:
    """Receive a file for a conversation; it becomes visible when a message claims it."""
    core, conversation_id = core_of(request), str(request.path_params["conversation"])
    caller, row = await _may(request, conversation_id, Operation.ATTACH)
    media, key = chat_of(request).media, sealing.key_of(core.vault, row)
    if not caller.is_staff:
        await core.database.read(chat_of(request).admit, core, caller)
    attachment = await media.receive(
        request.stream(),
        upload_id=str(request.path_params["upload"]),
        scope=row.id,
        key=key,
        uploader=caller.ref,
        owner=row.owner_next or row.owner,
        declared_name=request.query_params.get("name", ""),
        declared_size=_size(request),
        declared_type=request.headers.get("content-type", ""),
        now=clock.now(),
    )
    return json(request, media.facts(attachment, key), 201)


async def get_events(request: Request) -> Response:
    """A page of history: `?before=` or `?after=` a number of the caller's counting, at most 200 events."""
    core, conversation_id = core_of(request), str(request.path_params["conversation"])
    span, caller = _span(request), (await _callers(request))[0]
    reading = core.database.write if caller.is_staff else core.database.read
    wish = opening.Wish(caller, conversation_id, _purpose(request, caller))
    row, events = await reading(opening.read_for, core, wish, span=span)
    audience = audiences.of_caller(caller)
    frames = [protocol.plain(frame) for event in events if (frame := audiences.frame(event, audience))]
    last = row.last_seq if caller.is_staff else row.last_pub_seq
    return json(request, {"events": frames, "ep": row.epoch, "last": last})


async def may_see(request: Request, conversation_id: str) -> tuple[Caller, DataKey]:
    """For the media room: who asks, and the key of a conversation they may read. Raises: NotFound."""
    caller, row = await _may(request, conversation_id, Operation.READ_CONVERSATION)
    return caller, sealing.key_of(core_of(request).vault, row)


async def _may(request: Request, conversation_id: str, operation: Operation) -> tuple[Caller, Conversation]:
    """Whoever of those signed in in this browser may do this with the conversation. Raises: NotFound, NotSignedIn."""
    for caller in await _callers(request):
        try:
            row = await core_of(request).database.read(
                conversations.find, caller, conversation_id, operation, now=clock.now()
            )
        except NotFound:
            continue
        return caller, row
    raise NotFound


async def _callers(request: Request) -> Sequence[Caller]:
    """Shopper and staff may be signed in side by side; a page says with `?as=staff` which of them asks."""
    found = []
    wants_staff = request.query_params.get("as") == "staff"
    if not wants_staff and (shopper := await access.shopper(request)):
        found.append(shopper)
    try:
        found.append(await access.staff(request))
    except NotSignedIn:
        if not found:
            raise
    return found


def _purpose(request: Request, caller: Caller) -> Purpose | None:
    return reader.purpose_named(caller, request.query_params.get("purpose"))


def _span(request: Request) -> Span:
    try:
        limit = min(max(1, int(request.query_params.get("limit", protocol.NEWEST))), protocol.PAGE)
        if "after" in request.query_params:
            return Span(limit, start=max(1, min(int(request.query_params["after"]) + 1, 2**62)))
        return Span(limit, before=max(1, min(int(request.query_params.get("before", 2**62)), 2**62)))
    except ValueError:
        raise Invalid("number", "That request is not in the form we expect.") from None


def _size(request: Request) -> int | None:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 16 else None


routes: list[BaseRoute] = [
    Route("/chat/conversations/{conversation}/media/{upload}", put_media, methods=["PUT"]),
    Route("/chat/conversations/{conversation}/events", get_events, methods=["GET"]),
]
