"""Hints and the outbox: what is well formed, what is said once, what is dropped."""

import pytest

from core import hub
from core.hub.hints import SHAPES, letter, opened
from core.hub.outbox import Outbox

NOTES = [
    (hub.LOG, b"c1|7"),
    (hub.MARK, b"c1|person:ab"),
    (hub.SIGN_OUT, b"s1"),
    (hub.KEYS, b"1|9223372036854775807"),
    (hub.HERE, b"p1|staff:a|visitor:b"),
]


def test_a_letter_brings_every_hint_to_the_other_side() -> None:
    origin, notes = opened(letter("p1", NOTES))

    assert origin == "p1"
    assert list(notes) == NOTES


@pytest.mark.parametrize(
    "line",
    [b"log|c1", b"log|c1|seven", b"log|c1|7|8", b"gap|", b"unknown|x", b"typing|c1|hello there", b"", b"\xff|\xff"],
)
def test_what_is_malformed_is_dropped_and_the_rest_is_heard(line: bytes) -> None:
    sent = b"\n".join([b"p1", line, b"signout|s1"])

    _, notes = opened(sent)

    assert list(notes) == [(hub.SIGN_OUT, b"s1")]


def test_a_gap_is_never_sent() -> None:
    assert hub.GAP not in SHAPES


def test_of_a_log_only_how_far_it_goes_is_said() -> None:
    outbox = Outbox()
    for seq in (1, 2, 9, 10, 4):
        outbox.put(hub.LOG, hub.hint("c1", seq))
    outbox.put(hub.MARK, b"c1|staff:a")
    outbox.put(hub.MARK, b"c1|staff:a")
    outbox.put(hub.MARK, b"c1|staff:b")

    notes = outbox.take()

    assert notes == [(hub.LOG, b"c1|10"), (hub.MARK, b"c1|staff:a"), (hub.MARK, b"c1|staff:b")]
    assert outbox.take() == []


def test_only_the_first_hint_needs_somebody_woken() -> None:
    outbox = Outbox()

    woken = [outbox.put(hub.SIGN_OUT, sign_in) for sign_in in (b"s1", b"s2")]

    assert woken == [True, False]


def test_a_full_outbox_drops_and_counts() -> None:
    outbox = Outbox(limit=3)

    for number in range(10):
        outbox.put(hub.SIGN_OUT, hub.hint(f"s{number}"))

    assert outbox.dropped == 7
    assert len(outbox.take()) == 3


def test_what_could_not_be_sent_waits_again_without_undoing_what_came_later() -> None:
    outbox = Outbox(limit=3)
    outbox.put(hub.LOG, b"c1|8")
    outbox.put(hub.SIGN_OUT, b"s2")

    outbox.put_back([(hub.LOG, b"c1|7"), (hub.TYPING, b"c1|staff:a"), (hub.SIGN_OUT, b"s1")])

    assert outbox.take() == [(hub.LOG, b"c1|8"), (hub.SIGN_OUT, b"s1"), (hub.SIGN_OUT, b"s2")]
    assert outbox.dropped == 0
