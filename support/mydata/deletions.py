"""Deletions: a person has one conversation or everything deleted; a day later it happens, unless she takes it back.

Danger. A thief in an open window who deletes a life; a person told that all is gone while something stays; a wish that
a restart or a hold forgets.

Principle. She sees first what goes and what stays, why and until when. Nothing goes for a day, and she is written to at
once, without a word of content (clause 5(1)3). What a hold keeps is tried again every day until it is let go. The
certificate is a number that outlives her.

Boundary. Wish, request and job are one transaction. The work is the erasure's own: repeatable after any stop; only
then is the request answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlmodel import col, select

from chat import conversations
from core import clock, ids, jobs, ledger
from core.database import Transaction
from core.holdings import Held, Holding
from core.identity.callers import SYSTEM, Caller
from core.identity.permissions import Operation
from core.policy import Policy
from core.refusals import Conflict, NotFound, Unavailable
from core.services import Core
from support.mydata import wishes
from support.mydata.models import Deletion
from support.privacy import ending, erasure
from support.privacy.ending import Chosen, Ended
from support.rights import letters, steps
from support.rights.models import Kind, RightsRequest, State

JOB: Final = "mydata.delete"
RULE: Final = "R-5.1.3b"
WAITING, RUNNING, HELD = "waiting", "running", "held"
ON_THE_WAY: Final = (WAITING, RUNNING, HELD)
WITHDRAWN, REFUSED, DONE = "withdrawn", "refused", "done"
CONTENT: Final = frozenset({"conversation", "attachment", "order", "person"})
GONE: Final = (
    "What you asked for is deleted. When the backups of our keys have run out, nobody can read it in any backup either."
)


@dataclass(frozen=True)
class Preview:
    """What a deletion would take, and what stays with the rule that keeps it; by holding."""

    goes: Sequence[tuple[Holding, Sequence[Held]]]
    stays: Sequence[tuple[Holding, Sequence[Held]]]


def preview(tx: Transaction, holdings: Sequence[Holding], policy: Policy, subject: str, scope: str | None) -> Preview:
    """What deleting everything, or the conversation `scope`, would do; nothing is changed."""
    planned = erasure.plan(tx, [holding for holding in holdings if holding.is_told], policy, subject)
    if scope is None:
        return Preview(planned.goes, planned.stays)
    inside = {ref for holding in holdings for ref in holding.within(tx, [scope])}

    def of_scope(parts: Sequence[tuple[Holding, Sequence[Held]]]) -> list[tuple[Holding, list[Held]]]:
        kept = [(holding, [h for h in held if h.object.id == scope or h.object in inside]) for holding, held in parts]
        return [pair for pair in kept if pair[1]]

    return Preview(of_scope(planned.goes), of_scope(planned.stays))


async def ask(core: Core, caller: Caller, scope: str | None, locale: str, *, now: int) -> Deletion:
    """Have a conversation, or everything, deleted a day from now.

    Raises:
        NotFound: the conversation is not hers.
        Conflict: code `deletion_there`: she has asked for this already.
    """
    await core.database.read(_check, caller, scope, now=now)
    wish = await wishes.hear(core, caller, Kind.DELETE, locale, conversation=scope, now=now)
    return await core.database.write(_ask, core, caller, scope, wish, now=now)


def take_back(tx: Transaction, core: Core, caller: Caller, deletion_id: str, *, now: int) -> None:
    """Nothing goes after all. Raises: NotFound, when it is not hers or not waiting any more."""
    row = _locked(tx, deletion_id)
    if row is None or row.subject != caller.ref or row.state not in (WAITING, HELD):
        raise NotFound
    row.state, row.ended_ms = WITHDRAWN, now
    tx.session.add(row)
    tx.session.flush()
    _note(tx, caller, "deletion.take_back", row, "ok", now=now)
    if not _others(tx, row):
        wishes.take_back(tx, core, caller, row.request_id, now=now)


async def carry_out(core: Core, holdings: Sequence[Holding], deletion_id: str, *, now: int) -> None:
    """Delete what was asked for, if its day has come; what is held is tried again tomorrow.

    Raises: Unavailable, before its day: the clock of whoever calls is behind that of the jobs.
    """
    row = await core.database.write(_take, core, deletion_id, now=now)
    if row is None:
        return
    ended, certificate = await _delete(core, holdings, row, now=now)
    await core.database.write(_certify, core, holdings, row, ended, certificate, now=now)


def revive(tx: Transaction, *, now: int) -> int:
    """Plan again what is an hour behind: its job may have died, or been set aside by a restore; returns how many."""
    late = select(Deletion.id).where(col(Deletion.state).in_(ON_THE_WAY), col(Deletion.due_ms) <= now - clock.HOUR)
    found = list(tx.session.exec(late))
    for deletion_id in found:
        jobs.enqueue(tx, JOB, {"deletion": deletion_id}, run_ms=now, key=f"{deletion_id}.late.{now // clock.HOUR}")
    return len(found)


def of(tx: Transaction, subject: str) -> Sequence[Deletion]:
    """Her deletions, the newest first."""
    hers = select(Deletion).where(Deletion.subject == subject).order_by(col(Deletion.asked_ms).desc(), Deletion.id)
    return tx.session.exec(hers).all()


def _check(tx: Transaction, caller: Caller, scope: str | None, *, now: int) -> None:
    if scope is not None:
        conversations.find(tx, caller, scope, Operation.ERASE, now=now)
    if any(row.scope in (scope, None) and row.state in ON_THE_WAY for row in of(tx, caller.ref)):
        raise Conflict("deletion_there", "You have asked for this already. It is on its way.")


def _ask(
    tx: Transaction, core: Core, caller: Caller, scope: str | None, wish: wishes.Received, *, now: int
) -> Deletion:
    _check(tx, caller, scope, now=now)
    wishes.prove(tx, core, caller, wish.id, now=now)
    due_ms = now + core.policy.span_ms("delete_delay")
    row = Deletion(
        id=ids.new(),
        subject=caller.ref,
        scope=scope,
        state=WAITING,
        asked_ms=now,
        due_ms=due_ms,
        request_id=wish.id,
    )
    tx.session.add(row)
    jobs.enqueue(tx, JOB, {"deletion": row.id}, run_ms=due_ms, key=f"{row.id}.{due_ms}")
    if wish.is_merged:  # the desk writes for a new request only, and this one must be told of too
        letters.acknowledge(tx, core, steps.find(tx, wish.id), now=now)
    _note(tx, caller, "deletion.ask", row, "all" if scope is None else "conversation", now=now)
    tx.session.flush()
    tx.session.expunge(row)
    return row


async def _delete(core: Core, holdings: Sequence[Holding], row: Deletion, *, now: int) -> tuple[Ended, str]:
    if row.scope is None:
        done = await erasure.run(core, holdings, row.subject, now=now)
        return Ended(done.objects, done.rows, done.keys, done.files), done.id

    scope = row.scope

    def choose(tx: Transaction) -> Chosen:
        """Also what only a hold keeps: that is hidden, and spared."""
        inside = {ref for holding in holdings for ref in holding.within(tx, [scope])}
        wanted = erasure.wanted(tx, holdings, core.policy, row.subject)
        return {name: [ref for ref in refs if ref.id == scope or ref in inside] for name, refs in wanted.items()}

    _, ended = await ending.end(core, holdings, choose, reason=RULE, now=now)
    return ended, row.id


def _take(tx: Transaction, core: Core, deletion_id: str, *, now: int) -> Deletion | None:
    """Begin, so that nobody takes it back meanwhile; None when there is nothing to do, or the desk has decided so."""
    row = _locked(tx, deletion_id)
    if row is None or row.state not in ON_THE_WAY:
        return None
    if row.due_ms > now:
        raise Unavailable("early", retry_ms=row.due_ms - now)
    row.state = _decided(tx, row) or RUNNING
    if row.state == HELD:
        _again(tx, row, now=now)
    elif row.state != RUNNING:
        row.ended_ms = now
    tx.session.add(row)
    tx.session.flush()
    if row.state != RUNNING:
        _note(tx, SYSTEM, f"deletion.{row.state}", row, "request", now=now)
        return None
    tx.session.expunge(row)
    return row


def _decided(tx: Transaction, row: Deletion) -> str | None:
    """What the desk's decision about the request makes of it: refused for a time is held, refused for good ends."""
    request = tx.session.get(RightsRequest, row.request_id)
    if request is None or request.state not in (State.WITHDRAWN, State.REFUSED, State.CLOSED):
        return None
    if request.state == State.WITHDRAWN:
        return WITHDRAWN
    if not (request.decision or "").startswith(("REJ_", "REF_")):
        return None
    return HELD if request.review_ms is not None else REFUSED


def _locked(tx: Transaction, deletion_id: str) -> Deletion | None:
    return tx.session.get(Deletion, deletion_id, populate_existing=True, with_for_update=True)


def _again(tx: Transaction, row: Deletion, *, now: int) -> None:
    row.due_ms = now + clock.DAY
    jobs.enqueue(tx, JOB, {"deletion": row.id}, run_ms=row.due_ms, key=f"{row.id}.{row.due_ms}")


def _certify(  # noqa: PLR0917  (a deletion, and how it went)
    tx: Transaction,
    core: Core,
    holdings: Sequence[Holding],
    done: Deletion,
    ended: Ended,
    certificate: str,
    *,
    now: int,
) -> None:
    row = _locked(tx, done.id)
    if row is None or row.state != RUNNING:
        return
    left = preview(tx, holdings, core.policy, row.subject, row.scope)
    row.certificate = certificate
    if _is_content(left.stays):
        row.state = HELD
        _again(tx, row, now=now)
    else:
        row.state, row.ended_ms = DONE, now
    tx.session.add(row)
    tx.session.flush()
    _note(tx, SYSTEM, f"deletion.{row.state}", row, ended.code, now=now)
    if row.state == DONE and not _others(tx, row):
        wishes.grant(tx, core, row.request_id, GONE, now=now)


def _is_content(stays: Sequence[tuple[Holding, Sequence[Held]]]) -> bool:
    """Whether something that she wanted gone is still there: proofs and certificates are not that."""
    return any(held.object.kind in CONTENT for _, parts in stays for held in parts)


def _others(tx: Transaction, row: Deletion) -> bool:
    """Whether another deletion of the same request is still on its way."""
    return any(
        each.id != row.id and each.request_id == row.request_id and each.state in ON_THE_WAY
        for each in of(tx, row.subject)
    )


def _note(tx: Transaction, caller: Caller, action: str, row: Deletion, result: str, *, now: int) -> None:
    about = ("deletion", row.id)
    ledger.append(
        tx, caller=caller, action=action, object=about, purpose="P1_LEGAL", reason=RULE, result=result, now=now
    )
