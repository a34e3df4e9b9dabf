"""Owners after a restore: a conversation that a guest has since made her own under her name.

Danger. The keystore is newer than the restored rows. A key that was handed from a guest to a person opens for the
person only, so the restored conversation, which still names the guest, would open for nobody.

Principle. The keystore is the truth, for its owners are bound into the wraps; rows are made to follow it and never the
other way round. Whoever can write rows could otherwise give herself another's conversation by way of a restore.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from chat.statements import CONVERSATION
from core.database import Transaction
from core.services import Core
from media.uploads import Media


@dataclass(frozen=True, slots=True)
class _Claim:
    conversation_id: str
    dek_id: int
    owner: str


async def follow_keys(core: Core, media: Media) -> int:
    """Make every conversation the property of whom its key was last given to; returns how many changed hands."""
    claims = await core.database.read(_claims)
    owners = await core.vault.owners([claim.dek_id for claim in claims])
    wrong = [claim for claim in claims if owners.get(claim.dek_id, claim.owner) != claim.owner]
    if wrong:
        await core.database.write(_follow, media, [(claim, owners[claim.dek_id]) for claim in wrong])
    return len(wrong)


def _claims(tx: Transaction) -> list[_Claim]:
    rows = tx.execute(select(CONVERSATION.c.id, CONVERSATION.c.dek_id, CONVERSATION.c.owner))
    return [_Claim(row.id, row.dek_id, row.owner) for row in rows]


def _follow(tx: Transaction, media: Media, wrong: Sequence[tuple[_Claim, str]]) -> None:
    for claim, owner in wrong:
        own = update(CONVERSATION).where(CONVERSATION.c.id == claim.conversation_id)
        tx.execute(own.values(owner=owner, owner_next=None))
        media.re_own(tx, scope=claim.conversation_id, owner=claim.owner, new_owner=owner)
