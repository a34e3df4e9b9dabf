"""Identifiers: random, 128 bits, 32 hexadecimal characters; knowing one gives no right to anything."""

import re
import secrets
from typing import NewType

ConversationId = NewType("ConversationId", str)
PersonId = NewType("PersonId", str)
VisitorId = NewType("VisitorId", str)
StaffId = NewType("StaffId", str)
OrderId = NewType("OrderId", str)
AttachmentId = NewType("AttachmentId", str)
UploadId = NewType("UploadId", str)
SignInId = NewType("SignInId", str)
JobId = NewType("JobId", str)
CaseId = NewType("CaseId", str)
LetterId = NewType("LetterId", str)

_SHAPE = re.compile(r"[0-9a-f]{32}")


def new() -> str:
    """A fresh identifier."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether the text has the shape of an identifier of ours."""
    return _SHAPE.fullmatch(text) is not None
