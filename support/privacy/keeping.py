"""Keeping: what the holds in force reach, asked inside the transaction that would end something.

Danger. A sweep that chose an object a moment before its hold was set, and deletes it a moment after; a picture that is
held while the key of its conversation goes; a hold that a page shows and a sweep does not know.

Principle. One function answers for the plan, the erasure and the sweep. A hold reaches its object, all of a person's
when a person is held, what lives inside, and those objects without whose key the held ones cannot be read. Sign-ins
are the exception: whoever signs out is signed out.

Boundary. Who chooses and who sets a hold take the same lock first, so one of them sees the other. What was chosen is
written down as doomed in the same transaction, and a hold that comes later than that is told so.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, text
from sqlmodel import SQLModel, col, select

from chat.statements import CONVERSATION
from core.database import Transaction, insert_ignore
from core.holdings import Due, Holding, Ref
from core.policy import Policy
from support.privacy.models import Doomed, Hold

SUBJECTS = frozenset({"person", "visitor"})
SIGNED_IN = "sign_in"
LOCK = 0x686F6C64
DOOMED = SQLModel.metadata.tables["doomed"]

Kept = Mapping[str, Hold]
"""The ids of all that is held, each with one of its holds."""


def lock(tx: Transaction) -> None:
    """Until the commit nobody else chooses what goes or sets a hold; SQLite's single writer excludes them anyway."""
    if tx.is_postgres:
        tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})


def kept(tx: Transaction, holdings: Sequence[Holding], policy: Policy) -> Kept:
    """Everything that a hold in force keeps."""
    return reach(tx, holdings, policy, in_force(tx))


def in_force(tx: Transaction) -> list[Hold]:
    """The holds that are set and not released."""
    are_set = select(Hold).where(col(Hold.set_ms).is_not(None), col(Hold.released_ms).is_(None))
    return list(tx.session.exec(are_set.order_by(col(Hold.set_ms), Hold.id)))


def reach(tx: Transaction, holdings: Sequence[Holding], policy: Policy, holds: Sequence[Hold]) -> Kept:
    """All that these holds reach, in force or not."""
    found: dict[str, Hold] = {}
    for hold in holds:
        for object_id in _reached_by(tx, holdings, policy, hold):
            found.setdefault(object_id, hold)
    return found


def due(
    tx: Transaction, holding: Holding, policy: Policy, spared: Kept, *, now: int, limit: int
) -> tuple[list[Due], list[Due]]:
    """What of this holding goes now, at most `limit`, and what would have gone and is held."""
    found = holding.due(tx, policy, now=now, limit=limit + len(spared))
    held = [each for each in found if each.object.id in spared]
    return [each for each in found if each.object.id not in spared][:limit], held


def doom(tx: Transaction, refs: Sequence[Ref], *, now: int) -> None:
    """Write down that these are being ended."""
    rows = [{"id": ref.id, "kind": ref.kind, "since_ms": now} for ref in refs]
    if rows:
        insert_ignore(tx, DOOMED, rows, ["id"])


def undoom(tx: Transaction, refs: Sequence[Ref]) -> None:
    """They are gone."""
    tx.execute(delete(DOOMED).where(DOOMED.c.id.in_([ref.id for ref in refs])))


def is_doomed(tx: Transaction, object_id: str) -> bool:
    """Whether it is too late to hold this."""
    return tx.session.get(Doomed, object_id) is not None


def _reached_by(tx: Transaction, holdings: Sequence[Holding], policy: Policy, hold: Hold) -> set[str]:
    refs = [Ref(hold.object_kind, hold.object_id)]
    if hold.object_kind in SUBJECTS:
        refs += [held.object for holding in holdings for held in holding.of(tx, policy, hold.subject)]
        began = select(CONVERSATION.c.id).where(CONVERSATION.c.opened_by == hold.subject)  # may be another's by now
        refs += [Ref("conversation", found) for found in tx.execute(began).scalars()]
    refs = [ref for ref in refs if ref.kind != SIGNED_IN]
    scopes = [ref.id for ref in refs]
    refs += [inside for holding in holdings for inside in holding.within(tx, scopes)]
    around = {found for holding in holdings for found in holding.around(tx, refs)}
    return {ref.id for ref in refs} | around
