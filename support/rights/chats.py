"""Chats: what a customer asks about her data in a chat is a request, opened by whoever answers her with one click."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat import conversations, log
from chat.models import Conversation
from core import clock
from core.database import Transaction
from core.identity import Caller, access, permissions
from core.identity.permissions import Operation
from core.refusals import Invalid
from core.services import core_of
from core.web.bodies import body, json
from support.desk.words import _
from support.rights import requests
from support.rights.models import Channel, Kind
from support.rights.requests import Asked


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What the customer wants, in her words as the agent passes them on."""

    kind: str
    words: str


class Opened(msgspec.Struct):
    """The request that now stands."""

    reference: str
    due_ms: int
    is_merged: bool


async def open_request(request: Request) -> Response:
    """Open a request for the owner of a conversation that the caller answers."""
    caller, core, now = await access.staff(request), core_of(request), clock.now()
    wish = await body(request, Wish)
    if wish.kind not in set(Kind):
        raise Invalid("kind", _("Choose what was asked for."))
    row = await core.database.read(_conversation, caller, str(request.path_params["conversation"]), now=now)
    asked = Asked(Kind(wish.kind), Channel.CHAT, row.owner, wish.words, row.locale, conversation=row.id)
    received = await requests.take(core, caller, asked, now=now)
    return json(request, Opened(received.reference, received.due_ms, received.is_merged), 201)


def _conversation(tx: Transaction, caller: Caller, conversation_id: str, *, now: int) -> Conversation:
    """The conversation, if the caller may open a case from it. Raises: NotFound."""
    row = conversations.find(tx, caller, conversation_id, now=now)
    permissions.require(caller, Operation.OPEN_CASE, log.resource(row))
    return row


routes = [Route("/desk/conversations/{conversation}/right", open_request, methods=["POST"])]
