"""Hints between rooms and processes: "something has happened there, look it up", never what has happened.

The log is the truth and a hint is only a hint: losing, repeating or swapping hints delays a message and can do no
more. A hint therefore carries ids and numbers and never a word that somebody wrote.
"""

from core.hub.hints import (
    ACCESS,
    AWAY,
    DESK,
    EPOCH,
    GAP,
    HAIL,
    HERE,
    KEYS,
    LOG,
    MARK,
    ROTATED,
    SIGN_OUT,
    STAFF_ONLY,
    TYPING,
    Hub,
    Listener,
    hint,
    parts,
)
from core.hub.local import LocalHub
from core.hub.over_postgres import over_postgres
from core.hub.over_redis import over_redis
from core.hub.shared import SharedHub

__all__ = [
    "ACCESS",
    "AWAY",
    "DESK",
    "EPOCH",
    "GAP",
    "HAIL",
    "HERE",
    "KEYS",
    "LOG",
    "MARK",
    "ROTATED",
    "SIGN_OUT",
    "STAFF_ONLY",
    "TYPING",
    "Hub",
    "Listener",
    "LocalHub",
    "SharedHub",
    "hint",
    "over_postgres",
    "over_redis",
    "parts",
]
