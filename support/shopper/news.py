"""News of the policy, as a shopper's page shows it: what is coming, what changed, and how she may take it (7(2))."""

from dataclasses import dataclass
from typing import Literal

from core.database import Transaction
from core.identity import acknowledgements
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller
from core.services import Core
from support.policy import notices, versions
from support.policy.models import PolicyVersion
from support.shopper import minors

Kind = Literal["coming", "goes_on", "asks"]


@dataclass(frozen=True, slots=True)
class News:
    """A change of the policy that she should know of.

    `coming`: its day has not come. `goes_on`: it is in force and she went on. `asks`: she must answer it first.
    """

    kind: Kind
    version: str
    effective_ms: int
    reason: str
    is_wider: bool


def of(tx: Transaction, core: Core, caller: Caller, lang: str, *, has_agreed: bool, now: int) -> News | None:
    """What the caller's page should say about the policy, if anything."""
    answers = {row.policy_version: row.kind for row in acknowledgements.all_of(tx, caller.ref)}
    if not answers:
        return None
    current = tx.session.get(PolicyVersion, core.policy.version)
    if current is not None and not has_agreed and current.version not in answers:
        return _news("asks", current, lang)
    if (next_ := versions.coming(tx, now=now)) is not None:
        return _news("coming", next_, lang)
    if current is not None and answers.get(current.version) == "continued_use":
        return _news("goes_on", current, lang)
    return None


def go_on(tx: Transaction, core: Core, caller: Caller, shown: Shown, *, now: int) -> bool:
    """Take going on as the answer to the version in force, where that is enough; says whether it was taken.

    Enough only for a version that adds no purpose, no recipient and no longer keeping, for somebody who was told of
    it and who agreed to a version that it follows. A minor goes on only with the guardian.
    """
    before = {row.policy_version for row in acknowledgements.all_of(tx, caller.ref)}
    is_enough = bool(core.policy.follows & before) and notices.was_told(tx, caller.ref, core.policy.version)
    if not is_enough or minors.needs_guardian(tx, core, caller.ref):
        return False
    acknowledgements.record(tx, caller.ref, shown, "continued_use", now=now)
    return True


def answer(tx: Transaction, core: Core, caller: Caller) -> acknowledgements.Answer:
    """What a tap on "agree" is: consent of its own from somebody whose earlier agreement did not reach so far."""
    before = {row.policy_version for row in acknowledgements.all_of(tx, caller.ref)} - {core.policy.version}
    return "consent" if before and not core.policy.follows & before else "agreed"


def _news(kind: Kind, row: PolicyVersion, lang: str) -> News:
    reason = row.reason_zh_hant if lang == "zh-Hant" else row.reason_en
    return News(kind, row.version, row.effective_ms, reason, row.is_wider)
