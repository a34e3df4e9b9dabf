"""What disclosure cases keep about people: that something of theirs was given, to whom and why, under clause 4(3).

A case is kept for the period of requests after it was closed, and then its key is destroyed. The person reads of it in
her copy, unless the law forbids telling her until a review (clause 4(3), subject notice).
"""

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import delete
from sqlmodel import col, select

from core import clock
from core.database import Transaction
from core.holdings import Copying, Due, Held, Holding, Part, Record, Ref
from core.policy import Policy
from core.services import Core
from support.disclosure import sealing
from support.disclosure.models import Disclosure, DisclosureApproval, DisclosureItem

KEPT_AS = "dsr_case"
KIND = "disclosure"


def holding(core: Core) -> Holding:
    """The cases, what was chosen and who approved."""
    return Holding(
        name="disclosures",
        is_told=False,
        title="What we gave to others",
        clause="4(3)1",
        tables=("disclosure", "disclosure_item", "disclosure_approval"),
        classes=(KEPT_AS,),
        kinds=(KIND,),
        due=_due,
        of=_of,
        keys=_keys,
        erase=_erase,
        export=partial(_export, core),
    )


def _due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    over = col(Disclosure.closed_ms) <= now - policy.expires_ms(KEPT_AS, 0)
    rows = tx.session.exec(select(Disclosure).where(over).order_by(col(Disclosure.closed_ms)).limit(limit))
    return [
        Due(Ref(KIND, row.id), row.subject, KEPT_AS, policy.expires_ms(KEPT_AS, row.closed_ms or 0)) for row in rows
    ]


def _of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
    rows = tx.session.exec(select(Disclosure).where(Disclosure.subject == subject))
    return [
        Held(Ref(KIND, row.id), "R-4.3", policy.expires_ms(KEPT_AS, row.closed_ms) if row.closed_ms else None)
        for row in rows
    ]


def _keys(tx: Transaction, refs: Sequence[Ref]) -> list[int]:
    return list(tx.session.exec(select(Disclosure.dek_id).where(col(Disclosure.id).in_(_ids(refs)))))


def _erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    assert now
    ids = _ids(refs)
    tx.execute(delete(DisclosureItem).where(col(DisclosureItem.disclosure_id).in_(ids)))
    tx.execute(delete(DisclosureApproval).where(col(DisclosureApproval.disclosure_id).in_(ids)))
    return len(tx.execute(delete(Disclosure).where(col(Disclosure.id).in_(ids)).returning(col(Disclosure.id))).all())


def _export(core: Core, copying: Copying) -> Iterator[Part]:
    """Each case of which she may know: what went out under which ground, to whom, and what it held."""
    now = clock.now()
    hers = select(Disclosure).where(Disclosure.subject == copying.subject, col(Disclosure.given_ms).is_not(None))
    for row in copying.tx.session.exec(hers.order_by(col(Disclosure.given_ms))).all():
        if (row.barred_review_ms or 0) > now:
            continue
        items = copying.tx.session.exec(select(DisclosureItem).where(DisclosureItem.disclosure_id == row.id)).all()
        about = {
            "Ground": row.ground,
            "Reference": row.reference,
            "Recipient": sealing.facts_of(core, row).get("requester", ""),
            "What": [f"{item.kind} {item.object_id}" for item in items],
        }
        yield Record("disclosures", row.id, row.given_ms, about)


def _ids(refs: Sequence[Ref]) -> list[str]:
    return [ref.id for ref in refs]
