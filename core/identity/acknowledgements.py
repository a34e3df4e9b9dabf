"""Acknowledgements: who was shown which version of the policy, and what they answered; rows are never changed.

An acknowledgement counts for the very version and text it names. A new version needs a new one (preface, 7(2)):
nothing here carries an old answer over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlmodel import SQLModel, col, select

from core import ids
from core.database import Transaction, insert_ignore
from core.identity.models import Acknowledgement
from core.refusals import NotAllowed

Answer = Literal["agreed", "continued_use", "consent"]
AGREEING: tuple[str, ...] = ("agreed", "consent")


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown: the version, the hash of its text, in which language, where and when."""

    policy_version: str
    policy_sha256: str
    locale: str
    channel: str
    shown_ms: int


def record(tx: Transaction, subject: str, shown: Shown, answer: Answer = "agreed", *, now: int) -> None:
    """Keep that `subject` ("visitor:<id>", "person:<id>") gave this answer; saying it twice changes nothing."""
    row = {
        "id": ids.new(),
        "subject": subject,
        "policy_version": shown.policy_version,
        "policy_sha256": shown.policy_sha256,
        "locale": shown.locale,
        "channel": shown.channel,
        "kind": answer,
        "shown_ms": shown.shown_ms,
        "at_ms": now,
    }
    table = SQLModel.metadata.tables["acknowledgement"]
    insert_ignore(tx, table, [row], ("subject", "policy_version", "kind"))


def has_agreed(
    tx: Transaction, subject: str, *, policy_version: str, policy_sha256: str, answers: Sequence[str] = AGREEING
) -> bool:
    """Whether `subject` agreed to exactly this text, by one of `answers`.

    Continued use is no agreement unless the version says so in its `answers`: one that adds no purpose, no recipient
    and no longer keeping (7(2)).
    """
    agreed = select(Acknowledgement.id).where(
        Acknowledgement.subject == subject,
        Acknowledgement.policy_version == policy_version,
        Acknowledgement.policy_sha256 == policy_sha256,
        col(Acknowledgement.kind).in_(answers),
    )
    return tx.session.exec(agreed).first() is not None


def require(
    tx: Transaction, subject: str, *, policy_version: str, policy_sha256: str, answers: Sequence[str] = AGREEING
) -> None:
    """Refuse content, files and order links before the policy in force was read and agreed to.

    Raises:
        NotAllowed: code `policy_unread`.
    """
    if not has_agreed(tx, subject, policy_version=policy_version, policy_sha256=policy_sha256, answers=answers):
        raise NotAllowed("policy_unread", "Please read the privacy policy and agree to it first.")


def carry_over(tx: Transaction, visitor: str, person: str) -> None:
    """Keep for the person what the same human agreed to as a guest in this browser; the guest's rows stay."""
    table = SQLModel.metadata.tables["acknowledgement"]
    for row in all_of(tx, visitor):
        copied = {**row.model_dump(), "id": ids.new(), "subject": person}
        insert_ignore(tx, table, [copied], ("subject", "policy_version", "kind"))


def all_of(tx: Transaction, subject: str) -> Sequence[Acknowledgement]:
    """Everything a subject ever answered, oldest first."""
    mine = select(Acknowledgement).where(Acknowledgement.subject == subject)
    return tx.session.exec(mine.order_by(col(Acknowledgement.at_ms), col(Acknowledgement.id))).all()
