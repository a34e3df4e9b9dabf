"""Speaking for somebody else: a shopper says that a conversation is about another person, who has agreed to that.

Whoever gives us another person's details must have asked that person first (2(3)). What is kept is that she said so,
for this conversation, once; never who the other person is.
"""

from sqlmodel import SQLModel, col, update

from chat import conversations
from core import ledger
from core.database import Transaction, insert_ignore
from core.identity.callers import Caller
from core.services import Core
from support.shopper import start
from support.shopper.models import ThirdPartyAttestation


def attest(tx: Transaction, core: Core, caller: Caller, conversation: str, locale: str, *, now: int) -> None:
    """Keep what she said; saying it twice changes nothing. Raises: NotFound, when the conversation is not hers."""
    start.require_agreement(tx, core, caller)
    row = conversations.find(tx, caller, conversation, now=now)
    table = SQLModel.metadata.tables["third_party_attestation"]
    said = {"conversation_id": row.id, "subject": caller.ref, "locale": locale, "at_ms": now}
    if insert_ignore(tx, table, [said], ("conversation_id",)):
        ledger.append(
            tx, caller=caller, action="conversation.attest", object=("conversation", row.id), reason="R-2.3f", now=now
        )


def said_ms(tx: Transaction, conversation: str) -> int | None:
    """When the shopper said that this conversation is about somebody else, if she did."""
    row = tx.session.get(ThirdPartyAttestation, conversation)
    return row.at_ms if row else None


def carry_over(tx: Transaction, guest: str, person: str) -> None:
    """What she said as a guest is hers when she has proven who she is."""
    hers = col(ThirdPartyAttestation.subject) == guest
    tx.execute(update(ThirdPartyAttestation).where(hers).values(subject=person))
