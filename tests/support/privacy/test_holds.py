"""What is held stays, whatever else is asked for; and when it is let go, what was asked for happens by itself."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

import chat.holdings
from chat import conversations as chats
from core import clock, ids, jobs
from core.clock import DAY
from core.database import Database, Transaction
from core.holdings import Ref
from core.identity.callers import Caller, Role
from core.policy import Policy
from core.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal
from core.report import Collected
from core.services import Core
from core.settings import Settings
from support import schedule
from support.house import House, opened
from support.privacy import ending, erasure, holds, keeping, releasing, retention, uploads
from support.privacy.holds import Wanted
from support.privacy.models import Hold
from tests.support.backup.conftest import backed_up, restored
from tests.support.privacy.conftest import NOW, Shopper, conversation_of, shopper, visitor
from tests.support.privacy.test_retention import conversations, count, entries, media_files


def staff(role: Role, team: str | None = None) -> Caller:
    return Caller("staff", ids.new(), role=role, team=team, proof="password_totp")


OFFICER, SECOND = staff(Role.PRIVACY_OFFICER), staff(Role.PRIVACY_OFFICER)
SUPERVISOR = staff(Role.SUPERVISOR)


def wanted(kind: str, object_id: str, *, ground: str = "COURT", days: int = 30) -> Wanted:
    return Wanted(Ref(kind, object_id), ground, "DOC-115-88", "CASE-7", days)


async def held(house: House, kind: str, object_id: str, *, now: int = NOW, ground: str = "COURT") -> Hold:
    asked = wanted(kind, object_id, ground=ground)
    hold = await house.core.database.write(holds.place, house.core, house.holdings, OFFICER, asked, now=now)
    await holds.note(house.core)
    return hold


async def lifted(house: House, hold: Hold, *, now: int) -> None:
    """Two officers lift it, and the queue does what was deferred."""
    await house.core.database.write(holds.ask_release, OFFICER, hold.id, now=now)
    await house.core.database.write(holds.release, SECOND, hold.id, now=now)


async def work(house: House, *, now: int) -> None:
    """What the queue does at that time."""
    handlers = {name: each for name, each in schedule.handlers(house).items() if name == holds.RELEASED}
    await jobs.Runner(house.core, handlers).run_due(now)


async def swept(house: House, *, now: int) -> None:
    await retention.run(house.core, house.holdings, Collected(), confirmed=True, now=now)


def is_readable(house: House, conversation_id: str, *, now: int) -> bool:
    try:
        house.core.database.read_now(chats.get, conversation_id, now=now)
    except Refusal:
        return False
    return True


@pytest.mark.clause("4(3)3")
async def test_a_held_chat_outlives_its_period_and_nobody_can_read_it(house: House) -> None:
    guest, other = await conversation_of(house, visitor(), "evidence"), await conversation_of(house, visitor(), "tea")
    await held(house, "conversation", guest.id)
    later = NOW + 91 * DAY

    await swept(house, now=later)

    assert conversations(house) == {guest.id}
    assert {stone.dek_id for stone in await house.core.vault.tombstones()} == {other.dek_id}
    assert not is_readable(house, guest.id, now=later)


@pytest.mark.clause("4(2)1")
async def test_a_plan_names_what_is_held_apart_from_what_goes(house: House) -> None:
    guest, other = await conversation_of(house, visitor(), "evidence"), await conversation_of(house, visitor(), "tea")
    await held(house, "conversation", guest.id)

    planned = house.core.database.read_now(retention.plan, house.holdings, house.core.policy, now=NOW + 91 * DAY)

    (chats_planned,) = [each for each in planned.holdings if each.holding.name == "conversations"]
    assert [due.object.id for due in chats_planned.due] == [other.id]
    assert [due.object.id for due in chats_planned.held] == [guest.id]


@pytest.mark.clause("4(2)1")
async def test_many_held_chats_do_not_stand_in_the_way_of_a_younger_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROUND", 1)
    older = [await conversation_of(house, visitor(), "evidence") for _ in range(3)]
    for each in older:
        await held(house, "conversation", each.id)
    await conversation_of(house, visitor(), "tea", now=NOW + 1)

    await swept(house, now=NOW + 91 * DAY)

    assert conversations(house) == {each.id for each in older}


@pytest.mark.clause("4(3)3")
async def test_a_held_picture_keeps_its_file_its_chat_and_the_key_of_both(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    await held(house, "attachment", ann.attachment)

    await swept(house, now=NOW + 800 * DAY)

    assert conversations(house) == {ann.conversation.id}
    assert (count(house, "attachment"), len(media_files(house))) == (1, 3)
    house.core.vault.key(ann.conversation.dek_id, scope=ann.conversation.id, owner=ann.caller.ref)


@pytest.mark.clause("4(3)3")
async def test_an_upload_that_was_never_sent_stays_while_its_chat_is_held(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    await house.core.database.write(lambda tx: tx.execute(text("UPDATE attachment SET claimed_ms = NULL")) and None)
    hold = await held(house, "conversation", ann.conversation.id)
    later = NOW + 800 * DAY

    while_held = await uploads.sweep(house.core, house.holdings, now=later)
    await lifted(house, hold, now=later)
    afterwards = await uploads.sweep(house.core, house.holdings, now=later)

    assert (while_held, afterwards, media_files(house)) == (0, 1, [])


@pytest.mark.clause("5(2)4")
async def test_a_deletion_is_deferred_while_a_hold_keeps_it_and_tells_the_ground(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    await held(house, "conversation", ann.conversation.id, ground="REF_CRIMINAL")

    planned = house.core.database.read_now(erasure.plan, house.holdings, house.core.policy, ann.caller.ref)
    done = await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)

    stays = {holding.name: {each.stays for each in found} for holding, found in planned.stays}
    assert stays["conversations"] == {"HOLD_REF_CRIMINAL"}
    assert stays["attachments"] == {"HOLD_REF_CRIMINAL"}
    assert (done.finished_ms, done.held) == (None, 2)
    assert conversations(house) == {ann.conversation.id}
    assert not is_readable(house, ann.conversation.id, now=NOW + 6)
    assert count(house, "person") == 0


@pytest.mark.clause("5(2)4")
async def test_a_deferred_deletion_finishes_by_itself_when_two_officers_have_lifted_the_hold(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    hold = await held(house, "person", ann.caller.id)
    await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)
    before = (conversations(house), count(house, "person"), len(media_files(house)))

    await lifted(house, hold, now=NOW + 10)
    await work(house, now=NOW + 11)

    assert before == ({ann.conversation.id}, 1, 3)
    assert (conversations(house), count(house, "person"), media_files(house)) == (set(), 0, [])
    assert [entry[0] for entry in entries(house) if entry[0].startswith("erasure.")] == [
        "erasure.begin",
        "erasure.deferred",
        "erasure.done",
    ]


@pytest.mark.clause("5(2)4")
async def test_resuming_while_the_hold_lasts_changes_and_reports_nothing(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    await held(house, "person", ann.caller.id)
    await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)
    before = entries(house)

    await erasure.resume(house.core, house.holdings, now=NOW + 6)

    assert entries(house) == before
    assert conversations(house) == {ann.conversation.id}


@pytest.mark.clause("4(2)1")
async def test_what_expired_meanwhile_goes_when_the_hold_is_lifted(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    hold = await held(house, "conversation", guest.id)
    await swept(house, now=NOW + 91 * DAY)

    await lifted(house, hold, now=NOW + 92 * DAY)
    await releasing.go_on(house.core, house.holdings, hold.id, now=NOW + 92 * DAY)

    assert conversations(house) == set()
    assert guest.dek_id in {stone.dek_id for stone in await house.core.vault.tombstones()}


@pytest.mark.clause("4(3)3")
async def test_what_a_second_hold_keeps_stays_when_the_first_is_lifted(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    first = await held(house, "conversation", guest.id)
    await held(house, "conversation", guest.id, ground="AGENCY")
    later = NOW + 91 * DAY

    await lifted(house, first, now=later)
    await releasing.go_on(house.core, house.holdings, first.id, now=later)
    await swept(house, now=later)

    assert conversations(house) == {guest.id}


@pytest.mark.clause("4(3)3")
async def test_a_guest_who_is_held_stays_held_when_she_proves_who_she_is(house: House) -> None:
    guest = visitor()
    chat_of_guest = await conversation_of(house, guest, "evidence")
    await house.core.database.write(_visits, guest.id)
    await held(house, "visitor", guest.id)
    handed = text("UPDATE conversation SET owner = 'person:somebody'")
    await house.core.database.write(lambda tx: tx.execute(handed) and None)

    await swept(house, now=NOW + 400 * DAY)

    assert conversations(house) == {chat_of_guest.id}


def _visits(tx: Transaction, visitor_id: str) -> None:
    tx.execute(text("INSERT INTO visitor (id, created_ms) VALUES (:id, :now)"), {"id": visitor_id, "now": NOW})


@pytest.mark.clause("4(3)3")
async def test_a_hold_that_comes_in_the_middle_of_a_sweep_is_told_that_it_is_too_late(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    late: list[str] = []
    destroy = type(house.core.vault).destroy

    async def destroying(vault: object, dek_ids: Sequence[int], *, reason: str) -> int:
        try:
            await held(house, "conversation", guest.id)
        except Conflict as refusal:
            late.append(refusal.code)
        return await destroy(house.core.vault, dek_ids, reason=reason)

    monkeypatch.setattr(type(house.core.vault), "destroy", destroying)

    await swept(house, now=NOW + 91 * DAY)

    assert late == ["doomed"]
    assert (conversations(house), count(house, "doomed"), count(house, "hold")) == (set(), 0, 0)


@pytest.mark.clause("4(3)3")
async def test_a_hold_that_comes_between_the_plan_and_the_round_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    sweep = retention._sweep

    async def sweeping(*args: object, **kwargs: object) -> None:
        if count(house, "hold") == 0:
            await held(house, "conversation", guest.id)
        await sweep(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(retention, "_sweep", sweeping)

    await swept(house, now=NOW + 91 * DAY)

    assert conversations(house) == {guest.id}


@pytest.mark.clause("4(3)3")
async def test_choosing_and_holding_wait_for_each_other_on_postgres(furnished_postgres: str, core: Core) -> None:
    database = Database(furnished_postgres)
    database.open()
    core = replace(core, database=database)
    guest = visitor()
    fresh = await chats.prepare(core, guest.ref)
    row = await database.write(chats.open_, core, guest, fresh, topic="Late", locale="en", now=NOW)
    kept = [chat.holdings.holding(core)]
    begun = threading.Event()

    def choose(tx: Transaction) -> dict[str, list[Ref]]:
        begun.set()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        deadline = time.monotonic() + 20
        while tx.execute(waiting).scalar_one() == 0:
            assert time.monotonic() < deadline, "the hold did not wait for the choice"
            begun.wait(0.01)
        return {"conversations": [Ref("conversation", row.id)]}

    ended = asyncio.create_task(ending.end(core, kept, choose, reason="R-4.2.1", now=NOW + 91 * DAY))
    await asyncio.to_thread(begun.wait, 20)
    asked = wanted("conversation", row.id)
    with pytest.raises(Refusal) as refused:
        await database.write_in(1, holds.place, core, kept, OFFICER, asked, now=NOW)
    _, gone = await ended
    database.close()

    assert refused.value.code in {"doomed", "no_such_object"}
    assert gone.rows == 1


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR])
async def test_nobody_but_an_officer_sets_a_hold(house: House, role: Role) -> None:
    guest = await conversation_of(house, visitor(), "evidence")

    with pytest.raises(NotFound):
        await house.core.database.write(
            holds.place, house.core, house.holdings, staff(role), wanted("conversation", guest.id), now=NOW
        )

    await held(house, "conversation", guest.id)
    assert count(house, "hold") == 1


@pytest.mark.clause("4(2)2")
async def test_a_supervisor_proposes_and_only_an_officers_word_makes_it_hold(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    asked = wanted("conversation", guest.id)
    write = house.core.database.write

    proposal = await write(holds.propose, house.core, house.holdings, SUPERVISOR, asked, now=NOW)
    reached_before = house.core.database.read_now(keeping.kept, house.holdings, house.core.policy)
    with pytest.raises(NotFound):
        await write(holds.accept, SUPERVISOR, proposal.id, now=NOW)
    await write(holds.accept, OFFICER, proposal.id, now=NOW)

    assert reached_before == {}
    assert guest.id in house.core.database.read_now(keeping.kept, house.holdings, house.core.policy)


@pytest.mark.clause("4(2)2")
async def test_a_supervisor_proposes_nothing_for_the_chat_of_another_team(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    await house.core.database.write(lambda tx: tx.execute(text("UPDATE conversation SET team = 'care'")) and None)
    asked = wanted("conversation", guest.id)

    with pytest.raises(NotFound):
        await house.core.database.write(
            holds.propose, house.core, house.holdings, staff(Role.SUPERVISOR, "wholesale"), asked, now=NOW
        )

    mine = staff(Role.SUPERVISOR, "care")
    assert await house.core.database.write(holds.propose, house.core, house.holdings, mine, asked, now=NOW)


@pytest.mark.clause("4(2)2")
async def test_a_declined_proposal_holds_nothing(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    write = house.core.database.write
    asked = wanted("conversation", guest.id)
    proposal = await write(holds.propose, house.core, house.holdings, SUPERVISOR, asked, now=NOW)

    await write(holds.decline, OFFICER, proposal.id, now=NOW)
    with pytest.raises(Conflict):
        await write(holds.accept, OFFICER, proposal.id, now=NOW)
    await swept(house, now=NOW + 91 * DAY)

    assert conversations(house) == set()


@pytest.mark.clause("4(2)2")
async def test_one_officer_alone_lifts_nothing(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    hold = await held(house, "conversation", guest.id)
    write = house.core.database.write

    with pytest.raises(Conflict):
        await write(holds.release, SECOND, hold.id, now=NOW)
    await write(holds.ask_release, OFFICER, hold.id, now=NOW)
    with pytest.raises(NotAllowed, match="second_officer"):
        await write(holds.release, OFFICER, hold.id, now=NOW)
    with pytest.raises(NotFound):
        await write(holds.release, SUPERVISOR, hold.id, now=NOW)

    assert guest.id in house.core.database.read_now(keeping.kept, house.holdings, house.core.policy)
    await write(holds.release, SECOND, hold.id, now=NOW)
    assert house.core.database.read_now(keeping.kept, house.holdings, house.core.policy) == {}


@pytest.mark.clause("5(2)4")
@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (wanted("conversation", "x", days=0), Invalid),
        (wanted("conversation", "x", days=91), Invalid),
        (wanted("conversation", "x", ground="CURIOUS"), Invalid),
        (Wanted(Ref("conversation", "x"), "COURT", "", "CASE-7", 30), Invalid),
        (Wanted(Ref("conversation", "x"), "COURT", "DOC-1", "", 30), NotAllowed),
        (wanted("conversation", "x"), NotFound),
        (wanted("ledger", "x"), NotFound),
    ],
)
async def test_a_hold_needs_a_ground_a_case_a_document_a_review_and_something_that_is_there(
    house: House, asked: Wanted, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        await house.core.database.write(holds.place, house.core, house.holdings, OFFICER, asked, now=NOW)


@pytest.mark.clause("3(2)")
async def test_the_ledger_takes_a_number_and_never_a_sentence_about_a_hold(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    talkative = Wanted(Ref("conversation", guest.id), "COURT", "because Ann Chen asked", "CASE-7", 30)

    with pytest.raises(Invalid):
        await house.core.database.write(holds.place, house.core, house.holdings, OFFICER, talkative, now=NOW)
    await held(house, "conversation", guest.id)

    assert count(house, "hold") == 1
    assert entries(house)[-1][:2] == ("hold.set", guest.id)


@pytest.mark.clause("5(2)4")
async def test_a_hold_is_looked_at_again_within_the_policys_limit(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    hold = await held(house, "conversation", guest.id)
    write = house.core.database.write

    with pytest.raises(Invalid):
        await write(holds.renew, OFFICER, hold.id, policy=house.core.policy, days=91, now=NOW + 10 * DAY)
    renewed = await write(holds.renew, OFFICER, hold.id, policy=house.core.policy, days=90, now=NOW + 10 * DAY)

    assert hold.review_ms == NOW + 30 * DAY
    assert renewed.review_ms == NOW + 100 * DAY


@pytest.mark.clause("4(2)2")
async def test_a_wish_to_lift_a_hold_ends_when_it_is_renewed(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    hold = await held(house, "conversation", guest.id)
    write = house.core.database.write

    await write(holds.ask_release, OFFICER, hold.id, now=NOW)
    renewed = await write(holds.renew, SECOND, hold.id, policy=house.core.policy, days=30, now=NOW + DAY)
    with pytest.raises(Conflict, match="hold_state"):
        await write(holds.release, SECOND, hold.id, now=NOW + 2 * DAY)

    assert (renewed.release_by, renewed.release_ms) == (None, None)
    assert guest.id in house.core.database.read_now(keeping.kept, house.holdings, house.core.policy)


@pytest.mark.clause("4(3)3")
async def test_a_hold_whose_note_was_lost_gets_it_within_the_hour(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    asked = wanted("conversation", guest.id)
    hold = await house.core.database.write(holds.place, house.core, house.holdings, OFFICER, asked, now=NOW)
    before = await house.core.vault.holds()
    handlers = {schedule.MEDIA: schedule.handlers(house)[schedule.MEDIA]}

    await house.core.database.write(jobs.enqueue, schedule.MEDIA, {}, run_ms=NOW, key="now")
    await jobs.Runner(house.core, handlers).run_due(NOW)

    assert before == []
    assert [each.id for each in await house.core.vault.holds()] == [hold.id]


@pytest.fixture
def apart(tmp_path: Path) -> Settings:
    """Data and keys in folders of their own."""
    return Settings(data=tmp_path / "var", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")


@pytest.mark.clause("5(1)3")
async def test_a_hold_survives_a_restore_of_data_from_before_it(apart: Settings, tmp_path: Path) -> None:
    async with opened(apart) as house:
        guest = await conversation_of(house, visitor(), "evidence", now=clock.now())
        await backed_up(house, tmp_path / "monday")
        await held(house, "conversation", guest.id, now=clock.now())

    await restored(apart, tmp_path / "monday")
    async with opened(apart) as house:
        await swept(house, now=clock.now() + 91 * DAY)

        assert conversations(house) == {guest.id}
        assert count(house, "hold") == 1


@pytest.mark.clause("5(1)3")
async def test_what_was_erased_when_its_hold_was_lifted_does_not_come_back_with_old_data(
    apart: Settings, tmp_path: Path
) -> None:
    async with opened(apart) as house:
        ann: Shopper = await shopper(house, "ann@example.com", now=clock.now())
        hold = await held(house, "conversation", ann.conversation.id, now=clock.now())
        await backed_up(house, tmp_path / "monday")
        await lifted(house, hold, now=clock.now())
        await erasure.run(house.core, house.holdings, ann.caller.ref, now=clock.now())
        await holds.note(house.core)

    await restored(apart, tmp_path / "monday")
    async with opened(apart) as house:
        assert conversations(house) == set()
        assert house.core.database.read_now(keeping.in_force) == []


@pytest.mark.clause("5(2)4")
async def test_what_a_hold_isolated_stays_hidden_after_a_restore(apart: Settings, tmp_path: Path) -> None:
    async with opened(apart) as house:
        ann = await shopper(house, "ann@example.com", now=clock.now())
        await held(house, "conversation", ann.conversation.id, now=clock.now())
        await backed_up(house, tmp_path / "monday")
        await erasure.run(house.core, house.holdings, ann.caller.ref, now=clock.now())

    await restored(apart, tmp_path / "monday")
    async with opened(apart) as house:
        assert conversations(house) == {ann.conversation.id}
        assert not is_readable(house, ann.conversation.id, now=clock.now())
        assert count(house, "person") == 0


@pytest.mark.clause("5(2)4")
async def test_a_hold_itself_ends_years_after_it_was_lifted(house: House) -> None:
    guest = await conversation_of(house, visitor(), "evidence")
    hold = await held(house, "conversation", guest.id)
    await lifted(house, hold, now=NOW)
    kept_days = house.core.policy.days("retention.dsr_case")

    await swept(house, now=NOW + kept_days * DAY - 1)
    before = count(house, "hold")
    await swept(house, now=NOW + kept_days * DAY)

    assert (before, count(house, "hold")) == (1, 0)


def test_every_ground_of_a_hold_is_one_of_the_policy(rules: Policy) -> None:
    assert set(holds.grounds(rules)) == {
        "LAW",
        "COURT",
        "AGENCY",
        "PUBLIC",
        "HARM",
        "REF_DEFENCE",
        "REF_CRIMINAL",
        "REF_MALICE",
        "REF_VITAL",
        "REF_DAMAGE",
    }
