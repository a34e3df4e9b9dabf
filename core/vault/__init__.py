"""The vault: what seals, what opens, and where the keys live.

`Vault` keeps keys; `envelope` seals a text and `stream` a file under them, both pure; `ContentUnavailable` is the one
answer when something will not open.
"""

from core.vault.keys import DataKey, Kind
from core.vault.keystore import Vault
from core.vault.refusals import (
    ContentUnavailable,
    KeyGone,
    KeySpent,
    KeyUnavailable,
    StartRefused,
    WrapMismatch,
)

__all__ = [
    "ContentUnavailable",
    "DataKey",
    "KeyGone",
    "KeySpent",
    "KeyUnavailable",
    "Kind",
    "StartRefused",
    "Vault",
    "WrapMismatch",
]
