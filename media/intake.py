"""Intake: how much, how fast and what may come in, judged while it comes.

Danger. A body without an end, a sender who trickles one byte a second, a length that lies, a page named `.png`.

Principle. Every piece is counted before it is passed on, and the wait for the next one has a limit. The type is told
from the first 64 KiB before anything is stored.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from core.refusals import Invalid, Refusal, TooLarge, Unsupported
from media.types import SNIFF_BYTES, FileType, sniff


@dataclass(frozen=True)
class Allowance:
    """How much and how slowly one uploader may send."""

    image_bytes: int = 20 << 20
    at_once: int = 3
    stored_bytes: int = 1 << 30
    grace_s: float = 10.0
    bytes_per_s: int = 1024
    gap_s: float = 30.0


class TooSlow(Refusal):
    """The bytes came too slowly, or stopped."""

    status = 408


async def counted(
    source: AsyncIterator[bytes], declared: int | None, allowance: Allowance
) -> AsyncGenerator[bytes, None]:
    """The pieces as they come, refused when they are too many, too slow, or not as many as was said."""
    loop = asyncio.get_running_loop()
    started, received = loop.time(), 0
    iterator = aiter(source)
    while True:
        patience = started + allowance.grace_s + received / allowance.bytes_per_s
        try:
            async with asyncio.timeout_at(min(patience, loop.time() + allowance.gap_s)):
                piece = await anext(iterator)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise TooSlow("too_slow", "The file came too slowly. Please try again with a better connection.") from None
        received += len(piece)
        if received > allowance.image_bytes:
            raise too_large()
        if declared is not None and received > declared:
            raise wrong_size()
        if piece:
            yield piece
    if declared is not None and received != declared:
        raise wrong_size()


async def head(pieces: AsyncGenerator[bytes, None]) -> bytes:
    """The first 64 KiB, or all there is."""
    head = bytearray()
    async for piece in pieces:
        head += piece
        if len(head) >= SNIFF_BYTES:
            break
    return bytes(head)


async def whole(head: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield head
    async for piece in rest:
        yield piece


def picture(head: bytes) -> FileType:
    known = sniff(head)
    if known is None:
        raise Unsupported(
            "not_a_picture",
            "We can't take this kind of file. Please send a JPEG, PNG, WebP, GIF, HEIC or AVIF picture.",
        )
    if known.kind != "image":
        raise Unsupported("only_pictures", "Only pictures can be sent yet; videos will follow.")
    return known


def too_large() -> TooLarge:
    return TooLarge("file_too_large", "This picture is too large. Please send one of at most 20 MB.")


def wrong_size() -> Invalid:
    return Invalid("file_size", "The file did not arrive whole. Please try again.")
