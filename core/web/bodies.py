"""Bodies: what comes in is parsed once, strictly; what goes out is never cached."""

from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from core.identity import access
from core.refusals import Invalid, TooLarge, Unsupported
from core.web import csrf

S = TypeVar("S", bound=msgspec.Struct)

FORM_LIMIT = 65_536


def json(_: Request, value: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, "application/json")


async def body(request: Request, shape: type[S], limit: int = 65_536) -> S:
    """The JSON body as `shape` (declare it with `forbid_unknown_fields=True`); refuses everything else."""
    try:
        return msgspec.json.decode(await json_text(request, limit), type=shape)
    except msgspec.DecodeError as error:  # its text names a field and a type, never a value
        raise Invalid("body", "That request is not in the form we expect.", detail=str(error)) from None


async def json_text(request: Request, limit: int) -> bytes:
    """The body of a request that says it is JSON, at most `limit` bytes, unread. Raises: Unsupported, TooLarge."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise Unsupported("content_type", "Send JSON with Content-Type: application/json.")
    return await read(request, limit)


async def form(request: Request) -> dict[str, str]:
    """The fields of a small form, its token checked; the last of a repeated field counts."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Unsupported("content_type", "Send this as a form.")
    try:
        text = (await read(request, FORM_LIMIT)).decode()
        fields = dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError:
        raise Invalid("body", "That request is not in the form we expect.") from None
    csrf.check_form(request, await access.sign_ins(request), fields.pop(csrf.FIELD, ""))
    return fields


async def read(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge("body", "That is more than we take at once.")
        parts.append(part)
    return b"".join(parts)
