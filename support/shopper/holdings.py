"""What the shopper's side keeps about people: minors and their guardians' consent, and who spoke for somebody else.

All of it is kept as long as agreements are: it is the proof that somebody agreed (clauses 6(2) and 2(3)). It holds
opaque ids and a keyed hash, never an address or an age.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, delete, select
from sqlmodel import SQLModel

from core.database import Transaction
from core.holdings import Copying, Due, Held, Holding, Part, Record, Ref
from core.policy import Policy
from support.shopper import models

KEPT_AS = "acknowledgement"
assert models
_tables = SQLModel.metadata.tables


@dataclass(frozen=True)
class _Proof:
    """One table of proofs: its key, whose they are, since when, and the rule that keeps them."""

    table: Table
    key: ColumnElement[str]
    subject: ColumnElement[str]
    since: ColumnElement[int]
    rule: str
    about: str


def holdings() -> list[Holding]:
    """Minors, guardians' consents and attestations."""
    minor, consent = _tables["minor"].c, _tables["guardian_consent"].c
    said = _tables["third_party_attestation"].c
    return [
        _holding(
            "minors",
            "That you said you are under age",
            "6(2)",
            _Proof(_tables["minor"], minor.subject, minor.subject, minor.declared_ms, "R-6.2", "Under age"),
        ),
        _holding(
            "guardians",
            "That a guardian agreed for you",
            "6(2)",
            _Proof(_tables["guardian_consent"], consent.id, consent.minor_ref, consent.at_ms, "R-6.2", "Guardian"),
        ),
        _holding(
            "attestations",
            "That you spoke for somebody else",
            "2(3)",
            _Proof(
                _tables["third_party_attestation"],
                said.conversation_id,
                said.subject,
                said.at_ms,
                "R-2.3f",
                "For somebody else",
            ),
        ),
    ]


def _holding(name: str, title: str, clause: str, proof: _Proof) -> Holding:
    kind = proof.table.name

    def due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
        over = proof.since <= now - policy.expires_ms(KEPT_AS, 0)
        oldest = select(proof.key.label("key"), proof.subject.label("subject"), proof.since.label("since"))
        rows = tx.execute(oldest.where(over).order_by(proof.since).limit(limit))
        return [Due(Ref(kind, row.key), row.subject, KEPT_AS, policy.expires_ms(KEPT_AS, row.since)) for row in rows]

    def of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
        mine = select(proof.key.label("key"), proof.since.label("since")).where(proof.subject == subject)
        rows = tx.execute(mine)
        return [Held(Ref(kind, row.key), proof.rule, policy.expires_ms(KEPT_AS, row.since)) for row in rows]

    def erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
        assert now
        gone = delete(proof.table).where(proof.key.in_([ref.id for ref in refs])).returning(proof.key)
        return len(tx.execute(gone).all())

    def export(copying: Copying) -> Iterator[Part]:
        mine = select(proof.key.label("key"), proof.since.label("since")).where(proof.subject == copying.subject)
        for row in copying.tx.execute(mine.order_by(proof.since)):
            yield Record(name, row.key, row.since, {"Kind": proof.about})

    return Holding(
        name=name,
        title=title,
        clause=clause,
        tables=(kind,),
        classes=(KEPT_AS,),
        kinds=(kind,),
        due=due,
        of=of,
        erase=erase,
        export=export,
    )
