"""Decoding: one limited child process for each picture, fed and read by pipe, killed when it takes too long.

Danger. A picture that hangs, crashes or lies: the child is assumed to be in its sender's hands.

Principle. The child gets an empty environment, two pipes and nothing else. What it says is checked as a stranger's
answer is: sizes bounded, types from a list, times by their form, pictures by their first bytes. At most two children
run at once; a child costs 0.1 s to start, which is less than keeping one warm would cost in care.
"""

import asyncio
import base64
import binascii
import contextlib
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from core.refusals import Invalid, Refusal, Unavailable
from media.types import FileType, sniff

WALL_SECONDS: Final = 20.0
CHILDREN: Final = 2
FRAME_LIMIT: Final = 16 << 20
_ROOT: Final = Path(__file__).resolve().parent.parent
_TAKEN: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d)?")

_SENTENCES: Final = {
    "too_many_pixels": "This picture has too many pixels. Please send one of at most 40 megapixels.",
    "too_many_frames": "This animation has too many frames. Please send one of at most 300.",
    "unreadable": "We can't read this picture. It may be damaged; please try another one.",
}

Side = Annotated[int, msgspec.Meta(ge=1, le=40_000_000)]
Length = Annotated[int, msgspec.Meta(ge=1, le=FRAME_LIMIT)]


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="answer", tag="picture"):
    """What the child says before the files."""

    width: Side
    height: Side
    frames: Annotated[int, msgspec.Meta(ge=1, le=300)]
    taken: str | None
    media_type: Literal["image/jpeg", "image/webp"]
    placeholder: Annotated[str, msgspec.Meta(max_length=1024)]
    view: Length
    thumb: Length


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="answer", tag="refused"):
    """Why the child will not."""

    refused: str


class Reworked(msgspec.Struct, frozen=True):
    """A picture as it may be shown, and what is known about the original."""

    head: Head
    view: bytes
    thumb: bytes


class Decoder:
    """Has pictures decoded elsewhere; `command` and `wall_s` are what a test may choose."""

    def __init__(self, command: tuple[str, ...] = (), wall_s: float = WALL_SECONDS) -> None:
        self._command = command or (sys.executable, "-E", "-s", "-B", "-m", "media.sandbox")
        self._wall_s = wall_s
        self._places = asyncio.Semaphore(CHILDREN)

    async def rework(self, content: AsyncGenerator[bytes, None], known: FileType) -> Reworked:
        """The picture re-encoded. Raises: Invalid with a sentence that says what to do; Unavailable."""
        async with self._places, aclosing(content):
            try:
                child = await asyncio.create_subprocess_exec(
                    *self._command,
                    known.decoder,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={"LC_ALL": "C.UTF-8"},
                    cwd=_ROOT,
                )
            except OSError:
                raise Unavailable("decoder") from None
            try:
                async with asyncio.timeout(self._wall_s):
                    return await _converse(child, content)
            except (TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError, binascii.Error):
                raise _refusal("unreadable") from None
            finally:
                await _end(child)


async def _converse(child: asyncio.subprocess.Process, content: AsyncGenerator[bytes, None]) -> Reworked:
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died early; its answer says so
        async for piece in content:
            child.stdin.write(piece)
            await child.stdin.drain()
    child.stdin.close()
    length = int.from_bytes(await child.stdout.readexactly(4), "big")
    if length > 8192:
        raise _refusal("unreadable")
    head = msgspec.json.decode(await child.stdout.readexactly(length), type=Head | Refused)
    if isinstance(head, Refused):
        raise _refusal(head.refused)
    view = await child.stdout.readexactly(head.view)
    thumb = await child.stdout.readexactly(head.thumb)
    _check(head, view, thumb)
    return Reworked(head, view, thumb)


def _check(head: Head, view: bytes, thumb: bytes) -> None:
    for picture in (view, thumb):
        found = sniff(picture[:64])
        if found is None or found.media_type != head.media_type:
            raise _refusal("unreadable")
    if head.taken is not None and not _TAKEN.fullmatch(head.taken):
        raise _refusal("unreadable")
    base64.b64decode(head.placeholder, validate=True)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill it whatever it does, take what is left in the pipe, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await asyncio.shield(child.communicate())


def _refusal(code: str) -> Refusal:
    known = code if code in _SENTENCES else "unreadable"
    return Invalid(f"picture_{known}", _SENTENCES[known])
