"""Freezing: a person's conversations stay, and nobody but her and the privacy officer's case may use them (5(1)2).

The state is in the row, where every permission looks; whoever of the staff has one open or in an inbox loses it after
the commit.
"""

from functools import partial
from typing import Any

from sqlalchemy import update

from chat.statements import CONVERSATION
from core import hub
from core.database import Transaction
from core.services import Core


def freeze(tx: Transaction, core: Core, owner: str, *, now: int) -> int:
    """Freeze everything that is the owner's; returns how many conversations there were."""
    theirs = update(CONVERSATION).where(CONVERSATION.c.owner == owner, CONVERSATION.c.restricted_ms.is_(None))
    return _announced(tx, core, theirs.values(restricted_ms=now, version=CONVERSATION.c.version + 1))


def thaw(tx: Transaction, core: Core, owner: str) -> int:
    """Let everything that is the owner's be used again."""
    theirs = update(CONVERSATION).where(CONVERSATION.c.owner == owner, CONVERSATION.c.restricted_ms.is_not(None))
    return _announced(tx, core, theirs.values(restricted_ms=None, version=CONVERSATION.c.version + 1))


def _announced(tx: Transaction, core: Core, change: Any) -> int:  # Any: an update
    changed = tx.execute(change.returning(CONVERSATION.c.id, CONVERSATION.c.version)).all()
    for row in changed:
        tx.after_commit(partial(core.hub.publish, hub.ACCESS, hub.hint(row.id)))
        tx.after_commit(partial(core.hub.publish, hub.DESK, hub.hint(row.id, row.version)))
    return len(changed)
