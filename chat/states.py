"""What is shown beside the log: inbox cards, read marks, who is here, who is typing. The latest value wins.

None of it is part of the log: a lost one is repaired by the next, and by the snapshot at `sub`.
"""

from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from chat import audiences, cards, conversations, log, marks, protocol
from chat.audiences import Audience
from chat.cards import Card
from chat.marks import Mark
from chat.models import Conversation
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


class Service(Protocol):
    """What is shown, and to whom."""

    @property
    def core(self) -> Core: ...

    @property
    def presence(self) -> Presence: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> bool: ...


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
        self.resume()

    def resume(self) -> None:
        """Deal what waits to be dealt, if nobody does."""
        if self._undealt and not self._is_dealing:
            self._is_dealing = self._chat.spawn(self._deal())

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
        for conversation_id in set(wanted).difference(card.id for _, card in made):
            self._take_card(conversation_id)

    def _make(self, tx: Transaction, wanted: Sequence[str], *, now: int) -> list[tuple[Conversation, Card]]:
        rows = conversations.several(tx, wanted, now=now)
        return [(rows[card.id], card) for card in cards.make(tx, self._chat.core, list(rows.values()))]

    def _show_card(self, row: Conversation, card: Card) -> None:
        shown = protocol.write(protocol.State(row.id, "card", card.version, protocol.plain(card)))
        lost = _gone(row.id, card.version)
        for desk in self._desks:
            may = permissions.can(desk.caller, Operation.READ_CONVERSATION, log.resource(row))
            desk.tell(("card", row.id), shown if may else lost)

    def _take_card(self, conversation_id: str) -> None:
        """Erased, expired or without its key: what was shown of it goes from every inbox."""
        for desk in self._desks:
            desk.tell(("card", conversation_id), _gone(conversation_id, 0))

    async def show_mark(self, room: Room, participant: str, sides: Collection[Audience]) -> None:
        """A participant's marks have moved for these sides."""
        found = await self._chat.core.database.read(marks.of, room.id)
        for audience in sides:
            ref = audiences.who(participant, "", audience).ref
            for (what, whose), mark in shown_marks(found, audience).items():
                if whose == ref:
                    room.show((what, room.id, ref), {audience: protocol.write(mark)})

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
        for audience in Audience:
            for shown, frame in self.presence_frames(room, [ref], audience).items():
                room.show(("presence", room.id, shown), {audience: frame}, but=ref)

    def presence_frames(self, room: Room, refs: Iterable[str], audience: Audience) -> dict[str, str]:
        """Whether these are here, as this side knows them: for the public side all agents are one, who is here when
        any of them is."""
        shown = {who.ref: who for ref in sorted(refs) for who in [audiences.who(ref, "", audience)]}
        here = {audiences.who(ref, "", audience).ref for ref in room.seen if self._chat.presence.is_here(ref)}
        return {
            ref: protocol.write(
                protocol.State(room.id, "presence", clock.now(), {"ref": ref, "kind": who.kind, "online": ref in here})
            )
            for ref, who in shown.items()
        }


def _gone(conversation_id: str, version: int) -> str:
    return protocol.write(protocol.State(conversation_id, "card", version, {"id": conversation_id, "gone": True}))


def _show_typing(room: Room, participant: str, name: str) -> None:
    frames = {
        audience: protocol.write(protocol.TypingNow(room.id, audiences.who(participant, name, audience)))
        for audience in Audience
    }
    room.show(("typing", room.id, participant), frames, but=participant)


def shown_marks(found: Sequence[Mark], audience: Audience) -> dict[tuple[str, str], protocol.State]:
    """The marks as one side sees them, by what they say and whose they are, in that side's numbering.

    For the public side all agents are one, who has come as far as the furthest of them, and the version is the number
    itself: it would otherwise count what they do among themselves.
    """
    shown: dict[tuple[str, str], protocol.State] = {}
    for mark in found:
        who = audiences.who(mark.participant, "", audience)
        for what in ("read", "received"):
            upto = getattr(mark, f"{what}_seq" if audience is Audience.STAFF else f"{what}_pub_seq")
            made = {"ref": who.ref, "kind": who.kind, "upto": upto}
            version = mark.version if audience is Audience.STAFF else upto
            earlier = shown.get((what, who.ref))
            if earlier is None or earlier.v < version:
                shown[what, who.ref] = protocol.State(mark.conversation_id, what, version, made)
    return shown
