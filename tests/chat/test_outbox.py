"""The outbox keeps what was said until the server has it."""

import uuid

import pytest

from chat.outbox import Outbox, Refusing, client_id
from chat.protocol import Ack, Err
from support.replay.journal import Acked, Journal, Refused

TALK, OTHER = "c1", "c2"


@pytest.fixture
def journal() -> Journal:
    return Journal("visitor:ann", "public")


def ack(message: str, number: int = 1) -> Ack:
    return Ack(c=TALK, m=message, s=number, ts=0)


async def test_each_message_points_at_the_unacknowledged_one_before_it_in_its_conversation(journal: Journal) -> None:
    outbox = Outbox(journal)
    first, elsewhere, second = (outbox.put(talk, "message", {"text": "hi"}) for talk in (TALK, OTHER, TALK))

    assert outbox.frame(first, seen=None)["after"] is None
    assert outbox.frame(elsewhere, seen=None)["after"] is None
    assert outbox.frame(second, seen=None)["after"] == first.client_id


async def test_after_an_acknowledgement_the_next_message_points_at_nothing(journal: Journal) -> None:
    outbox = Outbox(journal)
    first, second = outbox.put(TALK, "message", {}), outbox.put(TALK, "message", {})

    outbox.acknowledge(ack(first.client_id, 5), at=1.0)

    assert first.done.result() == 5
    assert outbox.frame(second, seen=None)["after"] is None
    assert journal.entries == [Acked(TALK, first.client_id, 5, False, 1.0)]


async def test_a_repeated_acknowledgement_is_written_down_and_does_no_harm(journal: Journal) -> None:
    outbox = Outbox(journal)
    first = outbox.put(TALK, "message", {})
    outbox.acknowledge(ack(first.client_id), at=1.0)

    outbox.acknowledge(ack(first.client_id), at=2.0)

    assert len(outbox) == 0
    assert len(journal.entries) == 2


async def test_an_answer_to_somebody_who_no_longer_waits_does_no_harm(journal: Journal) -> None:
    outbox = Outbox(journal)
    first, second = outbox.put(TALK, "message", {}), outbox.put(TALK, "message", {})
    for pending in (first, second):
        pending.done.cancel()

    outbox.acknowledge(ack(first.client_id), at=1.0)
    outbox.refuse(Err(code="text_empty", retry="no", c=TALK, m=second.client_id), at=1.0)

    assert outbox.everything() == ()


async def test_what_came_too_fast_waits_and_then_goes_out_again_with_all_that_follows(journal: Journal) -> None:
    outbox = Outbox(journal)
    first, second = outbox.put(TALK, "message", {}), outbox.put(TALK, "message", {})

    outbox.refuse(Err(code="rate", retry="same", c=TALK, m=first.client_id, retry_ms=700), at=10.0)
    outbox.refuse(Err(code="order", retry="order", c=TALK, m=second.client_id), at=10.0)

    assert outbox.next_due() == pytest.approx(10.7)
    assert outbox.due(10.6) == []
    assert outbox.due(10.8) == [first, second]
    assert outbox.next_due() is None


async def test_what_is_refused_for_good_leaves_and_says_so(journal: Journal) -> None:
    outbox = Outbox(journal)
    first, second = outbox.put(TALK, "message", {}), outbox.put(TALK, "message", {})

    outbox.refuse(Err(code="text_empty", retry="no", c=TALK, m=first.client_id), at=1.0)

    with pytest.raises(Refusing):
        first.done.result()
    assert outbox.everything() == (second,)
    assert journal.entries == [Refused(TALK, first.client_id, "text_empty", 1.0)]


async def test_an_answer_to_something_older_is_sent_again_once_the_newer_has_been_seen(journal: Journal) -> None:
    outbox = Outbox(journal)
    first = outbox.put(TALK, "message", {})

    outbox.refuse(Err(code="stale", retry="no", c=TALK, m=first.client_id), at=1.0)

    assert outbox.due(2.0) == [first]
    assert not first.done.done()


def test_client_ids_sort_as_they_were_made_and_are_uuids_of_version_seven() -> None:
    made = [client_id() for _ in range(50)]

    assert len(set(made)) == 50
    assert {uuid.UUID(each).version for each in made} == {7}
    assert [each[:13] for each in made] == sorted(each[:13] for each in made)
