"""One sweep at a time, and one that takes far more than usual waits for an officer's word."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

import chat.holdings
import support.privacy.holdings
from chat import conversations as chats
from core import clock, ids, jobs
from core.clock import DAY
from core.holdings import Ref
from core.identity.callers import SYSTEM, Caller, Role
from core.refusals import Conflict, Invalid, NotFound
from core.report import Collected
from core.services import Core
from support import schedule
from support.house import House
from support.privacy import confirming, holds, releasing, retention, sweeps
from support.privacy.ending import Ended
from support.privacy.holds import Wanted
from support.privacy.sweeps import Outcome
from tests.support.privacy.conftest import NOW, conversation_of, visitor
from tests.support.privacy.test_retention import conversations, count, entries

LATER = NOW + 90 * DAY
OFFICER = Caller("staff", ids.new(), role=Role.PRIVACY_OFFICER, proof="password_totp")


async def past_sweeps(house: House, *taken: int, now: int) -> None:
    """Sweeps of the days before that took so many conversations each."""
    for number, objects in enumerate(taken, start=1):
        at = now - number * DAY
        run = await house.core.database.write(sweeps.begin, SYSTEM, None, now=at)
        outcome = Outcome("done", Ended(objects=objects), {"conversations": objects}, None)
        await house.core.database.write(sweeps.end, run, outcome, now=at)


async def guests(house: House, many: int, *, now: int = NOW) -> None:
    for _ in range(many):
        await conversation_of(house, visitor(), now=now)


def share_never_brakes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that only the median can stop a sweep."""
    number = house.core.policy.number
    fixed = {"brake_percent": 100, "brake_floor_objects": 3}
    monkeypatch.setattr(type(house.core.policy), "number", lambda _, name: fixed.get(name) or number(name))


@pytest.mark.clause("4(2)1")
@pytest.mark.parametrize(("due", "stops"), [(6, False), (7, True)])
async def test_a_sweep_of_more_than_three_times_the_usual_stops(
    house: House, monkeypatch: pytest.MonkeyPatch, due: int, stops: bool
) -> None:
    share_never_brakes(house, monkeypatch)
    await past_sweeps(house, 1, 2, 9, now=LATER)
    await guests(house, due)

    planned = house.core.database.read_now(retention.plan, house.holdings, house.core.policy, now=LATER)

    assert bool(planned.unusual(house.core.policy)) is stops


@pytest.mark.clause("4(2)1")
async def test_what_is_usual_forgets_sweeps_older_than_a_month_and_needs_several(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_never_brakes(house, monkeypatch)
    policy, read = house.core.policy, house.core.database.read_now
    await past_sweeps(house, 1, 1, now=LATER)

    few = read(sweeps.usual, policy, now=LATER)
    await past_sweeps(house, 1, now=LATER - 10 * DAY)

    assert few == {}
    assert read(sweeps.usual, policy, now=LATER) == {"conversations": 1}
    assert read(sweeps.usual, policy, now=LATER + 31 * DAY) == {}


@pytest.mark.clause("4(2)1")
async def test_an_officer_confirms_what_she_saw_and_the_sweep_goes_on(house: House) -> None:
    at = clock.now()
    await guests(house, 21, now=at - 90 * DAY)

    await house.core.database.write(confirming.confirm, OFFICER, 21, "NOTE-4", now=at)
    handlers = {confirming.JOB: schedule.handlers(house)[confirming.JOB]}
    await jobs.Runner(house.core, handlers).run_due(at)

    assert conversations(house) == set()
    assert ("retention.confirm", "all", "objects-21") in entries(house)
    (run,) = house.core.database.read_now(sweeps.latest)
    assert (run.by, run.state, run.reference, run.objects) == (OFFICER.ref, "done", "NOTE-4", 21)


@pytest.mark.clause("4(2)1")
async def test_a_sweep_that_has_grown_past_what_was_confirmed_stops_again(house: House) -> None:
    at = clock.now()
    await guests(house, 24, now=at - 90 * DAY)

    await house.core.database.write(confirming.confirm, OFFICER, 21, "NOTE-4", now=at)
    handlers = {confirming.JOB: schedule.handlers(house)[confirming.JOB]}
    await jobs.Runner(house.core, handlers).run_due(at)

    assert len(conversations(house)) == 24
    assert [run.state for run in house.core.database.read_now(sweeps.latest)] == ["braked"]


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR])
async def test_only_an_officer_confirms(house: House, role: Role) -> None:
    other = Caller("staff", ids.new(), role=role, proof="password_totp")

    with pytest.raises(NotFound):
        await house.core.database.write(confirming.confirm, other, 21, "NOTE-4", now=NOW)
    with pytest.raises(Invalid):
        await house.core.database.write(confirming.confirm, OFFICER, 21, "", now=NOW)
    await house.core.database.write(confirming.confirm, OFFICER, 21, "NOTE-4", now=NOW)

    assert count(house, "job") == 1


@pytest.mark.clause("4(2)1")
async def test_two_sweeps_never_run_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await guests(house, 1)
    refused: list[str] = []
    destroy = type(house.core.vault).destroy

    async def destroying(vault: object, dek_ids: Sequence[int], *, reason: str) -> int:
        try:
            await retention.run(house.core, house.holdings, Collected(), now=LATER)
        except Conflict as conflict:
            refused.append(conflict.code)
        return await destroy(house.core.vault, dek_ids, reason=reason)

    monkeypatch.setattr(type(house.core.vault), "destroy", destroying)
    await retention.run(house.core, house.holdings, Collected(), now=LATER)

    assert refused == ["sweep_running"]
    assert conversations(house) == set()


@pytest.mark.clause("4(2)1")
async def test_a_sweep_whose_process_died_gives_way_and_does_not_come_back(house: House) -> None:
    dead = await house.core.database.write(sweeps.begin, SYSTEM, None, now=NOW)
    await house.core.database.write(lambda tx: tx.execute(text("UPDATE retention_run SET lease_ms = 1")) and None)

    await retention.run(house.core, house.holdings, Collected(), now=LATER)
    with pytest.raises(Conflict, match="sweep_lost"):
        await house.core.database.write(sweeps.go_on, dead)

    states = {run.id: run.state for run in house.core.database.read_now(sweeps.latest)}
    assert states == {dead: "lost"}


@pytest.mark.clause("4(2)1")
async def test_a_sweep_that_failed_gives_its_turn_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await guests(house, 1)

    async def broken(*_: object, **__: object) -> int:
        raise OSError("unplugged")

    with monkeypatch.context() as patch:
        patch.setattr(type(house.core.vault), "destroy", broken)
        with pytest.raises(OSError, match="unplugged"):
            await retention.run(house.core, house.holdings, Collected(), now=LATER)
    await retention.run(house.core, house.holdings, Collected(), now=LATER)

    assert conversations(house) == set()
    assert sorted(run.state for run in house.core.database.read_now(sweeps.latest)) == ["done", "failed"]


@pytest.mark.both_engines
@pytest.mark.clause("4(3)3")
async def test_a_hold_wins_over_a_sweep_until_two_officers_lift_it_on_both_engines(core: Core) -> None:
    kept, guest = [chat.holdings.holding(core), *support.privacy.holdings.holdings()], visitor()
    fresh = await chats.prepare(core, guest.ref)
    row = await core.database.write(chats.open_, core, guest, fresh, topic="Late", locale="en", now=NOW)
    asked = Wanted(Ref("conversation", row.id), "COURT", "DOC-1", "CASE-1", 30)
    second = Caller("staff", ids.new(), role=Role.PRIVACY_OFFICER, proof="password_totp")
    hold = await core.database.write(holds.place, core, kept, OFFICER, asked, now=NOW)

    held = await retention.run(core, kept, Collected(), now=LATER)
    await core.database.write(holds.ask_release, OFFICER, hold.id, now=LATER)
    await core.database.write(holds.release, second, hold.id, now=LATER)
    lifted = await releasing.go_on(core, kept, hold.id, now=LATER)

    assert (held.objects, lifted.objects, lifted.keys) == (0, 1, 1)
    assert core.database.read_now(sweeps.usual, core.policy, now=LATER) == {}
