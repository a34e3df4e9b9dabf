"""The welcome that a line begins with, by socket or by polls: who one is, how late it is, what may be done."""

from chat import amendments, audiences, bodies, protocol
from core import clock, ids
from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation


def greet(caller: Caller, version: str = protocol.SUBPROTOCOL) -> protocol.Welcome:
    """The welcome of this caller, now."""
    change_ms = amendments.CHANGE_WITHIN_MS if permissions.can(caller, Operation.RETRACT) else 0
    limits = {"frame": protocol.FRAME_BYTES, "text": bodies.TEXT_POINTS, "text_bytes": bodies.TEXT_BYTES}
    return protocol.Welcome(
        sid=ids.new(),
        me=audiences.who(caller.ref, caller.name, audiences.of_caller(caller)),
        now=clock.now(),
        proto=version,
        limits=limits | {"subs": protocol.SUBSCRIPTIONS, "page": protocol.PAGE, "change_ms": change_ms},
        features=["page", "masked", "poll"],
    )
