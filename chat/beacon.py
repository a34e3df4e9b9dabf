"""The beacon: what rooms know, against the database; heals lost hints, and notices a log that is not the one it was.

A room that has seen more of a log than there is in the same epoch is the witness of a lost tail (chat.epochs). What a
room knew is taken before the database is read, so that an event committed meanwhile is never taken for a loss.
"""

from collections.abc import Mapping, Sequence

from chat import epochs, standing
from chat.audiences import Audience
from chat.epochs import Lost
from chat.standing import Standing
from chat.watching import Room
from core import clock
from core.services import Core


async def compare(core: Core, rooms: Mapping[str, Room], conversation_ids: Sequence[str]) -> dict[str, Standing]:
    """Bring these rooms up to what the database says; returns that, without the conversations that have ended."""
    watched = [room for room in map(rooms.get, conversation_ids) if room]
    known = {room.id: (room.handovers, room.last(Audience.STAFF)) for room in watched}
    rows = await core.database.read(standing.several, conversation_ids, now=clock.now())
    for room in watched:
        handovers, last = known[room.id]
        row = rows.get(room.id)
        if row is not None and room.handovers == handovers:  # else what we have read may be older than the room
            await _compare(core, room, row, last)
    return rows


async def _compare(core: Core, room: Room, row: Standing, last: int) -> None:
    if room.epoch == row.epoch and row.last_seq < last:
        lost = Lost(room.id, room.epoch, last)
        await core.database.write(epochs.believe_room, core.hub, lost, now=clock.now())
    elif room.epoch:
        room.begin(row)
    else:
        room.hear(row.last_seq)
