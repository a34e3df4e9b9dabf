"""The confidentiality agreement that every member of staff signs before the first look at anything (clause 3(2))."""

import hashlib

from core.clock import DAY

VERSION = "2026-01"
RENEWED_AFTER_MS = 365 * DAY


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


def is_in_force(version: str | None, sha256: str | None, signed_ms: int | None, *, now: int) -> bool:
    """Whether a signature is of the present text and less than a year old."""
    if version != VERSION or sha256 != SHA256 or signed_ms is None:
        return False
    return now < signed_ms + RENEWED_AFTER_MS
