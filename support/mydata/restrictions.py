"""Restrictions: what we keep about a person is frozen as soon as she says stop, until she says go on (5(1)2).

Danger. A door that forgets to ask: an inbox, a search, an open socket that goes on showing what nobody may use any
more; and old words that come back into use because she asked something new.

Principle. Every conversation of hers is marked in its own row, and the one permission function refuses what is marked.
A new chat needs a new answer to the notice, and what was frozen stays so. The history of the flag is the evidence.

Boundary. Flag, conversations, ledger entry and request are one transaction; sockets of staff are told after it.
"""

from typing import Final

from sqlmodel import col, select, update

from chat import freezing
from core import ids, ledger
from core.database import Transaction
from core.identity.callers import Caller
from core.refusals import NotAllowed
from core.services import Core
from support.mydata import wishes
from support.mydata.models import Restriction

RULE: Final = "R-5.1.2b"
STOPPED: Final = "Nobody here uses your conversations and files any more. They stay until their period ends."


def stop(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Freeze everything of the caller's; saying it twice changes nothing."""
    wishes.prove(tx, core, caller, request_id, now=now)
    freeze(tx, core, caller, caller.ref, request_id, now=now)
    wishes.grant(tx, core, request_id, STOPPED, now=now)


def freeze(tx: Transaction, core: Core, caller: Caller, subject: str, request_id: str, *, now: int) -> int:
    """Freeze everything of the subject's for her request; how many conversations, none the second time."""
    if in_force(tx, subject) is not None:
        return 0
    tx.session.add(Restriction(id=ids.new(), subject=subject, since_ms=now, request_id=request_id))
    frozen = freezing.freeze(tx, core, subject, now=now)
    _note(tx, caller, subject, "processing.stop", f"conversations-{frozen}", now=now)
    return frozen


def lift(tx: Transaction, core: Core, caller: Caller, *, now: int) -> None:
    """Let everything of the caller's be used again, because she says so."""
    row = in_force(tx, caller.ref)
    if row is None:
        return
    row.lifted_ms = now
    tx.session.add(row)
    thawed = freezing.thaw(tx, core, caller.ref)
    _note(tx, caller, caller.ref, "processing.go_on", f"conversations-{thawed}", now=now)


def in_force(tx: Transaction, subject: str) -> Restriction | None:
    """The restriction that stands, if one does."""
    hers = select(Restriction).where(Restriction.subject == subject, col(Restriction.lifted_ms).is_(None))
    return tx.session.exec(hers).first()


def waits_for_answer(tx: Transaction, subject: str) -> bool:
    """Whether she must answer the notice again before she can write to us."""
    row = in_force(tx, subject)
    return row is not None and row.agreed_ms is None


def require_answer(tx: Transaction, subject: str) -> None:
    """Refuse content until the notice is answered again. Raises: NotAllowed."""
    if waits_for_answer(tx, subject):
        raise NotAllowed("policy_unread", "Please read the privacy policy and agree to it first.")


def agree_again(tx: Transaction, caller: Caller, *, now: int) -> None:
    """She has answered the notice again: what she writes from now on may be used, what was frozen may not."""
    waiting = (col(Restriction.subject) == caller.ref) & col(Restriction.lifted_ms).is_(None)
    again = update(Restriction).where(waiting, col(Restriction.agreed_ms).is_(None)).values(agreed_ms=now)
    if tx.execute(again.returning(col(Restriction.id))).all():
        _note(tx, caller, caller.ref, "policy.agree_again", "ok", now=now)


def _note(tx: Transaction, caller: Caller, subject: str, action: str, result: str, *, now: int) -> None:
    kind, _, subject_id = subject.partition(":")
    about = (kind, subject_id)
    ledger.append(
        tx, caller=caller, action=action, object=about, purpose="P1_LEGAL", reason=RULE, result=result, now=now
    )
