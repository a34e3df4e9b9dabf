"""Mutations: ten ways to build the product wrong, each of which the checker must catch.

Every one of them is a mistake that real chat servers have made. They exist in the process of a test alone.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import alembic.op
import msgspec
from sqlalchemy import Row, UniqueConstraint, select

import chat.epochs
import chat.numbering
import chat.rooms
import chat.statements
import core.engines
import core.lanes
from chat.audiences import Event
from chat.drafts import Ack, Draft, Top
from chat.reader import Reader, Subscription
from chat.state import State
from chat.statements import Known
from core import hub
from core.database import Transaction
from core.engines import Profile
from core.lanes import AsyncWork, Work
from tests.chaos.faults import around_commits_of_messages
from tests.chaos.patching import exchange, original

Install = Callable[[str], None]


def ack_before_commit(_: str) -> None:
    """M1: the answer goes out as soon as the rows are written; the commit follows."""

    def hasty(group: Sequence[Work], stand: Callable[[], None]) -> None:
        core.lanes._settle([work for work in group if isinstance(work, AsyncWork)])
        stand()

    around_commits_of_messages(hasty)


def no_dedupe(_: str) -> None:
    """M2: nobody asks whether a message is there already, and no constraint forbids it twice."""
    stored = original(chat.numbering.Batch, "_stored")

    def forgetful(self: chat.numbering.Batch, draft: Draft, client_id: str) -> Known | None:
        if client_id == draft.client_id:
            return None
        known: Known | None = stored(self, draft, client_id)
        return known

    exchange(chat.numbering.Batch, "_stored", forgetful)
    _without_constraints(lambda part: isinstance(part, UniqueConstraint) and part.name == "event_once")


def no_after_guard(_: str) -> None:
    """M3: a message is stored although the one before it is not."""
    number = original(chat.numbering.Batch, "number")

    def unguarded(self: chat.numbering.Batch, draft: Draft) -> Ack:
        ack: Ack = number(self, msgspec.structs.replace(draft, after=None))
        return ack

    exchange(chat.numbering.Batch, "number", unguarded)


def cursor_to_the_top(_: str) -> None:
    """M4: after a page the cursor stands at the end of the log instead of the end of the page."""

    async def careless(self: Reader, conversation_id: str, subscription: Subscription | None) -> list[str]:
        if subscription is None or self._subscriptions.get(conversation_id) is not subscription:
            return []
        page = await subscription.room.after(self._audience, subscription.cursor)
        subscription.cursor = max(subscription.cursor, subscription.room.last(self._audience))
        return [text for _, text in page]

    exchange(Reader, "_next", careless)


def seq_without_lock(_: str) -> None:
    """M5: the number is read without a lock on the conversation."""

    locked = original(chat.statements, "locked")

    def unlocked(tx: Transaction, conversation_ids: Collection[str]) -> Sequence[Row[Any]]:  # Any: whole rows
        if not tx.is_postgres:
            rows: Sequence[Row[Any]] = locked(tx, conversation_ids)
            return rows
        table = chat.statements.CONVERSATION
        return tx.execute(select(table).where(table.c.id.in_(conversation_ids)).order_by(table.c.id)).all()

    exchange(chat.statements, "locked", unlocked)


def synchronous_normal(_: str) -> None:
    """M6: SQLite returns from a commit before the disk has it."""
    set_pragmas = original(core.engines, "_set_pragmas")

    def sloppy(connection: Any, profile: Profile, *, writes: bool) -> None:  # Any: the driver's own connection
        set_pragmas(connection, profile, writes=writes)
        if writes and profile is core.engines.DATA:
            connection.execute("PRAGMA synchronous=NORMAL").close()

    exchange(core.engines, "_set_pragmas", sloppy)


def content_in_the_hint(_: str) -> None:
    """M7: a hint carries the event, and whoever hears it shows that instead of reading the log."""

    def announce(self: chat.rooms.Chat, events: Sequence[Event], tops: Sequence[Top]) -> None:
        for event in events:
            content = msgspec.json.encode(event).decode()
            self.core.hub.publish(hub.LOG, hub.hint(event.conversation_id, content))
        for top in tops:
            self.core.hub.publish(hub.DESK, hub.hint(top.conversation_id, top.version))

    def hear(self: chat.rooms.Chat, channel: str, packed: bytes) -> None:
        if channel != hub.LOG:
            honest(self, channel, packed)
            return
        named, content = packed.decode().split("|", 1)
        room = self.rooms.get(named)
        if room is not None and room._rings:
            room._push(msgspec.json.decode(content, type=Event), {watcher.audience for watcher in room.watchers})
            room._wake()

    honest = original(chat.rooms.Chat, "_hear")
    exchange(chat.rooms.Chat, "_announce", announce)
    exchange(chat.rooms.Chat, "_hear", hear)


def notes_in_the_public_counter(_: str) -> None:
    """M8: an internal note takes a number of the shopper's counting."""
    place = original(chat.numbering, "_place")

    def generous(draft: Draft, state: State, *words: Any) -> Event:  # Any: what _place takes
        event: Event = place(draft, state, *words)
        return msgspec.structs.replace(event, pub_seq=state.last_pub_seq + 1)

    exchange(chat.numbering, "_place", generous)


def old_epochs(_: str) -> None:
    """M9: a restore leaves every conversation in the epoch in which it was copied."""

    def forgetful(_: Transaction) -> int:
        return 0

    exchange(chat.epochs, "renew_all", forgetful)


def no_beacon(_: str) -> None:
    """M10: what a lost hint was about is never looked for."""

    async def nothing(_: chat.rooms.Chat) -> None:
        return

    exchange(chat.rooms.Chat, "beacon", nothing)


def _without_constraints(is_unwanted: Callable[[object], bool]) -> None:
    """Make the tables without these; only a database that is not there yet can be built so wrongly."""
    create_table = original(alembic.op, "create_table")

    def looser(name: str, *parts: Any, **named: Any) -> Any:  # Any: as Alembic has it
        if name != "event":
            return create_table(name, *parts, **named)
        named.pop("sqlite_with_rowid", None)
        return create_table(name, *(part for part in parts if not is_unwanted(part)), **named)

    exchange(alembic.op, "create_table", looser)


MUTATIONS: Mapping[str, Install] = {
    "M1": ack_before_commit,
    "M2": no_dedupe,
    "M3": no_after_guard,
    "M4": cursor_to_the_top,
    "M5": seq_without_lock,
    "M6": synchronous_normal,
    "M7": content_in_the_hint,
    "M8": notes_in_the_public_counter,
    "M9": old_epochs,
    "M10": no_beacon,
}
