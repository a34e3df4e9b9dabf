"""Presence: people, not tabs; here, elsewhere, and no longer."""

import pytest

from chat import log
from chat.presence import BELIEVED_S, LINGER_S, Presence
from core import clock, hub
from core.identity.callers import SYSTEM
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import draft
from tests.chat.line import serving
from tests.conftest import free_port


def test_somebody_at_another_process_is_here_until_they_leave_it() -> None:
    presence = Presence()

    new = presence.hear_here("p1", ["person:a", "person:b"], at_s=0)
    again = presence.hear_here("p1", ["person:a"], at_s=10)
    away = presence.hear_away("p1", "person:a")

    assert new == ["person:a", "person:b"]
    assert again == []
    assert away
    assert not presence.is_here("person:a")
    assert presence.is_here("person:b")


def test_somebody_at_two_processes_is_here_until_both_have_lost_them() -> None:
    presence = Presence()
    presence.hear_here("p1", ["person:a"], at_s=0)
    presence.hear_here("p2", ["person:a"], at_s=0)
    presence.arrive("person:a")

    first, second = presence.hear_away("p1", "person:a"), presence.hear_away("p2", "person:a")
    presence.leave("person:a", at_s=5)
    settled = presence.settle(5 + LINGER_S)

    assert not first
    assert not second
    assert settled == ["person:a"]
    assert not presence.is_here("person:a")


def test_what_a_killed_process_told_lapses() -> None:
    presence = Presence()
    presence.hear_here("p1", ["person:a", "person:b"], at_s=0)
    presence.hear_here("p2", ["person:b"], at_s=30)

    early, late = presence.lapse(BELIEVED_S - 1), presence.lapse(BELIEVED_S)

    assert early == []
    assert late == ["person:a"]
    assert presence.is_here("person:b")


@pytest.mark.parametrize("process", ["p1", "p2"])
def test_leaving_a_process_that_never_had_them_changes_nothing(process: str) -> None:
    presence = Presence()
    presence.hear_here("p1", ["person:b"], at_s=0)

    assert not presence.hear_away(process, "person:a")
    assert presence.is_here("person:b")


async def test_a_process_that_starts_is_told_who_is_where(core: Core, media: Media) -> None:
    async with serving(core, media, free_port()) as first:
        amy = await first.guest()
        async with first.connect(amy), serving(core, media, free_port()) as second:
            is_known = second.chat.presence.is_here(amy.ref)
            counted = second.chat.presence.count(amy.ref)

    assert is_known
    assert counted == 0


async def test_after_a_gap_the_others_are_asked_and_every_room_is_compared(core: Core, media: Media) -> None:
    async with serving(core, media, free_port()) as house:
        amy = await house.guest()
        chat = await house.conversation(amy)
        asked: list[bytes] = []
        async with house.connect(amy, subs={chat.id: {}}) as hers:
            await hers.events(1)
            core.hub.subscribe(lambda channel, packed: asked.append(packed) if channel == hub.HAIL else None)
            said = [draft(chat, SYSTEM, "Unheard")]
            await core.database.write(log.append_batch, core, said, lambda *_: None, now=clock.now())

            core.hub.publish(hub.GAP, b"")
            events = await hers.events(2)

    assert [event.s for event in events] == [1, 2]
    assert len(asked) == 1
