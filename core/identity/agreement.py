"""The confidentiality agreement that every member of staff signs before the first look at anything (clause 3(2)).

Who signed the text before this one has fourteen days to sign again, and then no role until it is done. Whoever changes
a sentence gives the text a new version and its first day, and names the one before in `EARLIER`.
"""

import hashlib
from dataclasses import dataclass

from core.clock import DAY

VERSION = "2026-01"
SINCE_MS = 1_767_196_800_000  # 2026-01-01 in Taipei
EARLIER: tuple[str, str] | None = None  # version and SHA-256 of the text before this one
RENEWED_AFTER_MS = 365 * DAY
SIGNED_AGAIN_WITHIN_MS = 14 * DAY


def _(msgid: str) -> str:
    """Mark a sentence for the catalogues; whoever shows it translates it."""
    return msgid


SENTENCES = (
    _("I look at personal data only as far as my work for a shopper or a case needs it."),
    _("I do not copy personal data out of this system, and I do not tell it to anybody who has no right to it."),
    _("I do not lend my account, my password or my second factor to anybody."),
    _("I know that what I read, show and export is recorded in a ledger that others check."),
    _("I report a loss or a leak at once. These duties stay when I leave."),
)
SHA256 = hashlib.sha256("\n".join(SENTENCES).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Text:
    """A text of the agreement: its version and hash, since when, and the one before it."""

    version: str
    sha256: str
    since_ms: int
    earlier: tuple[str, str] | None


PRESENT = Text(VERSION, SHA256, SINCE_MS, EARLIER)


def is_in_force(
    version: str | None, sha256: str | None, signed_ms: int | None, *, now: int, text: Text = PRESENT
) -> bool:
    """Whether a signature is less than a year old and of the present text, or of the one before for a fortnight."""
    if signed_ms is None or now >= signed_ms + RENEWED_AFTER_MS:
        return False
    if (version, sha256) == (text.version, text.sha256):
        return True
    return (version, sha256) == text.earlier and now < text.since_ms + SIGNED_AGAIN_WITHIN_MS
