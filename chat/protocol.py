"""The wire as values: every frame of `aftercare.v1`, how it is read strictly and how it is written.

Pure: text in, frames out, and the other way round; no input, no output, no clock. `docs/protocol.md` tells the same
story for people, and a test reads every example of it through this module.
"""

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from chat.nesting import is_deeper
from core.refusals import Refusal

SUPPORTED = ("aftercare.v1",)
SUBPROTOCOL = SUPPORTED[0]
FRAME_BYTES = 65_536
DEPTH = 16
BATCH = 64
SUBSCRIPTIONS = 200
PAGE = 200
NEWEST = 50
FAR = 500
TYPING_TTL_MS = 6_000
HEARTBEAT_S = 25


class Close(IntEnum):
    """Why a socket ends. 40xx: come back. 44xx: do not try the same again."""

    RESTARTING = 1012
    OVERLOADED = 1013
    INTERNAL = 4000
    INCONSISTENT = 4001
    BAD_FRAME = 4400
    NOT_SIGNED_IN = 4401
    FORBIDDEN = 4403
    NO_COMMON_VERSION = 4406
    HELLO_TIMEOUT = 4408
    TOO_LARGE = 4413
    ABUSE = 4429


def agree(offered: Sequence[str]) -> str | None:
    """The newest version that both sides speak; while versions change, a server serves the one before too."""
    return next((version for version in SUPPORTED if version in offered), None)


class BadFrame(Exception):
    """The frame is not one of ours; the socket closes with 4400."""


Number = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""What a client may count with: what JavaScript and both databases hold exactly; anything beyond is a fault."""


# ---------------------------------------------------------------- client -> server


class Cursor(Struct):
    """Where a client stands in a conversation: the last number it holds and the epoch that number belongs to.

    `marks` is the version of the read marks it was shown last; only a poll asks by it.
    """

    cur: Number | None = None
    ep: str | None = None
    purpose: str | None = None
    marks: Number | None = None


class Hello(Struct, tag_field="t", tag="hello"):
    csrf: str
    tab: str = ""
    as_: Literal["shopper", "staff"] = field(default="shopper", name="as")
    subs: dict[str, Cursor] = {}
    inbox: bool = False


class Send(Struct, tag_field="t", tag="send"):
    c: str
    m: str
    k: str
    b: Raw
    after: str | None = None
    seen: Number | None = None
    purpose: str | None = None


class Sub(Struct, tag_field="t", tag="sub"):
    c: str
    cur: Number | None = None
    ep: str | None = None
    purpose: str | None = None


class Unsub(Struct, tag_field="t", tag="unsub"):
    c: str


class Get(Struct, tag_field="t", tag="get"):
    c: str
    from_: Number | None = field(default=None, name="from")
    to: Number | None = None
    before: Number | None = None
    limit: Number = NEWEST
    purpose: str | None = None


class Read(Struct, tag_field="t", tag="read"):
    c: str
    upto: Number


class Received(Struct, tag_field="t", tag="rcvd"):
    c: str
    upto: Number


class Typing(Struct, tag_field="t", tag="typing"):
    c: str


class Ping(Struct, tag_field="t", tag="ping"):
    n: Number = 0


class Poll(Struct):
    """The body of `/chat/poll`: who asks, where the client stands, and how long it would wait for news.

    `greet`: the answer shall begin with the `welcome` that a socket begins with.
    """

    as_: Literal["shopper", "staff"] = field(default="shopper", name="as")
    subs: dict[str, Cursor] = {}
    wait_ms: Number = 0
    greet: bool = False


ClientFrame = Hello | Send | Sub | Unsub | Get | Read | Received | Typing | Ping


class _Head(Struct):
    t: str


_client_frame = msgspec.json.Decoder(ClientFrame)
_poll = msgspec.json.Decoder(Poll)
_head = msgspec.json.Decoder(_Head)
_batch = msgspec.json.Decoder(list[Raw])
_known = {"hello", "send", "sub", "unsub", "get", "read", "rcvd", "typing", "ping"}


def parse(text: str) -> list[ClientFrame]:
    """Read one WebSocket message: an object or an array of objects; an unknown `t` is left out.

    Raises: BadFrame for anything that is not JSON of our shape, too deep or too many.
    """
    if is_deeper(text, DEPTH):
        raise BadFrame("nested too deeply")
    try:
        if text.lstrip()[:1] != "[":
            return _one(text)
        pieces = _batch.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadFrame(str(error)) from None
    if len(pieces) > BATCH:
        raise BadFrame("too many frames in one message")
    return [frame for piece in pieces for frame in _one(piece)]


def parse_poll(text: str) -> Poll:
    """Read the body of a poll. Raises: BadFrame."""
    if is_deeper(text, DEPTH):
        raise BadFrame("nested too deeply")
    try:
        return _poll.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadFrame(str(error)) from None


def _one(piece: str | Raw) -> list[ClientFrame]:
    try:
        return [_client_frame.decode(piece)]
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        if _is_unknown(piece):
            return []
        raise BadFrame(str(error)) from None


def _is_unknown(piece: str | Raw, known: Collection[str] = _known) -> bool:
    try:
        return _head.decode(piece).t not in known
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False


# ---------------------------------------------------------------- server -> client


class Who(Struct):
    """Who acts: `shopper`, `agent` or `system`. A shopper is never shown the id of a member of staff."""

    ref: str
    kind: str
    name: str


class Welcome(Struct, tag_field="t", tag="welcome"):
    sid: str
    me: Who
    now: int
    proto: str = SUBPROTOCOL
    hb: int = HEARTBEAT_S
    limits: dict[str, int] = {}
    features: list[str] = []


class Tops(Struct, tag_field="t", tag="tops"):
    conv: dict[str, tuple[str, int]]


class Ev(Struct, tag_field="t", tag="ev", omit_defaults=True):
    c: str
    s: int
    from_: Who = field(name="from")
    k: str
    b: dict[str, Any]  # Any: JSON values, checked by `chat.bodies` on the way in
    ts: int
    m: str | None = None


class Ack(Struct, tag_field="t", tag="ack", omit_defaults=True):
    c: str
    m: str
    s: int
    ts: int
    dup: bool = False
    masked: int = 0


class Err(Struct, tag_field="t", tag="err", omit_defaults=True):
    code: str
    retry: str
    c: str | UnsetType = UNSET
    m: str | UnsetType = UNSET
    retry_ms: int | UnsetType = UNSET
    info: dict[str, Any] = {}  # Any: a refusal's safe extras


class SubOk(Struct, tag_field="t", tag="sub_ok"):
    c: str
    ep: str
    last: int
    first: int
    marks: int = 0


class Page(Struct, tag_field="t", tag="page"):
    """The end of an answer to `get`: the events from `first` to `last` have been sent; `more` is older ones."""

    c: str
    first: int
    last: int
    more: bool


class Reset(Struct, tag_field="t", tag="reset"):
    c: str
    ep: str
    last: int
    why: str


class Gone(Struct, tag_field="t", tag="gone"):
    c: str


class State(Struct, tag_field="t", tag="state"):
    c: str
    what: str
    v: int
    data: dict[str, Any]  # Any: read mark, presence or card, as docs/protocol.md lists


class TypingNow(Struct, tag_field="t", tag="typing"):
    c: str
    who: Who
    ttl: int = TYPING_TTL_MS


class Pong(Struct, tag_field="t", tag="pong"):
    n: int
    tops: dict[str, tuple[str, int]]


class Bye(Struct, tag_field="t", tag="bye"):
    in_ms: int
    why: str


ServerFrame = Welcome | Tops | Ev | Ack | Err | SubOk | Page | Reset | Gone | State | TypingNow | Pong | Bye

_encoder = msgspec.json.Encoder()
_server_frame = msgspec.json.Decoder(ServerFrame)
_server_known = frozenset(str(kind.__struct_config__.tag) for kind in get_args(ServerFrame))


def write(frame: ServerFrame) -> str:
    """One frame as text; done once per event and audience, not per connection."""
    return _encoder.encode(frame).decode()


def size(frame: str) -> int:
    """How many bytes a frame takes on the wire; what is plain ASCII need not be encoded to be measured."""
    return len(frame) if frame.isascii() else len(frame.encode())


def join(frames: list[str]) -> str:
    """Several frames as one WebSocket message."""
    return frames[0] if len(frames) == 1 else "[" + ",".join(frames) + "]"


def read_server(text: str) -> list[ServerFrame]:
    """The client's side of the wire, for bots, replay and tests; what a newer server may add is left out."""
    pieces = [text] if text[:1] != "[" else _batch.decode(text)
    return [frame for piece in pieces for frame in _one_of_server(piece)]


def _one_of_server(piece: str | Raw) -> list[ServerFrame]:
    try:
        return [_server_frame.decode(piece)]
    except msgspec.ValidationError:
        if _is_unknown(piece, _server_known):
            return []
        raise


def plain(value: Struct) -> dict[str, Any]:  # Any: JSON values
    """A struct as the data of a `state` frame."""
    made: dict[str, Any] = msgspec.to_builtins(value)
    return made


def refusal(error: Refusal, sentence: str, *, c: str | None = None, m: str | None = None) -> Err:
    """A refusal as a frame: `retry` says whether the same id may be sent again."""
    retry_ms = error.fields.get("retry_ms", UNSET)
    extras = {name: value for name, value in error.fields.items() if name not in ("retry_ms", "retry")}
    return Err(
        code=error.code,
        retry=str(error.fields.get("retry", "same" if error.status in (429, 503) else "no")),
        c=UNSET if c is None else c,
        m=UNSET if m is None else m,
        retry_ms=retry_ms if isinstance(retry_ms, int) else UNSET,
        info={"message": sentence, **extras},
    )
