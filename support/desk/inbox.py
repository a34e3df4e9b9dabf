"""The inbox: what waits for a member of staff, as it stands now.

Danger. A list that shows the last line of conversations which the reader has no business with, or that leaves no trace.

Principle. `chat.conversations` asks the permissions for every card. The look itself is one entry in the ledger, in the
transaction that opened the lines; the socket then keeps the cards fresh.
"""

import msgspec

from chat import conversations
from chat.cards import Card
from core import ledger
from core.database import Transaction
from core.identity import Caller, permissions
from core.identity.permissions import Operation, Purpose
from core.services import Core


class Snapshot(msgspec.Struct):
    """Every card the reader may see, the highest version among them, and the server's time in milliseconds."""

    cards: list[Card]
    version: int
    now: int


def snapshot(tx: Transaction, core: Core, caller: Caller, *, now: int) -> Snapshot:
    """The inbox of this member of staff. Raises: NotAllowed for roles that answer nobody."""
    permissions.require(caller, Operation.ANSWER)
    cards = conversations.inbox(tx, core, caller, now=now)
    ledger.append(
        tx,
        caller=caller,
        action="inbox.read",
        object=("inbox", caller.id),
        purpose=Purpose.P2_CONTRACT_AFTERSALES,
        now=now,
    )
    return Snapshot(cards, max((card.version for card in cards), default=0), now)
