"""Intake: one message to the shop's privacy address becomes a request (clauses 5(1)1(2) and 7(3)).

Danger. A request lost on its way; a forged sender taken for the person; a letter to a machine that answers it with a
letter; a message that is made to choke its reader; an erased person who comes back to life by writing.

Principle. What arrives counts from the time at which our own mail server took it, the topmost Received header. The
sender's address says whom to answer and proves nothing (I0). Only text is kept, sealed, with card numbers masked;
attachments are counted and left out. What a machine sent by itself is no request. Too large a message is refused, so
that the mail server tells the sender.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses, parsedate_to_datetime
from html.parser import HTMLParser
from typing import Final

from core.database import Transaction
from core.identity import people
from core.identity.callers import SYSTEM
from core.refusals import Invalid, TooLarge
from core.services import Core
from support.rights import requests, steps
from support.rights.models import Channel, Kind
from support.rights.requests import Asked, Received

LARGEST: Final = 10 * 1024 * 1024
_CHINESE: Final = re.compile(r"[\u3400-\u9fff]")
_UNSEEN: Final = frozenset({"script", "style", "head", "title"})


@dataclass(frozen=True)
class Message:
    """What of a message matters: who is said to have sent it, when it came, its text, how many files it had."""

    sender: str | None
    received_ms: int | None
    words: str
    attachments: int
    is_automatic: bool

    @property
    def locale(self) -> str:
        """The language to answer in."""
        return "zh-Hant" if _CHINESE.search(self.words) else "en"


async def take(core: Core, raw: bytes, *, now: int) -> Received | None:
    """Make a request of a message; None for what a machine sent by itself. Raises: TooLarge."""
    message = read(raw)
    if message.is_automatic:
        return None
    subject = await core.database.read(_subject, core, message.sender)
    asked = Asked(Kind.QUESTION, Channel.MAIL, subject, message.words, message.locale, reply_to=message.sender)
    return await requests.take(core, SYSTEM, asked, now=now, received_ms=message.received_ms)


def read(raw: bytes) -> Message:
    """Read a message; whatever is broken in it is left out, never an error. Raises: TooLarge."""
    if len(raw) > LARGEST:
        raise TooLarge("message", "This message is too large. Please send it without its attachments.")
    parsed = message_from_bytes(raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    files = _attachments(parsed)
    words = "\n\n".join(part for part in (_header(parsed, "Subject"), _text(parsed)) if part)
    if files:
        words += f"\n\n[{files} attachments were left out]"
    return Message(_sender(parsed), _received(parsed), _cut(words), files, _is_automatic(parsed))


def _subject(tx: Transaction, core: Core, sender: str | None) -> str | None:
    """Whose address this is said to be; somebody who was erased has none, and starts anew."""
    person = people.by_email(tx, core.vault, sender) if sender else None
    return f"person:{person.id}" if person else None


def _sender(parsed: EmailMessage) -> str | None:
    found = [address for _, address in getaddresses(_all(parsed, "From")) if address]
    try:
        return people.normalise(found[0]) if len(found) == 1 else None
    except Invalid:
        return None


def _received(parsed: EmailMessage) -> int | None:
    """The time in the topmost Received header: our own server's, all below are the sender's word."""
    topmost = next(iter(_all(parsed, "Received")), "")
    try:
        at = parsedate_to_datetime(topmost.rpartition(";")[2].strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    is_sane = datetime(2000, 1, 1, tzinfo=UTC) < aware < datetime(9000, 1, 1, tzinfo=UTC)
    return int(aware.timestamp() * 1000) if is_sane else None


def _is_automatic(parsed: EmailMessage) -> bool:
    """Whether a machine sent this by itself (RFC 3834): a bounce, a note of absence, a list."""
    submitted = _header(parsed, "Auto-Submitted").split(";")[0].strip().lower()
    is_bounce = parsed.get_content_type() == "multipart/report" or _header(parsed, "Return-Path") == "<>"
    return submitted not in ("", "no") or is_bounce or bool(_header(parsed, "List-Id"))


def _text(parsed: EmailMessage) -> str:
    for wanted in ("plain", "html"):
        for part in parsed.walk():
            if part.get_content_type() == f"text/{wanted}" and part.get_content_disposition() != "attachment":
                found = _decoded(part)
                return _seen(found) if wanted == "html" else found
    return ""


def _decoded(part: EmailMessage) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _attachments(parsed: EmailMessage) -> int:
    leaves = [part for part in parsed.walk() if not part.is_multipart()]
    return sum(
        part.get_content_maintype() != "text" or part.get_content_disposition() == "attachment" for part in leaves
    )


def _header(parsed: EmailMessage, name: str) -> str:
    return next(iter(_all(parsed, name)), "").strip()


def _all(parsed: EmailMessage, name: str) -> list[str]:
    """Every header of a name as text; one that cannot be read counts as none."""
    try:
        return [str(value) for value in parsed.get_all(name, [])]
    except (MessageError, ValueError, IndexError, AttributeError, TypeError):  # the parser's own faults with odd input
        return []


def _cut(words: str) -> str:
    plain = words.replace("\0", "").strip()
    if len(plain) <= steps.LONGEST_WORDS:
        return plain
    note = "\n\n[cut: the message was longer]"
    return plain[: steps.LONGEST_WORDS - len(note)] + note


def _seen(html: str) -> str:
    reader = _Seen()
    reader.feed(html)
    reader.close()
    return re.sub(r"\n\s*\n+", "\n\n", "".join(reader.pieces)).strip()


class _Seen(HTMLParser):
    """The text of a page as a reader would see it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._within = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within += tag in _UNSEEN
        if tag in {"br", "p", "div", "li", "tr"}:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._within = max(0, self._within - (tag in _UNSEEN))

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.pieces.append(data)
