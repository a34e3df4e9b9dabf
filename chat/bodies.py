"""What a client may put into an event: message, note, media, rating and amendments, read strictly. Pure.

The limits are what both databases and both browsers survive: no NUL (PostgreSQL refuses it, SQLite stores it and then
miscounts), no lone surrogates, no towers of combining marks.
"""

import re
import unicodedata
from typing import Any

import msgspec
from msgspec import Raw, Struct

from core import ids
from core.refusals import Invalid, NotFound

TEXT_POINTS = 4_000
TEXT_BYTES = 16_384
COMBINING_RUN = 8
REASONS = ("payment_data", "third_party_data", "sensitive_data", "abusive", "legal_order")  # why something is redacted
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class TextBody(Struct):
    text: str


class AttachmentRef(Struct):
    id: str


class MediaBody(Struct):
    attachment: str | AttachmentRef
    text: str | None = None


class RatingBody(Struct):
    score: int
    comment: str | None = None


class RevisedBody(Struct):
    of: int
    text: str


class RetractedBody(Struct):
    of: int


class RedactedBody(Struct):
    of: int
    reason: str
    text: str | None = None


_text_body = msgspec.json.Decoder(TextBody)
_media_body = msgspec.json.Decoder(MediaBody)
_rating_body = msgspec.json.Decoder(RatingBody)
_revised_body = msgspec.json.Decoder(RevisedBody)
_retracted_body = msgspec.json.Decoder(RetractedBody)
_redacted_body = msgspec.json.Decoder(RedactedBody)


def read(kind: str, raw: Raw | bytes) -> dict[str, Any]:
    """The checked body of a client's event. Any: JSON values.

    Raises: Invalid with a code and a sentence; the frame was well formed, its content is not acceptable.
    """
    try:
        if kind in ("message", "note"):
            return {"text": check_text(_text_body.decode(raw).text)}
        if kind == "media":
            return _read_media(_media_body.decode(raw))
        if kind == "rating":
            return _read_rating(_rating_body.decode(raw))
        if kind == "revised":
            return _read_revised(_revised_body.decode(raw))
        if kind == "retracted":
            return {"of": _check_number(_retracted_body.decode(raw).of)}
        if kind == "redacted":
            return _read_redacted(_redacted_body.decode(raw))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise Invalid("bad_body", "That message could not be read.") from None
    raise Invalid("bad_kind", "That message could not be read.")


def _read_media(body: MediaBody) -> dict[str, Any]:
    attachment = body.attachment if isinstance(body.attachment, str) else body.attachment.id
    if not ids.is_id(attachment):
        raise NotFound
    text = {"text": check_text(body.text)} if body.text else {}
    return {"attachment": attachment, **text}


def _read_rating(body: RatingBody) -> dict[str, Any]:
    if body.score not in range(1, 6):
        raise Invalid("bad_score", "Please choose from one to five.")
    comment = {"comment": check_text(body.comment)} if body.comment else {}
    return {"score": body.score, **comment}


def _read_revised(body: RevisedBody) -> dict[str, Any]:
    return {"of": _check_number(body.of), "text": check_text(body.text)}


def _read_redacted(body: RedactedBody) -> dict[str, Any]:
    if body.reason not in REASONS:
        raise Invalid("bad_reason", "Please choose a reason.")
    text = {"text": check_text(body.text)} if body.text else {}
    return {"of": _check_number(body.of), "reason": body.reason, **text}


def _check_number(number: int) -> int:
    """The number of an event, as far as both databases and the sealed place of an event can hold one."""
    if number not in range(1, 2**32 - 1):
        raise NotFound
    return number


def check_client_id(client_id: str) -> str:
    """The id that a client made for its event: a UUID in lower case, with or without dashes. Raises: Invalid."""
    if not _UUID.fullmatch(client_id):
        raise Invalid("bad_id", "That message could not be read.")
    return client_id


def check_text(text: str) -> str:
    """What a person wrote, within limits that both databases and both browsers survive. Raises: Invalid."""
    if not text or text.isspace():
        raise Invalid("text_empty", "Please write something first.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # lone surrogates
        raise _characters() from None
    if len(text) > TEXT_POINTS or size > TEXT_BYTES:
        raise Invalid("text_too_long", "This message is too long. Please split it.", limit=TEXT_POINTS)
    if "\0" in text or (size > len(text) and _longest_combining_run(text) > COMBINING_RUN):
        raise _characters()
    return text


def _characters() -> Invalid:
    return Invalid("text_characters", "This message holds characters that cannot be stored.")


def _longest_combining_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if unicodedata.category(character).startswith("M") else 0
        longest = max(longest, run)
    return longest
