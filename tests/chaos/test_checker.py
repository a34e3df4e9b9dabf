"""The checker itself: each rule catches the fault that it is for, and a run without faults is clean."""

from dataclasses import replace

import pytest

from chat.protocol import Ev, Who
from support.replay.checker import Violation, check, same_story
from support.replay.journal import Acked, Connected, Entry, Journal, Logged, Opened, Received, Sent
from support.replay.remains import Footprint, erased, left_over, nowhere
from support.replay.result import summed_up

TALK = "c1"


def logged(seq: int, client_id: str | None, pub: int | None, kind: str = "message") -> Logged:
    return Logged(seq, kind, f"staff-{seq}", client_id, pub, f"public-{seq}" if pub else None)


# opened, Ann says m1 and m2, Mei notes n1, Mei answers m3
LOG = [
    logged(1, None, 1, "opened"),
    logged(2, "m1", 2),
    logged(3, "m2", 3),
    logged(4, "n1", None, "note"),
    logged(5, "m3", 4),
]


def shopper() -> Journal:
    """Ann's connection breaks after m2 is stored and before its acknowledgement arrives; she resends it."""
    entries: list[Entry] = [
        Connected(0.0),
        Opened(TALK, "e1", 1, 0.1),
        Received(TALK, 1, "opened", "public-1", 0.2),
        Sent(TALK, "m1", 1.0),
        Acked(TALK, "m1", 2, False, 1.1),
        Received(TALK, 2, "message", "public-2", 1.1),
        Sent(TALK, "m2", 2.0),
        Connected(2.5),
        Sent(TALK, "m2", 2.6),
        Received(TALK, 3, "message", "public-3", 2.7),
        Acked(TALK, "m2", 3, True, 2.7),
        Received(TALK, 4, "message", "public-5", 4.1),
    ]
    return Journal("visitor:ann", "public", entries)


def agent() -> Journal:
    entries: list[Entry] = [
        Connected(0.0),
        Opened(TALK, "e1", 2, 1.5),
        Received(TALK, 2, "message", "staff-2", 1.5),
        Received(TALK, 3, "message", "staff-3", 2.2),
        Sent(TALK, "n1", 3.0),
        Acked(TALK, "n1", 4, False, 3.1),
        Received(TALK, 4, "note", "staff-4", 3.1),
        Sent(TALK, "m3", 4.0),
        Acked(TALK, "m3", 5, False, 4.1),
        Received(TALK, 5, "message", "staff-5", 4.1),
    ]
    return Journal("staff:mei", "staff", entries)


def broken(journals: list[Journal], log: list[Logged]) -> set[str]:
    return {violation.rule for violation in check(journals, {TALK: log})}


def changed(journal: Journal, index: int, entry: Entry | None) -> Journal:
    entries = list(journal.entries)
    if entry is None:
        del entries[index]
    else:
        entries[index] = entry
    return replace(journal, entries=entries)


def test_a_run_without_faults_is_clean() -> None:
    assert check([shopper(), agent()], {TALK: LOG}) == []


def test_c1_an_acknowledged_message_that_is_not_in_the_log() -> None:
    without = [logged(1, None, 1, "opened"), logged(2, "m1", 2), logged(3, None, 3), *LOG[3:]]

    assert "C1" in broken([shopper(), agent()], without)


def test_c1_an_acknowledged_message_that_is_stored_under_another_number() -> None:
    journal = changed(shopper(), 4, Acked(TALK, "m1", 3, False, 1.1))

    assert "C1" in broken([journal, agent()], LOG)


def test_c2_a_message_that_is_there_twice() -> None:
    twice = [*LOG[:3], logged(4, "m2", 4), logged(5, "m3", 5)]

    assert "C2" in broken([shopper(), agent()], twice)


@pytest.mark.parametrize(
    "log",
    [
        [*LOG[:2], *LOG[3:]],
        [*LOG[:3], LOG[4], LOG[3]],
        [*LOG[:4], replace(LOG[4], pub=5)],
        [*LOG[:2], replace(LOG[2], pub=2), *LOG[3:]],
    ],
)
def test_c3_numbers_that_are_not_dense(log: list[Logged]) -> None:
    assert "C3" in broken([shopper(), agent()], log)


def test_c4_a_view_that_shows_something_else_than_the_log() -> None:
    journal = changed(shopper(), 5, Received(TALK, 2, "message", "public-9", 1.1))

    assert broken([journal, agent()], LOG) == {"C4"}


def test_c4_a_view_that_lacks_the_end() -> None:
    journal = changed(shopper(), -1, None)

    assert broken([journal, agent()], LOG) == {"C4"}


def test_c4_an_event_that_the_log_does_not_know() -> None:
    journal = shopper()
    journal.write(Received(TALK, 5, "message", "public-6", 5.0))

    assert "C4" in broken([journal, agent()], LOG)


def test_c4_two_sides_that_tell_different_stories() -> None:
    def said(number: int, text: str, kind: str = "message") -> Ev:
        return Ev(c=TALK, s=number, from_=Who("a", "agent", "A"), k=kind, b={"text": text}, ts=0)

    public = [said(1, "hello"), said(2, "goodbye")]

    assert list(same_story(TALK, public, [said(1, "hello"), said(2, "psst", "note"), said(3, "goodbye")])) == []
    assert [each.rule for each in same_story(TALK, public, [said(1, "hello")])] == ["C4"]
    assert [each.rule for each in same_story(TALK, public, [said(1, "hello"), said(2, "good bye")])] == ["C4"]


def test_c4_a_client_that_is_made_to_skip_a_part_of_the_log() -> None:
    journal = shopper()
    journal.entries[7:8] = [Connected(2.5), Opened(TALK, "e1", 4, 2.5)]

    assert "C4" in broken([journal, agent()], LOG)


def test_c4_does_not_mind_a_client_that_was_far_behind() -> None:
    long = [logged(1, None, 1, "opened"), *(logged(number, f"x{number}", number) for number in range(2, 700))]
    entries: list[Entry] = [Opened(TALK, "e1", 1, 0.1), Received(TALK, 1, "opened", "public-1", 0.1)]
    entries += [Opened(TALK, "e1", 650, 9.0)]
    entries += [Received(TALK, number, "message", f"public-{number}", 9.0) for number in range(650, 700)]

    assert broken([Journal("visitor:ann", "public", entries)], long) == set()


def test_c4_a_message_that_was_there_before_it_was_sent() -> None:
    journal = changed(agent(), 2, Received(TALK, 2, "message", "staff-2", 0.9))

    assert "C4" in broken([shopper(), journal], LOG)


def test_what_an_earlier_epoch_acknowledged_is_not_asked_of_the_log_that_was_put_back() -> None:
    entries: list[Entry] = [
        Opened(TALK, "e0", 1, 0.0),
        Received(TALK, 1, "opened", "public-1", 0.0),
        Received(TALK, 2, "message", "lost", 0.1),
        Sent(TALK, "m0", 0.1),
        Acked(TALK, "m0", 2, False, 0.1),
        *(entry for entry in shopper().entries if not isinstance(entry, Connected)),
    ]
    journal = Journal("visitor:ann", "public", entries)

    assert check([journal, agent()], {TALK: LOG}, {TALK: "e1"}) == []
    assert "C1" in broken([journal, agent()], LOG)


@pytest.mark.parametrize(
    "numbers",
    [(1, 3, 2, 4), (1, 2, 2, 4), (1, 2, 4, 4)],
    ids=["swapped", "repeated", "skipped"],
)
def test_c5_a_delivery_out_of_sequence(numbers: tuple[int, ...]) -> None:
    journal = shopper()
    places = [at for at, entry in enumerate(journal.entries) if isinstance(entry, Received)]
    for at, number in zip(places, numbers, strict=True):
        entry = journal.entries[at]
        assert isinstance(entry, Received)
        journal.entries[at] = replace(entry, number=number)

    assert "C5" in broken([journal, agent()], LOG)


def test_c5_allows_what_the_client_asked_for_again() -> None:
    journal = shopper()
    journal.entries.insert(6, Received(TALK, 2, "message", "public-2", 1.2, asked=True))

    assert check([journal, agent()], {TALK: LOG}) == []


def test_c6_an_outbox_whose_messages_changed_places() -> None:
    swapped = [LOG[0], logged(2, "m2", 2), logged(3, "m1", 3), *LOG[3:]]

    assert "C6" in broken([shopper(), agent()], swapped)


def test_c7_a_message_sent_after_an_acknowledgement_that_comes_before_it() -> None:
    """Mei's answer was sent after Ann's m2 had been acknowledged, and yet it has the lower number."""
    log = [LOG[0], LOG[1], logged(3, "m3", 3), logged(4, "n1", None, "note"), logged(5, "m2", 4)]

    assert "C7" in broken([shopper(), agent()], log)


def test_c7_does_not_mind_messages_that_were_under_way_together() -> None:
    early = changed(changed(agent(), 7, Sent(TALK, "m3", 2.0)), 4, Sent(TALK, "n1", 1.9))
    log = [LOG[0], LOG[1], logged(3, "n1", None, "note"), logged(4, "m3", 3), logged(5, "m2", 4)]

    assert "C7" not in broken([shopper(), early], log)


def test_c8_an_acknowledgement_that_changes() -> None:
    journal = shopper()
    journal.write(Acked(TALK, "m2", 4, True, 5.0))

    assert "C8" in broken([journal, agent()], LOG)


def test_c9_an_unacknowledged_message_may_be_absent_or_there_once() -> None:
    unheard = changed(shopper(), 10, None)
    absent = [LOG[0], LOG[1], logged(3, "mx", 3), *LOG[3:]]

    assert "C9" not in broken([unheard, agent()], LOG)
    assert "C9" not in broken([unheard, agent()], absent)


def test_c9_an_unacknowledged_message_that_is_there_twice() -> None:
    unheard = changed(shopper(), 10, None)
    twice = [*LOG[:3], logged(4, "m2", 4), logged(5, "m3", 5)]

    assert "C9" in broken([unheard, agent()], twice)


def test_c10_a_note_that_reached_a_customer() -> None:
    journal = changed(shopper(), -1, Received(TALK, 4, "note", "public-5", 4.1))

    assert "C10" in broken([journal, agent()], LOG)


def test_c10_a_note_with_a_public_number() -> None:
    numbered = [*LOG[:3], replace(LOG[3], pub=4, public="public-4"), replace(LOG[4], pub=5)]

    assert "C10" in broken([shopper(), agent()], numbered)


def test_c11_what_is_still_there_or_delivered_after_the_erasure() -> None:
    assert list(erased(TALK, [], [shopper(), agent()], at=5.0)) == []
    assert [each.rule for each in erased(TALK, LOG, [], at=5.0)] == ["C11"]
    assert [each.rule for each in erased(TALK, [], [shopper()], at=4.0)] == ["C11"]


def test_c11_erased_words_that_stand_somewhere_are_not_repeated_in_the_finding() -> None:
    places = {"data.db": "…blue parcel…".encode(), "server.log": b"nothing"}

    found = list(nowhere(["blue parcel", "green"], places))

    assert [each.rule for each in found] == ["C11"]
    assert "data.db" in found[0].what
    assert "blue" not in found[0].what
    assert list(nowhere(["red"], places)) == []


def test_c12_connections_files_threads_or_tasks_that_are_left_over() -> None:
    before = Footprint(connections=0, files=20)

    assert list(left_over(before, Footprint(0, 24))) == []
    assert [each.rule for each in left_over(before, Footprint(1, 20))] == ["C12"]
    assert [each.rule for each in left_over(before, Footprint(0, 60))] == ["C12"]
    assert [each.rule for each in left_over(before, Footprint(0, 20, threads=40))] == ["C12"]
    assert [each.rule for each in left_over(before, Footprint(0, 20, inside={"tasks": 1}))] == ["C12"]
    assert list(left_over(Footprint(0, 20, 9, {"tasks": 3}), Footprint(0, 20, 12, {"tasks": 3}))) == []


def test_the_result_is_one_line_that_counts() -> None:
    result = summed_up([shopper(), agent()], {TALK: LOG}, [Violation("C5", TALK, "")], test="T1", seed=7)

    assert (result.sent, result.acked, result.duplicate_acks, result.reconnects) == (4, 4, 1, 1)
    assert (result.test, result.seed) == ("T1", 7)
    assert result.ack_max_ms == pytest.approx(100, abs=1)
    assert result.delivery_max_ms == pytest.approx(500, abs=1)
    assert result.violations["C5"] == 1
    assert not result.is_clean
    assert "\n" not in result.line()
