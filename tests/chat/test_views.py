"""A view takes the next number and nothing else."""

import pytest

from chat.protocol import Ev, Reset, SubOk, Who
from chat.views import Views
from support.replay.journal import Journal, Opened, Received

TALK = "c1"


@pytest.fixture
def views() -> Views:
    opened = Views(Journal("visitor:ann", "public"))
    opened.open(SubOk(c=TALK, ep="e1", last=4, first=3), at=0.0)
    return opened


def said(number: int) -> Ev:
    return Ev(c=TALK, s=number, from_=Who("a", "agent", "A"), k="message", b={"text": str(number)}, ts=0)


def numbers(views: Views) -> list[int]:
    return [event.s for event in views[TALK].events]


def test_events_are_taken_in_sequence(views: Views) -> None:
    assert views.deliver(said(3), at=1.0) is None
    assert views.deliver(said(4), at=1.0) is None

    assert (numbers(views), views[TALK].cursor) == ([3, 4], 4)


def test_a_gap_is_asked_for_and_nothing_is_taken_until_it_is_closed(views: Views) -> None:
    question = views.deliver(said(5), at=1.0)

    assert question == {"t": "get", "c": TALK, "from": 3, "to": 5}
    assert numbers(views) == []
    for number in (3, 4, 5):
        views.deliver(said(number), at=2.0)
    assert numbers(views) == [3, 4, 5]


def test_a_repetition_is_ignored_but_written_down(views: Views) -> None:
    views.deliver(said(3), at=1.0)

    views.deliver(said(3), at=2.0)

    assert numbers(views) == [3]


def test_older_pages_go_in_front(views: Views) -> None:
    views.deliver(said(3), at=1.0)

    question = views.earlier(TALK, 3)
    views.deliver(said(1), at=2.0)
    views.deliver(said(2), at=2.0)

    assert question == {"t": "get", "c": TALK, "before": 3, "limit": 200}
    assert numbers(views) == [1, 2, 3]
    assert views[TALK].cursor == 3


def test_what_has_been_taken_and_comes_again_is_not_given_twice(views: Views) -> None:
    for number in (3, 4):
        views.deliver(said(number), at=1.0)
    views[TALK].events.clear()

    for number in (2, 3, 4, 5):
        views.deliver(said(number), at=2.0)

    assert numbers(views) == [5]


def test_resuming_where_we_stand_begins_nothing_anew(views: Views) -> None:
    views.deliver(said(3), at=1.0)

    views.open(SubOk(c=TALK, ep="e1", last=9, first=4), at=2.0)

    assert numbers(views) == [3]


def test_another_epoch_throws_the_view_away() -> None:
    journal = Journal("visitor:ann", "public")
    views = Views(journal)
    views.open(SubOk(c=TALK, ep="e1", last=4, first=4), at=0.0)
    views.deliver(said(4), at=1.0)

    views.open(Reset(c=TALK, ep="e2", last=2, why="epoch"), at=2.0)
    views.open(SubOk(c=TALK, ep="e2", last=2, first=1), at=2.0)

    assert numbers(views) == []
    assert [entry.epoch for entry in journal.entries if isinstance(entry, Opened)] == ["e1", "e2", "e2"]


def test_the_beacon_asks_only_when_nothing_moved_since_the_last_one(views: Views) -> None:
    views.deliver(said(3), at=1.0)

    first = list(views.behind({TALK: ("e1", 4)}))
    second = list(views.behind({TALK: ("e1", 4)}))

    assert first == []
    assert second == [{"t": "get", "c": TALK, "from": 4, "to": 4}]


def test_what_was_asked_for_may_come_twice_without_being_a_fault() -> None:
    journal = Journal("visitor:ann", "public")
    views = Views(journal)
    views.open(SubOk(c=TALK, ep="e1", last=4, first=3), at=0.0)
    views.deliver(said(4), at=1.0)

    for number in (3, 4, 3, 4):
        views.deliver(said(number), at=2.0)

    assert all(entry.asked for entry in journal.entries if isinstance(entry, Received) and entry.at == 2.0)


def test_a_conversation_that_was_left_is_not_asked_for_after_a_reconnection(views: Views) -> None:
    assert TALK in views.subscriptions()

    views.leave(TALK)

    assert views.subscriptions() == {}
