"""What a client puts into the log, by socket or by a single request: from its frame to the answer.

Danger. Something stored that the client may not send, a card number stored as it was typed, a message dropped without
a word.

Principle. Every `send` is answered exactly once, with an `ack` after the commit or with an `err` that says whether
the same id may come again. Who is asking comes from the sign-in; the append asks for the permission on the locked row.

Boundary. Nothing here waits: the log calls back when it is done.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from chat import audiences, bodies, protocol, rooms
from chat.drafts import Ack, Draft, Prepare
from chat.pace import Pace
from core import ids
from core.database import OutcomeUnknown
from core.identity import codes
from core.identity.callers import Caller
from core.identity.permissions import Purpose
from core.masking import find_cards, mask_cards
from core.refusals import Invalid, NotFound, Refusal, TooMany, Unavailable
from core.settings import Settings
from core.web import i18n

logger = structlog.get_logger("chat")

IN_FLIGHT = 256
ABUSE = 200
STAFF_RATE, STAFF_BURST = 5.0, 50

PurposeOf = Callable[[protocol.Send], Purpose | None]
Reply = Callable[[protocol.Ack | protocol.Err], None]

_OF_SHOPPERS = frozenset({"message", "media", "rating", "revised", "retracted"})
_OF_STAFF = frozenset({"message", "media", "note", "revised", "retracted", "redacted"})


def pace_for(settings: Settings, caller: Caller) -> Pace:
    """A fresh pace: staff write faster than shoppers."""
    rate, burst = settings.message_rate, settings.message_burst
    return Pace(max(rate, STAFF_RATE), max(burst, STAFF_BURST)) if caller.is_staff else Pace(rate, burst)


def pace_of(chat: "rooms.Chat", caller: Caller) -> Pace:
    """How fast a sign-in has been going, over however many sockets and requests."""
    now_s = asyncio.get_running_loop().time()
    return chat.paces.of(caller.sign_in or caller.ref, now_s, lambda: pace_for(chat.core.settings, caller))


def refused(refusal: Refusal, lang: str, *, c: str | None = None, m: str | None = None) -> protocol.Err:
    """A refusal as a frame, in the client's language."""
    return protocol.refusal(refusal, i18n.gettext(lang, refusal.sentence), c=c, m=m)


class Sending:
    """The messages of one client on their way into the log."""

    def __init__(self, chat: "rooms.Chat", caller: Caller, lang: str, purpose_of: PurposeOf) -> None:
        self._chat = chat
        self._caller = caller
        self.audience = audiences.of_caller(caller)
        self._lang = lang
        self._purpose_of = purpose_of
        self._in_flight = 0
        self._too_fast = 0
        self._admitted = ""  # under which version of the policy the last message was taken

    @property
    def is_abuse(self) -> bool:
        """Whether the client goes on and on although it was told to wait."""
        return self._too_fast > ABUSE

    def send(self, frame: protocol.Send, reply: Reply) -> None:
        """Hand the message to the log; `reply` is called once, now or after the commit."""
        try:
            draft, masked = self._draft(frame)
            self._chat.submit(
                draft,
                partial(self._settled, frame, masked, self._chat.core.policy.version, reply),
                memoryview(frame.b).nbytes,
            )
        except Refusal as refusal:
            reply(refused(refusal, self._lang, c=frame.c, m=frame.m))
            return
        self._in_flight += 1

    def _draft(self, frame: protocol.Send) -> tuple[Draft, int]:
        """The draft of a `send`, and how many card numbers were taken out of it. Raises: Refusal."""
        if self._chat.is_draining or self._in_flight >= IN_FLIGHT:
            raise Unavailable("busy", retry_ms=1_000)
        if wait := pace_of(self._chat, self._caller).messages.take(asyncio.get_running_loop().time()):
            self._too_fast += 1
            raise TooMany(wait, "rate")
        _check_ids(frame)
        if frame.k not in (_OF_STAFF if self._caller.is_staff else _OF_SHOPPERS):
            raise Invalid("bad_kind", "That message could not be read.")
        body = bodies.read(frame.k, frame.b)
        masked = _mask(body)
        return Draft(
            conversation=frame.c,
            sender=self._caller,
            client_id=frame.m,
            kind=frame.k,
            body=body,
            after=frame.after,
            seen=frame.seen if self._caller.is_staff else None,
            prepare=self._preparing(frame, body),
            purpose=self._purpose_of(frame) if frame.k == "redacted" else None,
        ), masked

    def _preparing(self, frame: protocol.Send, body: dict[str, Any]) -> Prepare | None:  # Any: JSON values
        """What must be done to the body inside the message's own transaction."""
        own: Prepare | None = None
        if frame.k == "media":
            own = self._chat.claiming(frame.c, self._caller)
        elif codes.may_hold_code(body.get("text", "")):
            own = self._chat.hiding_codes
        is_admitted = self._caller.is_staff or self._admitted == self._chat.core.policy.version
        return own if is_admitted else self._chat.admitting(self._caller, own)

    def _settled(
        self, frame: protocol.Send, masked: int, version: str, reply: Reply, outcome: Ack | BaseException
    ) -> None:
        """The log has answered."""
        self._in_flight -= 1
        if isinstance(outcome, Ack):
            self._admitted = "" if outcome.duplicate else version
            number = outcome.position(self.audience)
            reply(protocol.Ack(frame.c, frame.m, number, outcome.ts, outcome.duplicate, masked))
        else:
            reply(refused(_as_refusal(outcome), self._lang, c=frame.c, m=frame.m))


def _check_ids(frame: protocol.Send) -> None:
    """What is no id of anything is refused before it is queued: one that a database cannot hold (a NUL) would take the
    whole batch down with it. Raises: Invalid, NotFound."""
    if not ids.is_id(frame.c):
        raise NotFound
    bodies.check_client_id(frame.m)
    if frame.after:
        bodies.check_client_id(frame.after)


def _as_refusal(error: BaseException) -> Refusal:
    """Why a message has no number; whatever is not a refusal of the log may come again under the same id."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OutcomeUnknown):
        return Unavailable("unknown", retry_ms=2_000)
    logger.error("append_failed", kind=type(error).__name__)
    return Unavailable("internal", retry_ms=5_000)


def _mask(body: dict[str, Any]) -> int:  # Any: JSON values
    """Reduce card numbers in what a person wrote, before anything is stored; returns how many there were."""
    found = 0
    for name in ("text", "comment"):
        if name in body and (cards := find_cards(body[name])):
            found += len(cards)
            body[name] = mask_cards(body[name])
    return found
