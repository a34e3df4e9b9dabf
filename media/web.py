"""Media over HTTP: a file goes out chunk by chunk as it opens, to whoever the guard lets in, and to no cache.

Danger. Somebody else's picture, a file that runs as a page of ours, half a file that looks like a whole one.

Principle. "Not yours", "not there", "not sent yet", "taken back" and "expired" are one 404. Only pictures we made
ourselves are shown in place; the original is a download from a sandbox of its own. The first piece opens before the
answer starts; when a later one will not open, the connection breaks off short of its announced length.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from core import clock, ids
from core.database import Transaction
from core.identity.callers import Caller
from core.refusals import NotFound
from core.vault.keys import DataKey
from media import names
from media.models import Attachment
from media.records import VARIANTS
from media.uploads import TABLE, Media

Guard = Callable[[Request, str], Awaitable[tuple[Caller, DataKey]]]

HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Accept-Ranges": "bytes",
}
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def routes(guard: Guard) -> list[BaseRoute]:
    """The door; `guard(request, scope)` says who asks and gives the key, or raises NotFound."""

    async def show(request: Request) -> Response:
        """GET /media/{attachment_id}/{variant}: view, thumb or original."""
        media: Media = request.app.state.media
        variant = request.path_params["variant"]
        row = await _find(media, request.path_params["attachment_id"], variant)
        caller, key = await guard(request, row.scope)
        if row.claimed_ms is None and caller.ref != row.uploader:
            raise NotFound
        return await _answer(request, media, row, key, variant)

    return [Route("/media/{attachment_id}/{variant}", show, methods=["GET"], name="media")]


async def _find(media: Media, attachment_id: str, variant: str) -> Attachment:
    if not ids.is_id(attachment_id) or variant not in VARIANTS:
        raise NotFound
    return await media.core.database.read(_alive, attachment_id, now=clock.now())


def _alive(tx: Transaction, attachment_id: str, *, now: int) -> Attachment:
    is_shown = (TABLE.c.expires_ms > now) & TABLE.c.withdrawn.is_(None)
    found = tx.execute(select(TABLE).where(TABLE.c.id == attachment_id, is_shown)).mappings().first()
    if found is None:
        raise NotFound
    return Attachment(**found)


async def _answer(request: Request, media: Media, row: Attachment, key: DataKey, variant: str) -> Response:
    record = media.record(row, key)
    total = record.size_of(variant)
    kind = "attachment" if variant == "original" else "inline"
    name = record.name if variant == "original" else f"{variant}.{record.shown_type.rpartition('/')[2]}"
    headers = {**HEADERS, "Content-Disposition": names.disposition(kind, name)}
    asked = None if "if-range" in request.headers else request.headers.get("range")
    span = wanted(asked, total)
    if span is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{total}"})
    start, stop = span
    is_part = _single(asked) is not None
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
    headers["Content-Length"] = str(stop - start)
    content_type = record.type_of(variant)
    if request.method == "HEAD":
        return Response(status_code=206 if is_part else 200, headers=headers, media_type=content_type)
    pieces = media.plain(row, key, variant, total, span)
    first = await anext(pieces)
    return StreamingResponse(_from(first, pieces), 206 if is_part else 200, headers, content_type)


async def _from(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


def wanted(asked: str | None, total: int) -> tuple[int, int] | None:
    """Which bytes [start, stop) a `Range` header asks for (RFC 9110 section 14); None when there are none.

    Only a single range is served; several, or what is no range at all, mean the whole file.
    """
    found = _single(asked)
    if found is None:
        return 0, total
    first, last = found
    if not first:
        length = min(int(last), total)
        return (total - length, total) if length else None
    start, stop = int(first), min(int(last) + 1, total) if last else total
    return (start, stop) if start < stop else None


def _single(asked: str | None) -> tuple[str, str] | None:
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    return (found[1], found[2]) if found and (found[1] or found[2]) else None
