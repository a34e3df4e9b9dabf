"""Erasure: one person is forgotten, as she asked; what must stay is named with its reason.

Danger. A person told that she is forgotten while a file, a key or a row remains; an erasure that a restart forgets.

Principle. The erasure itself is a row before anything else happens, so an interrupted one is found and finished.
Keys are destroyed, so no back-up can open her content once the keystore's ring has turned (clause 5(1)3). What a hold
keeps is hidden with the rest and the erasure stays open: it goes on by itself when the hold is lifted (clause 5(2)4).

Boundary. Row, sign-out and ledger entry are one transaction; then `ending`, repeatable; then the certificate, in one
transaction with the counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from core import ids, ledger
from core.database import Transaction
from core.holdings import Held, Holding
from core.identity import signins
from core.identity.callers import SYSTEM, Caller
from core.policy import Policy
from core.services import Core
from support.privacy import ending, keeping
from support.privacy.ending import Chosen, Doomed, Ended
from support.privacy.keeping import Kept
from support.privacy.models import Erasure

REASON = "R-5.1.3c"


@dataclass(frozen=True)
class Plan:
    """What goes, and what stays with the rule that makes it stay; by holding."""

    goes: Sequence[tuple[Holding, Sequence[Held]]]
    stays: Sequence[tuple[Holding, Sequence[Held]]]


def plan(tx: Transaction, holdings: Sequence[Holding], policy: Policy, subject: str) -> Plan:
    """What erasing `subject` would do; nothing is changed."""
    spared = keeping.kept(tx, holdings, policy)
    held = [(holding, [_with_hold(each, spared) for each in holding.of(tx, policy, subject)]) for holding in holdings]
    goes = [(holding, [each for each in found if each.stays is None]) for holding, found in held]
    stays = [(holding, [each for each in found if each.stays is not None]) for holding, found in held]
    return Plan([pair for pair in goes if pair[1]], [pair for pair in stays if pair[1]])


def wanted(tx: Transaction, holdings: Sequence[Holding], policy: Policy, subject: str) -> Chosen:
    """All that has to be unreachable when `subject` is erased: what goes, and what only a hold keeps."""
    held = {holding.name: holding.of(tx, policy, subject) for holding in holdings}
    return {name: [each.object for each in found if each.stays is None] for name, found in held.items()}


def _with_hold(held: Held, spared: Kept) -> Held:
    """The same object, with the hold that makes it stay as its rule: `HOLD_COURT`, until somebody looks at it again."""
    hold = spared.get(held.object.id) if held.stays is None else None
    return Held(held.object, f"HOLD_{hold.ground}", hold.review_ms) if hold else held


async def run(core: Core, holdings: Sequence[Holding], subject: str, *, caller: Caller = SYSTEM, now: int) -> Erasure:
    """Erase a person; repeating it, also after a stop halfway, is harmless and ends in the same state.

    While a hold keeps something of hers, that is hidden, the erasure stays unfinished and `resume` takes it up again.
    """
    begun = await core.database.write(_begin, core, caller, subject, now=now)

    def choose(tx: Transaction) -> Chosen:
        return wanted(tx, holdings, core.policy, subject)

    doomed, ended = await ending.end(core, holdings, choose, reason=REASON, now=now)
    if doomed.spared:
        return await core.database.write(_defer, caller, begun, doomed, ended, now=now)
    return await core.database.write(_certify, caller, begun, ended, now=now)


async def resume(core: Core, holdings: Sequence[Holding], *, now: int) -> int:
    """Finish every erasure that a stop interrupted; return how many there were."""
    subjects = await core.database.read(_unfinished)
    for subject in subjects:
        await run(core, holdings, subject, now=now)
    return len(subjects)


def _begin(tx: Transaction, core: Core, caller: Caller, subject: str, *, now: int) -> str:
    open_one = select(Erasure).where(Erasure.subject == subject, col(Erasure.finished_ms).is_(None))
    if (found := tx.session.exec(open_one).first()) is not None:
        return found.id
    erasure = Erasure(id=ids.new(), subject=subject, started_ms=now)
    tx.session.add(erasure)
    kind, _, caller_id = subject.partition(":")
    if kind in ("person", "visitor"):
        signins.end_all(tx, core.hub, "person" if kind == "person" else "visitor", caller_id)
    about = (kind, caller_id)
    ledger.append(tx, caller=caller, action="erasure.begin", object=about, purpose="P1_LEGAL", reason=REASON, now=now)
    return erasure.id


def _defer(tx: Transaction, caller: Caller, erasure_id: str, doomed: Doomed, ended: Ended, *, now: int) -> Erasure:
    """What could go is gone and counted; the rest waits for its hold, and the ledger says so when that is news."""
    erasure = tx.session.get_one(Erasure, erasure_id)
    held = sum(len(refs) for refs in doomed.spared.values())
    is_news = held != erasure.held
    _add(erasure, ended)
    erasure.held = held
    if is_news:
        about = erasure.subject.partition(":")
        result = f"held-{held}.{ended.code}"
        ledger.append(
            tx,
            caller=caller,
            action="erasure.deferred",
            object=(about[0], about[2]),
            purpose="P1_LEGAL",
            reason="R-5.2.4",
            result=result,
            now=now,
        )
    return _given_out(tx, erasure)


def _certify(tx: Transaction, caller: Caller, erasure_id: str, ended: Ended, *, now: int) -> Erasure:
    erasure = tx.session.get_one(Erasure, erasure_id)
    erasure.finished_ms, erasure.held = now, 0
    _add(erasure, ended)
    kind, _, caller_id = erasure.subject.partition(":")
    ledger.append(
        tx,
        caller=caller,
        action="erasure.done",
        object=(kind, caller_id),
        purpose="P1_LEGAL",
        reason=REASON,
        result=ended.code,
        now=now,
    )
    return _given_out(tx, erasure)


def _add(erasure: Erasure, ended: Ended) -> None:
    erasure.objects += ended.objects
    erasure.rows += ended.rows
    erasure.keys += ended.keys
    erasure.files += ended.files


def _given_out(tx: Transaction, erasure: Erasure) -> Erasure:
    tx.session.add(erasure)
    tx.session.flush()
    tx.session.expunge(erasure)
    return erasure


def _unfinished(tx: Transaction) -> list[str]:
    return list(tx.session.exec(select(Erasure.subject).where(col(Erasure.finished_ms).is_(None))))
