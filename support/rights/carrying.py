"""Carrying out: what the officer's button does for a request, and the note that it was done.

Danger. A request marked as done that nothing was done for; a person erased on another person's request.

Principle. A carrier does the work for the subject of the request and nobody else, only while the request is in
progress, and leaves a step. Answering is a decision of its own, made afterwards by the officer. Which carriers there
are is said where the product is put together, because other rooms have theirs.

Boundary. The work has transactions of its own and may be repeated; the step follows when it is done.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.database import Transaction
from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose, Resource
from core.refusals import Conflict, NotFound
from support.house import House
from support.privacy import erasure
from support.rights import steps
from support.rights.models import Channel, Kind, RightsRequest, State

Carrier = Callable[[House, Caller, "Order"], Awaitable[str]]


@dataclass(frozen=True)
class Order:
    """What is carried out: for which request, for whom, when."""

    request: str
    subject: str
    locale: str
    now: int


async def erase(house: House, caller: Caller, order: Order) -> str:
    """Erase the person; the counts, as a code, and how much a hold keeps. Repeating it is harmless."""
    permissions.require(
        caller, Operation.ERASE, Resource("person", order.subject), Purpose.P1_LEGAL, case=order.request
    )
    done = await erasure.run(house.core, house.holdings, order.subject, caller=caller, now=order.now)
    return f"objects-{done.objects}.rows-{done.rows}.keys-{done.keys}.files-{done.files}.held-{done.held}"


CARRIERS: Final[Mapping[str, Carrier]] = MappingProxyType({Kind.DELETE: erase})


async def carry_out(
    house: House, carriers: Mapping[str, Carrier], caller: Caller, request_id: str, *, now: int
) -> None:
    """Do what was asked for.

    Raises:
        NotFound, Conflict: as every verb.
        Conflict: code `by_hand`: there is no button for this kind, or nobody is known for whom to press it.
    """
    row = await house.core.database.write(_ready, caller, request_id)
    carrier = carriers.get(row.kind)
    if carrier is None or not row.subject.startswith("person:"):
        raise _by_hand()
    done = await carrier(house, caller, Order(row.id, row.subject, row.locale, now))
    await house.core.database.write(_note, house, caller, request_id, done, now=now)


def _ready(tx: Transaction, caller: Caller, request_id: str) -> RightsRequest:
    """The request in progress. Raises: Conflict: code `by_hand`: it is about less than all that is the subject's, or
    about somebody else's."""
    row = steps.for_decision(tx, caller, request_id, {State.IN_PROGRESS})
    is_of_one = row.kind == Kind.DELETE and row.channel == Channel.MY_DATA and row.conversation_id is not None
    if row.is_for_another or is_of_one:
        raise _by_hand()
    tx.session.expunge(row)
    return row


def _by_hand() -> Conflict:
    return Conflict("by_hand", "There is no button for this; do it by hand, then write the answer.")


def _note(tx: Transaction, house: House, caller: Caller, request_id: str, done: str, *, now: int) -> None:
    row = steps.locked(tx, request_id)
    if row.state != State.IN_PROGRESS:
        raise NotFound
    steps.move(tx, house.core, caller, row, "carry_out", rule="R-5.1.2a", result=done, now=now)
