"""The clock: alarms on the policy's days, a breach when the day is over, and what goes out by letter."""

import pytest

from core import clock
from core.services import Core
from support.rights import answering, extending, refusing, requests, ringing
from support.rights.models import Channel, Kind, State
from support.rights.requests import Asked
from tests.support.rights.conftest import NOW, OFFICER, WORDS, Person, asks, begun, entries, letters, row, verbs
from tests.support.rights.test_deciding import IMPOSSIBLE


async def rung_over(core: Core, request_id: str, days: range) -> list[int]:
    """On which of these days, counted from the receipt, something rang for a request."""
    rang = []
    for day in days:
        before = len(await verbs(core, request_id))
        await ringing.ring(core, now=NOW + day * clock.DAY)
        if len(await verbs(core, request_id)) > before:
            rang.append(day)
    return rang


@pytest.mark.clause("5(2)2")
async def test_it_rings_on_the_days_of_the_policy_and_on_the_day_after_the_last(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    rang = await rung_over(core, received.id, range(20))

    assert rang == [5, 10, 13, 16]
    assert await verbs(core, received.id) == ["receive", "alarm", "alarm", "alarm", "breach"]


@pytest.mark.clause("5(2)2")
async def test_a_missed_day_is_in_the_ledger_and_in_the_shops_mailbox(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    await ringing.ring(core, now=received.due_ms)
    await ringing.ring(core, now=received.due_ms + 1)

    stands = await row(core, received.id)
    assert (stands.is_policy_breach, stands.breached_ms) == (True, received.due_ms + 1)
    assert (await entries(core, received.id))[-1] == ("rights.breach", "R-5.2.2a", "late")
    last = (await letters(core, now=received.due_ms + 1))[-1]
    assert last.to == core.settings.contact_email
    assert "the ledger says so" in last.text


@pytest.mark.clause("5(2)2")
async def test_an_alarm_that_was_missed_rings_once_for_all(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    await ringing.ring(core, now=NOW + 11 * clock.DAY)
    await ringing.ring(core, now=NOW + 11 * clock.DAY + 1)

    assert await verbs(core, received.id) == ["receive", "alarm"]


@pytest.mark.clause("5(2)2")
async def test_waiting_for_a_proof_stops_no_clock(core: Core, ann: Person) -> None:
    asked = Asked(Kind.COPY, Channel.MAIL, ann.caller.ref, WORDS)
    received = await requests.take(core, ann.caller, asked, now=NOW)

    await ringing.ring(core, now=received.due_ms + 1)

    assert (await row(core, received.id)).breached_ms is not None


@pytest.mark.clause("5(2)2")
async def test_after_an_extension_it_rings_as_long_before_the_new_day(core: Core, ann: Person) -> None:
    received = await asks(core, ann)
    await core.database.write(extending.extend, core, OFFICER, received.id, "Many files", now=NOW)

    rang = await rung_over(core, received.id, range(35))

    assert rang == [20, 25, 28, 31]


@pytest.mark.clause("5(2)2")
async def test_what_is_answered_rings_no_more(core: Core, ann: Person) -> None:
    request_id = await begun(core, ann)
    await core.database.write(requests.withdraw, core, ann.caller, request_id, now=NOW)

    await rung_over(core, request_id, range(20))

    assert await verbs(core, request_id) == ["receive", "prove_identity", "begin", "withdraw", "close"]


@pytest.mark.clause("5(2)4")
async def test_the_clock_brings_a_refused_deletion_back(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.DELETE)
    await core.database.write(refusing.refuse, core, OFFICER, received.id, IMPOSSIBLE, now=NOW)

    await ringing.ring(core, now=NOW + 60 * clock.DAY)

    assert (await row(core, received.id)).state == State.IN_PROGRESS


@pytest.mark.clause("4(2)1")
async def test_what_was_answered_and_left_alone_is_put_away_so_that_its_period_begins(core: Core, ann: Person) -> None:
    answered, unanswered = await begun(core, ann), await begun(core, ann, Kind.STOP)
    await core.database.write(answering.fulfil, core, OFFICER, answered, "Here it is.", now=NOW)

    await ringing.ring(core, now=NOW + 15 * clock.DAY - 1)
    early = (await row(core, answered)).state
    await ringing.ring(core, now=NOW + 15 * clock.DAY)

    assert (early, (await row(core, answered)).state) == (State.FULFILLED, State.CLOSED)
    assert (await row(core, unanswered)).state == State.IN_PROGRESS


@pytest.mark.clause("4(1)6")
@pytest.mark.parametrize("locale", ["en", "zh-Hant"])
async def test_no_letter_says_who_she_is_or_what_she_wrote(core: Core, ann: Person, locale: str) -> None:
    received = await asks(core, ann, locale=locale)
    await core.database.write(extending.extend, core, OFFICER, received.id, "Her secret plan", now=NOW)
    await ringing.ring(core, now=NOW + 40 * clock.DAY)

    written = await letters(core, now=NOW + 40 * clock.DAY)

    assert len(written) == 3
    for letter in written:
        everything = letter.subject + letter.text + letter.html
        assert received.reference in letter.subject
        assert not [word for word in ("Ann", "Lee", WORDS, "secret", "copy.my_data") if word in everything]


@pytest.mark.clause("4(1)6")
async def test_her_letters_are_in_her_language(core: Core, ann: Person) -> None:
    await asks(core, ann, locale="zh-Hant")

    (letter,) = await letters(core)

    assert letter.locale == "zh-Hant"
    assert "您的要求" in letter.subject
    assert "Your request" not in letter.text
