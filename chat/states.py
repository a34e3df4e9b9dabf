"""What is shown beside the log: inbox cards, read marks, who is here, who is typing. The latest value wins.

None of it is part of the log: a lost one is repaired by the next, and by the snapshot at `sub`.
"""

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Protocol

from chat import audiences, cards, conversations, log, marks, protocol
from chat.audiences import Audience
from chat.cards import Card
from chat.marks import Mark
from chat.models import Conversation
from chat.presence import Presence
from chat.watching import Room, Watcher
from core import clock
from core.database import Transaction
from core.identity import permissions
from core.identity.permissions import Operation
from core.services import Core

CARDS_AT_ONCE = 200
LATELY = 2 * clock.MINUTE  # longer than the longest pause between two beacons, and than clocks are apart


class Service(Protocol):
    """What is shown, and to whom."""

    @property
    def core(self) -> Core: ...

    @property
    def presence(self) -> Presence: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class States:
    """Makes each frame once per side and hands it to everyone it is for."""

    def __init__(self, chat: Service) -> None:
        self._chat = chat
        self._undealt: set[str] = set()
        self._rooms_of: dict[str, set[Room]] = {}
        self._desks: set[Watcher] = set()
        self._is_dealing = False

    def add_desk(self, desk: Watcher) -> None:
        """This socket shows the inbox from now on."""
        self._desks.add(desk)

    def remove_desk(self, desk: Watcher) -> None:
        """It does so no more, if it did."""
        self._desks.discard(desk)

    def deal(self, conversation_id: str) -> None:
        """A card has changed; those that change while cards are being made go into the next round together."""
        if not self._desks:
            return
        self._undealt.add(conversation_id)
        if not self._is_dealing:
            self._is_dealing = True
            self._chat.spawn(self._deal())

    async def deal_lately(self) -> None:
        """Deal what has moved while hints may have been lost: no room watches a card."""
        if self._desks:
            since = clock.now() - LATELY
            for conversation_id in await self._chat.core.database.read(conversations.moved_since, since):
                self.deal(conversation_id)

    async def _deal(self) -> None:
        try:
            while self._undealt:
                wanted = sorted(self._undealt)[:CARDS_AT_ONCE]
                self._undealt.difference_update(wanted)
                made = await self._chat.core.database.read(self._make, wanted, now=clock.now())
                for row, card in made:
                    self._show_card(row, card)
        finally:
            self._is_dealing = False

    def _make(self, tx: Transaction, wanted: Sequence[str], *, now: int) -> list[tuple[Conversation, Card]]:
        rows = conversations.several(tx, wanted, now=now)
        return [(rows[card.id], card) for card in cards.make(tx, self._chat.core, list(rows.values()))]

    def _show_card(self, row: Conversation, card: Card) -> None:
        shown = protocol.write(protocol.State(row.id, "card", card.version, protocol.plain(card)))
        lost = protocol.write(protocol.State(row.id, "card", card.version, {"id": row.id, "gone": True}))
        for desk in self._desks:
            may = permissions.can(desk.caller, Operation.READ_CONVERSATION, log.resource(row))
            desk.tell(("card", row.id), shown if may else lost)

    async def show_mark(self, room: Room, participant: str) -> None:
        """A participant's marks have moved."""
        for mark in await self._chat.core.database.read(marks.of, room.id):
            if mark.participant == participant:
                for what in ("read", "received"):
                    frames = {audience: mark_frame(mark, what, audience) for audience in Audience}
                    room.show((what, room.id, participant), frames)

    def show_typing(self, room: Room, participant: str) -> None:
        """A participant is writing; they themselves need not be told."""
        name = next((each.caller.name for each in room.watchers if each.caller.ref == participant), None)
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
            self.notice(room, [ref])
            if self._chat.presence.is_here(ref):
                self._show_presence_in(room, ref)

    def notice(self, room: Room, refs: Iterable[str]) -> None:
        """These people take part: their coming and going is shown in the room, as long as there is one."""
        for ref in refs:
            room.seen.add(ref)
            self._rooms_of.setdefault(ref, set()).add(room)

    def forget(self, room: Room) -> None:
        """Nobody watches the room any more."""
        for ref in room.seen:
            rooms = self._rooms_of.get(ref, set())
            rooms.discard(room)
            if not rooms:
                self._rooms_of.pop(ref, None)

    def show_presence(self, ref: str) -> None:
        """Somebody has come or gone."""
        for room in self._rooms_of.get(ref, ()):
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


def mark_frame(mark: Mark, what: str, audience: Audience) -> str:
    """A participant's mark as a state frame, in the numbering of the side that sees it."""
    column = f"{what}_seq" if audience is Audience.STAFF else f"{what}_pub_seq"
    who = audiences.who(mark.participant, "", audience)
    shown = {"ref": who.ref, "kind": who.kind, "upto": getattr(mark, column)}
    return protocol.write(protocol.State(mark.conversation_id, what, mark.version, shown))
