"""What is shown beside the log: inbox cards, read marks, who is here, who is typing. The latest value wins.

None of it is part of the log: a lost one is repaired by the next, and by the snapshot at `sub`.
"""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from chat import audiences, cards, conversations, log, marks, protocol
from chat.audiences import Audience
from chat.cards import Card
from chat.models import Conversation, ReadMark
from chat.presence import Presence
from chat.watchers import Watcher
from chat.watching import Room
from core import clock
from core.database import FAULTS, Transaction
from core.identity import permissions
from core.identity.permissions import Operation
from core.refusals import Unavailable
from core.services import Core

CARDS_AT_ONCE = 200
LATELY = 2 * clock.MINUTE  # longer than the longest pause between two beacons, and than clocks are apart


class Desk(Watcher, Protocol):
    """A socket that may show the inbox."""

    @property
    def has_inbox(self) -> bool:
        """Whether it does."""


class Service(Protocol):
    """What is shown, and to whom."""

    @property
    def core(self) -> Core: ...

    @property
    def presence(self) -> Presence: ...

    @property
    def connections(self) -> Iterable[Desk]: ...

    @property
    def rooms(self) -> Mapping[str, Room]: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> bool: ...


class States:
    """Makes each frame once per side and hands it to everyone it is for."""

    def __init__(self, chat: Service) -> None:
        self._chat = chat
        self._undealt: set[str] = set()
        self._is_dealing = False

    def deal(self, conversation_id: str) -> None:
        """A card has changed; those that change while cards are being made go into the next round together."""
        if not any(connection.has_inbox for connection in self._chat.connections):
            return
        self._undealt.add(conversation_id)
        self.resume()

    def resume(self) -> None:
        """Deal what waits to be dealt, if nobody does."""
        if self._undealt and not self._is_dealing:
            self._is_dealing = self._chat.spawn(self._deal())

    async def deal_lately(self) -> None:
        """Deal what has moved while hints may have been lost: no room watches a card."""
        if any(connection.has_inbox for connection in self._chat.connections):
            since = clock.now() - LATELY
            for conversation_id in await self._chat.core.database.read(conversations.moved_since, since):
                self.deal(conversation_id)

    async def _deal(self) -> None:
        try:
            while self._undealt:
                wanted = sorted(self._undealt)[:CARDS_AT_ONCE]
                self._undealt.difference_update(wanted)
                await self._deal_these(wanted)
        finally:
            self._is_dealing = False

    async def _deal_these(self, wanted: Sequence[str]) -> None:
        try:
            made = await self._chat.core.database.read(self._make, wanted, now=clock.now())
        except (Unavailable, *FAULTS):
            self._undealt.update(wanted)
            raise
        for row, card in made:
            self._show_card(row, card)

    def _make(self, tx: Transaction, wanted: Sequence[str], *, now: int) -> list[tuple[Conversation, Card]]:
        rows = conversations.several(tx, wanted, now=now)
        return [(rows[card.id], card) for card in cards.make(tx, self._chat.core, list(rows.values()))]

    def _show_card(self, row: Conversation, card: Card) -> None:
        shown = protocol.write(protocol.State(row.id, "card", card.version, protocol.plain(card)))
        lost = protocol.write(protocol.State(row.id, "card", card.version, {"id": row.id, "gone": True}))
        for connection in self._chat.connections:
            if connection.has_inbox:
                may = permissions.can(connection.caller, Operation.READ_CONVERSATION, log.resource(row))
                connection.tell(("card", row.id), shown if may else lost)

    async def show_mark(self, room: Room, participant: str) -> None:
        """A participant's marks have moved."""
        for mark in await self._chat.core.database.read(marks.of, room.id):
            if mark.participant == participant:
                for what in ("read", "received"):
                    frames = {audience: mark_frame(mark, what, audience) for audience in Audience}
                    room.show((what, room.id, participant), frames)

    def show_typing(self, room: Room, participant: str) -> None:
        """A participant is writing; they themselves need not be told."""
        name = next((each.caller.name for each in self._chat.connections if each.caller.ref == participant), None)
        if name is not None:
            _show_typing(room, participant, name)
        elif room.watchers:
            self._chat.spawn(self._show_typing_elsewhere(room, participant))

    async def _show_typing_elsewhere(self, room: Room, participant: str) -> None:
        """Whoever is connected to another process has no name here yet; a hint carries none."""
        name = await self._chat.core.database.read(cards.name_of, self._chat.core, room.id, participant)
        _show_typing(room, participant, name)

    def meet(self, room: Room, ref: str) -> None:
        """Somebody takes part; when they are new to this room, those who are in it see that they are here."""
        if ref not in room.seen:
            room.seen.add(ref)
            if self._chat.presence.is_here(ref):
                self._show_presence_in(room, ref)

    def show_presence(self, ref: str) -> None:
        """Somebody has come or gone."""
        for room in self._chat.rooms.values():
            if ref in room.seen:
                self._show_presence_in(room, ref)

    def _show_presence_in(self, room: Room, ref: str) -> None:
        frames = {audience: self.presence_frame(room.id, ref, audience) for audience in Audience}
        room.show(("presence", room.id, ref), frames, but=ref)

    def presence_frame(self, conversation_id: str, ref: str, audience: Audience) -> str:
        """Whether somebody is here, for one side."""
        who = audiences.who(ref, "", audience)
        here = {"ref": who.ref, "kind": who.kind, "online": self._chat.presence.is_here(ref)}
        return protocol.write(protocol.State(conversation_id, "presence", clock.now(), here))


def _show_typing(room: Room, participant: str, name: str) -> None:
    frames = {
        audience: protocol.write(protocol.TypingNow(room.id, audiences.who(participant, name, audience)))
        for audience in Audience
    }
    room.show(("typing", room.id, participant), frames, but=participant)


def mark_frame(mark: ReadMark, what: str, audience: Audience) -> str:
    """A participant's mark as a state frame, in the numbering of the side that sees it."""
    column = f"{what}_seq" if audience is Audience.STAFF else f"{what}_pub_seq"
    who = audiences.who(mark.participant, "", audience)
    shown = {"ref": who.ref, "kind": who.kind, "upto": getattr(mark, column)}
    return protocol.write(protocol.State(mark.conversation_id, what, mark.version, shown))
