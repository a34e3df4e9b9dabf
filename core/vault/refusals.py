"""The vault's refusals: one answer outside for everything that will not open, the precise reason for the ledger.

A reason that reached the outside would tell a prober which guess was closer (wrong key, wrong row, changed bytes),
so it lives in an attribute that no text, field or log line is made from.
"""

from enum import StrEnum

from core.refusals import Conflict, Refusal, Unavailable


class Reason(StrEnum):
    """Why something will not open; written to the ledger and nowhere else."""

    LENGTH = "length"
    VERSION = "version"
    SUITE = "suite"
    KIND = "kind"
    FLAGS = "flags"
    OTHER_KEY = "other_key"
    AUTHENTICATION = "authentication"
    PADDING = "padding"
    TEXT = "text"
    HEADER = "header"
    COMMITMENT = "commitment"
    TRUNCATED = "truncated"
    KEY_DESTROYED = "key_destroyed"
    KEY_UNKNOWN = "key_unknown"
    WRAP = "wrap"
    CHECK_VALUE = "check_value"


class ContentUnavailable(Refusal):
    """It will not open; outside nobody is told why."""

    status = 410

    def __init__(self, reason: Reason) -> None:
        super().__init__("content_unavailable", "This content can't be opened.")
        self.reason = reason


class KeyGone(ContentUnavailable):
    """The key was destroyed, or never was."""


class WrapMismatch(ContentUnavailable):
    """The key belongs to another scope or owner than the asker says, or its row was changed."""


class KeyUnavailable(Unavailable):
    """The key exists and cannot be had now; nothing was stored, ask again later."""

    def __init__(self) -> None:
        super().__init__("key_unavailable", "We can't open this just now. Please try again in a moment.")


class KeySpent(Conflict):
    """The key has sealed as much as one key may; whoever needs more takes a second key."""

    def __init__(self) -> None:
        super().__init__("key_spent", "This conversation is full. Please start a new one.")


class StartRefused(Exception):
    """The vault will not open; the sentence tells the operator what to do."""
