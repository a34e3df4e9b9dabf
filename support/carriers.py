"""Carriers: what the officer's buttons do for a request, from the rooms that can do it (support.rights.carrying)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose, Resource
from support.house import House
from support.mydata import archives, restrictions
from support.rights import carrying
from support.rights.carrying import Carrier, Order
from support.rights.models import Kind


async def copy(house: House, caller: Caller, order: Order) -> str:
    """Have a sealed copy made, which only the person can fetch from her own page. Raises: NotFound, Conflict."""
    _require(caller, Operation.MAKE_COPY, order)
    await archives.order(house.core, caller, order.subject, order.locale, now=order.now)
    return "copy-ordered"


async def stop(house: House, caller: Caller, order: Order) -> str:
    """Freeze everything of the person's. Repeating it is harmless. Raises: NotFound."""
    _require(caller, Operation.DECIDE_CASE, order)
    frozen = await house.core.database.write(
        restrictions.freeze, house.core, caller, order.subject, order.request, now=order.now
    )
    return f"conversations-{frozen}"


def _require(caller: Caller, operation: Operation, order: Order) -> None:
    thing = Resource("person", order.subject)
    permissions.require(caller, operation, thing, Purpose.P1_LEGAL, case=order.request)


CARRIERS: Final[Mapping[str, Carrier]] = MappingProxyType(
    {**carrying.CARRIERS, Kind.COPY: copy, Kind.STOP: stop},
)
