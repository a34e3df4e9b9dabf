"""Documents: one file out of a form, in memory and never in a temporary file, because it is not sealed yet."""

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP

from starlette.requests import Request

from core.identity import access
from core.refusals import Invalid, Unsupported
from core.web import bodies, csrf

OVERHEAD = 64 * 1024


@dataclass(frozen=True)
class Sent:
    """The fields of a form with one file in it."""

    fields: dict[str, str]
    file: bytes


async def form_with_file(request: Request, *, limit: int) -> Sent:
    """The form, its token checked; at most `limit` bytes of file. Raises: Refusal."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise Unsupported("content_type", "Send this as a form.")
    sent = parsed(kind, await bodies.read(request, limit + OVERHEAD))
    csrf.check_form(request, await access.sign_ins(request), sent.fields.pop(csrf.FIELD, ""))
    return sent


def parsed(kind: str, body: bytes) -> Sent:
    """The parts of a body by name; the part that has a file's name is the file. Raises: Invalid."""
    head = b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n"
    whole: Message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields: dict[str, str] = {}
    file = b""
    for part in whole.get_payload() if whole.is_multipart() else []:
        content = part.get_payload(decode=True) if isinstance(part, Message) else None
        if not isinstance(part, Message) or not isinstance(content, bytes):
            raise Invalid("body", "That request is not in the form we expect.")
        name = str(part.get_param("name", "", header="content-disposition"))
        if part.get_filename() is not None:
            file = content
        else:
            fields[name] = content.decode("utf-8", "replace").strip()
    return Sent(fields, file)
