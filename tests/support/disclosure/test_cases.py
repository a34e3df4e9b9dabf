"""Nothing leaves without a case that brings what its ground demands, and without two different people."""

import asyncio
import json
import uuid
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from chat.log import Draft
from core import clock, ids, jobs, ledger
from core.clock import DAY, HOUR
from core.database import Transaction
from core.holdings import Ref
from core.identity import acknowledgements
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller, Role
from core.identity.permissions import Purpose
from core.policy import Policy
from core.refusals import Conflict, Invalid, NotAllowed, NotFound
from core.report import Collected
from support import schedule
from support.disclosure import archive, cases, grounds, sealing
from support.disclosure.cases import Asked, Item, Standing
from support.disclosure.models import Disclosure
from support.house import House
from support.privacy import copies, erasure, holds, packing, retention, verifying
from support.privacy.holds import Wanted
from support.processors import register
from support.processors.register import Agreement
from tests.support.privacy.conftest import CANARY, NOW, Shopper, conversation_of, house, said, shopper
from tests.support.privacy.test_retention import count, entries

__all__ = ["house"]  # pytest finds it by its name


def staff(role: Role, team: str | None = None) -> Caller:
    return Caller("staff", ids.new(), role=role, team=team, proof="password_totp")


OFFICER, SECOND, SUPERVISOR = staff(Role.PRIVACY_OFFICER), staff(Role.PRIVACY_OFFICER), staff(Role.SUPERVISOR)
WHO = "Judge Huang"
SAID = {
    "LAW": {"article": "Article 20"},
    "CONTRACT": {},
    "COURT": {"docket": "115-Su-88"},
    "AGENCY": {"agency": "Fair Trade", "statute": "Act 27", "officer": "Lin", "callback": "called back on 2 March"},
    "PUBLIC": {"reasoning": "an epidemic"},
    "HARM": {"reasoning": "a threat"},
    "BENEFIT": {"reasoning": "her insurance"},
    "HAZARD": {"reasoning": "a stolen account"},
}


async def opened(
    house: House, ground: str, subject: str, *, by: Caller = OFFICER, processor: str | None = None, now: int = NOW
) -> Disclosure:
    fresh = await sealing.prepare(house.core)
    facts = {"requester": WHO, "scope": "one conversation", **SAID[ground]}
    asked = Asked(ground, subject, "DOC-115", facts, processor)
    row = await house.core.database.write(_expunged, house, by, fresh, asked, now=now)
    if grounds.GROUNDS[ground].document:
        await house.core.database.write(cases.attach, house.core, by, row.id, b"%PDF the order", now=now)
    return row


def _expunged(tx: Transaction, house: House, by: Caller, fresh: sealing.Fresh, asked: Asked, *, now: int) -> Disclosure:
    row = cases.open_(tx, house.core, by, fresh, asked, now=now)
    tx.session.flush()
    tx.session.expunge(row)
    return row


async def chosen(house: House, row: Disclosure, items: Sequence[Item], *, by: Caller = OFFICER) -> None:
    await house.core.database.write(_choose, house, by, row.id, items, now=NOW)


def _choose(tx: Transaction, house: House, by: Caller, case_id: str, items: Sequence[Item], *, now: int) -> None:
    cases.choose(tx, house.core, house.holdings, by, case_id, items, now=now)


async def approved(house: House, row: Disclosure, *approvers: Caller, now: int = NOW) -> None:
    for each in approvers:
        await done(house, cases.approve, each, row.id, now=now)


async def done(house: House, verb: Callable[..., object], caller: Caller, *args: object, now: int = NOW) -> None:
    """Any verb of a case, its result left behind."""

    def doing(tx: Transaction) -> None:
        verb(tx, house.core, caller, *args, now=now)

    await house.core.database.write(doing)


def stands(house: House, row: Disclosure, *, now: int = NOW) -> Standing:
    def read(tx: Transaction) -> Standing:
        found = cases.standing(tx, house.core, OFFICER, row.id, now=now)
        tx.session.expunge_all()
        return found

    return house.core.database.read_now(read)


async def court_case(house: House, ann: Shopper) -> Disclosure:
    row = await opened(house, "COURT", ann.caller.ref)
    await chosen(house, row, [Item("conversation", ann.conversation.id)])
    return row


async def archived(house: House, row: Disclosure, target: Path) -> archive.Chosen:
    case = stands(house, row)
    gathered = house.core.database.read_now(archive.gather, house.core, house.holdings, case)
    drawn = archive.pieces(house.core, case, gathered, loop=asyncio.get_running_loop(), now=NOW)
    target.write_bytes(await asyncio.to_thread(lambda: b"".join(drawn)))
    return gathered


def test_every_ground_names_its_clause_and_the_policy_knows_it(rules: Policy) -> None:
    for name, ground in grounds.GROUNDS.items():
        clause = rules.clause(ground.clause)
        assert name == "HAZARD" or clause.values["ground"] == name


@pytest.mark.clause("4(1)7", "4(3)1", "4(3)3", "4(3)4", "4(3)5", "4(3)6", "4(3)7")
@pytest.mark.parametrize(
    "ground",
    [
        "LAW",
        "COURT",
        "AGENCY",
        "PUBLIC",
        "HARM",
        "BENEFIT",
        "HAZARD",
    ],
)
def test_a_ground_is_not_satisfied_while_anything_it_demands_is_missing(ground: str) -> None:
    whole = {"requester": WHO, "scope": "one", **SAID[ground]}

    assert grounds.missing(ground, whole, has_document=True) == []
    for name in whole:
        assert grounds.missing(ground, {**whole, name: " "}, has_document=True) == [name]
    assert ("document" in grounds.missing(ground, whole, has_document=False)) is grounds.GROUNDS[ground].document


@pytest.mark.clause("4(3)3")
async def test_two_different_people_one_of_them_an_officer_clear_a_case(house: House) -> None:
    row = await court_case(house, await shopper(house, "ann@example.com"))

    await approved(house, row, SUPERVISOR)
    after_supervisor = stands(house, row).is_cleared
    await approved(house, row, staff(Role.SUPERVISOR))
    after_two_supervisors = stands(house, row).is_cleared
    await approved(house, row, OFFICER)

    assert not after_supervisor
    assert not after_two_supervisors
    assert stands(house, row).is_cleared


@pytest.mark.clause("4(3)3")
async def test_one_officer_twice_is_one_approval_and_nothing_leaves(house: House) -> None:
    row = await court_case(house, await shopper(house, "ann@example.com"))

    await approved(house, row, OFFICER, OFFICER)

    assert not stands(house, row).is_cleared
    with pytest.raises(NotAllowed, match="disclosure_unapproved"):
        await done(house, cases.give, OFFICER, row.id)
    await approved(house, row, SECOND)
    await done(house, cases.give, OFFICER, row.id)
    assert stands(house, row).row.given_ms == NOW


@pytest.mark.clause("4(3)3")
async def test_a_change_after_an_approval_makes_it_void(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await court_case(house, ann)
    await approved(house, row, OFFICER, SUPERVISOR)

    await chosen(house, row, [Item("conversation", ann.conversation.id), Item("attachment", ann.attachment)])
    after_more = stands(house, row)
    await approved(house, row, OFFICER, SUPERVISOR)
    await done(house, cases.attach, OFFICER, row.id, b"another order")

    assert after_more.approvals == []
    assert not stands(house, row).is_cleared


@pytest.mark.clause("4(3)3")
async def test_nothing_can_be_approved_that_lacks_its_document_or_its_items(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "COURT", ann.caller.ref)

    with pytest.raises(Conflict, match="disclosure_incomplete"):
        await approved(house, row, OFFICER)


@pytest.mark.clause("4(3)3")
async def test_only_what_is_the_persons_can_be_chosen(house: House) -> None:
    ann, bea = await shopper(house, "ann@example.com"), await shopper(house, "bea@example.com")
    row = await opened(house, "COURT", ann.caller.ref)

    for wrong in ([], [Item("metadata", "device")]):
        with pytest.raises(Invalid):
            await chosen(house, row, wrong)
    for wrong_span in ((5, 2), (50, 99)):
        with pytest.raises(Invalid):
            await chosen(house, row, [Item("conversation", ann.conversation.id, *wrong_span)])
    with pytest.raises(NotFound):
        await chosen(house, row, [Item("conversation", bea.conversation.id)])
    await chosen(house, row, [Item("conversation", ann.conversation.id, 2, 5)])


@pytest.mark.clause("4(3)3")
async def test_the_archive_holds_what_was_chosen_and_nothing_else_and_is_signed(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")
    other = await conversation_of(house, ann.caller, "another matter")
    row = await court_case(house, ann)
    await approved(house, row, OFFICER, SUPERVISOR)
    await done(house, cases.give, OFFICER, row.id)

    gathered = await archived(house, row, tmp_path / "case.zip")

    found = verifying.verify(tmp_path / "case.zip", lambda m, s: house.core.vault.verify("export", m, s))
    with zipfile.ZipFile(tmp_path / "case.zip") as file:
        names, text = file.namelist(), file.read("conversations.jsonl").decode()
        manifest = json.loads(file.read(packing.MANIFEST))
    assert found.entries == 1
    assert names == ["conversations.jsonl", "manifest.json", "manifest.sig"]
    assert CANARY in text
    assert other.id not in text
    assert "internal: difficult" not in text
    assert "Benedikta" not in text
    assert (manifest["case"], manifest["ground"], len(gathered.summed.manifest_sha256.hex())) == (row.id, "COURT", 64)


@pytest.mark.clause("4(3)3")
async def test_a_range_gives_only_its_entries_and_a_picture_only_when_it_is_chosen(
    house: House, tmp_path: Path
) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "COURT", ann.caller.ref)
    await chosen(house, row, [Item("conversation", ann.conversation.id, 1, 1), Item("attachment", ann.attachment)])

    await archived(house, row, tmp_path / "case.zip")

    with zipfile.ZipFile(tmp_path / "case.zip") as file:
        lines = [json.loads(line) for line in file.read("conversations.jsonl").splitlines()]
        media = [name for name in file.namelist() if name.startswith("media/")]
    assert [line["fields"]["seq"] for line in lines if line["thread"]] == [1]
    assert [name.startswith(f"media/{ann.attachment}") for name in media] == [True]


@pytest.mark.clause("4(3)3")
@pytest.mark.parametrize("span", [(None, None), (2, None), (1, 99)])
async def test_what_is_written_after_the_two_approvals_does_not_go_out(
    house: House, tmp_path: Path, span: tuple[int | None, int | None]
) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "COURT", ann.caller.ref)
    await chosen(house, row, [Item("conversation", ann.conversation.id, *span)])
    await approved(house, row, OFFICER, SUPERVISOR)

    late = Draft(ann.conversation.id, ann.caller, str(uuid.uuid4()), "message", {"text": "written afterwards"})
    await said(house, [late], now=NOW)
    await archived(house, row, tmp_path / "case.zip")

    assert stands(house, row).is_cleared
    with zipfile.ZipFile(tmp_path / "case.zip") as file:
        given = file.read("conversations.jsonl").decode()
    assert "We look into it." in given
    assert "written afterwards" not in given


@pytest.mark.clause("4(1)7")
async def test_a_hazard_case_can_hold_the_five_kinds_of_technical_information_and_nothing_else(
    house: House, tmp_path: Path
) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "HAZARD", ann.caller.ref)

    with pytest.raises(Invalid):
        await chosen(house, row, [Item("conversation", ann.conversation.id)])
    with pytest.raises(Invalid):
        await chosen(house, row, [Item("metadata", "text")])
    await chosen(house, row, [Item("metadata", each) for each in house.core.policy.codes("hazard_fields")])
    await archived(house, row, tmp_path / "case.zip")

    with zipfile.ZipFile(tmp_path / "case.zip") as file:
        everything = b"".join(file.read(name) for name in file.namelist())
        lines = [json.loads(line) for line in file.read("technical.jsonl").splitlines()]
    assert CANARY.encode() not in everything
    assert b"ann@example.com" not in everything
    assert {name for line in lines for name in line["fields"]} <= {
        "device",
        "connection",
        "online",
        "login",
        "operation",
    }


@pytest.mark.clause("4(3)2")
async def test_a_contract_case_needs_a_recipient_whose_agreement_is_valid_and_covers_it(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    agreement = Agreement("Insurer", Purpose.P1_LEGAL, ("order", "conversation"), "Taiwan", "C-1", "TLS", 30)
    recipient = await house.core.database.write(register.add, OFFICER, agreement, now=NOW)
    items = [Item("conversation", ann.conversation.id)]
    unknown = await opened(house, "CONTRACT", ann.caller.ref, processor=ids.new())
    row = await opened(house, "CONTRACT", ann.caller.ref, processor=recipient.id)

    with pytest.raises(NotAllowed, match="processor_missing"):
        await chosen(house, unknown, items)
    with pytest.raises(NotAllowed, match="processor_fields"):
        await chosen(house, row, [Item("attachment", ann.attachment)])
    await chosen(house, row, items)
    await approved(house, row, OFFICER, SECOND)
    with pytest.raises(NotAllowed, match="disclosure_unapproved"):
        await done(house, cases.give, OFFICER, row.id, now=NOW + 30 * DAY)

    await done(house, cases.give, OFFICER, row.id, now=NOW + 30 * DAY - 1)


@pytest.mark.clause("4(3)7")
async def test_for_her_own_benefit_nothing_goes_without_her_recorded_consent(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "BENEFIT", ann.caller.ref)
    await chosen(house, row, [Item("conversation", ann.conversation.id)])
    with pytest.raises(Conflict):
        await approved(house, row, OFFICER)
    policy = house.core.policy
    shown = Shown(policy.version, policy.sha256, "en", cases.CONSENT_CHANNEL, NOW)

    await house.core.database.write(acknowledgements.record, ann.caller.ref, shown, "consent", now=NOW)
    await approved(house, row, OFFICER, SECOND)

    assert stands(house, row).is_cleared


@pytest.mark.clause("4(3)5")
async def test_only_a_privacy_officer_writes_the_reasons_of_public_interest(house: House) -> None:
    ann = await shopper(house, "ann@example.com")

    with pytest.raises(NotAllowed, match="officers_reasoning"):
        await opened(house, "PUBLIC", ann.caller.ref, by=SUPERVISOR)

    assert await opened(house, "PUBLIC", ann.caller.ref)


@pytest.mark.clause("4(3)6")
async def test_serious_harm_goes_out_on_the_officers_word_and_reports_itself_when_nobody_follows(house: House) -> None:
    ann, at = await shopper(house, "ann@example.com"), clock.now() - 25 * HOUR
    row = await opened(house, "HARM", ann.caller.ref, now=at)
    await chosen(house, row, [Item("conversation", ann.conversation.id)])
    await approved(house, row, OFFICER, now=at)
    await done(house, cases.give, OFFICER, row.id, now=at)
    handlers = {cases.UNAPPROVED: schedule.handlers(house)[cases.UNAPPROVED]}

    early = await jobs.Runner(house.core, handlers).run_due(at + 24 * HOUR - 1)
    await jobs.Runner(house.core, handlers).run_due(at + 24 * HOUR)

    assert early == 0
    assert stands(house, row).row.reported_ms is not None
    assert ("disclosure.unapproved", ann.caller.id, "HARM.overdue") in entries(house)
    with pytest.raises(Conflict):
        await _settled(house, row)


@pytest.mark.clause("4(3)6")
async def test_a_second_approval_in_time_keeps_a_case_of_harm_quiet(house: House) -> None:
    ann, at = await shopper(house, "ann@example.com"), clock.now() - 25 * HOUR
    row = await opened(house, "HARM", ann.caller.ref, now=at)
    await chosen(house, row, [Item("conversation", ann.conversation.id)])
    await approved(house, row, OFFICER, now=at)
    await done(house, cases.give, OFFICER, row.id, now=at)
    handlers = {cases.UNAPPROVED: schedule.handlers(house)[cases.UNAPPROVED]}

    await approved(house, row, SUPERVISOR, now=at + HOUR)
    await jobs.Runner(house.core, handlers).run_due(at + 24 * HOUR)

    assert stands(house, row).row.reported_ms is None
    await _settled(house, row)


@pytest.mark.clause("4(3)6")
async def test_a_supervisors_word_alone_lets_no_harm_case_out(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "HARM", ann.caller.ref, by=SUPERVISOR)
    await chosen(house, row, [Item("conversation", ann.conversation.id)], by=SUPERVISOR)
    await approved(house, row, SUPERVISOR)

    with pytest.raises(NotAllowed):
        await done(house, cases.give, OFFICER, row.id)


async def _settled(house: House, row: Disclosure) -> None:
    await done(house, cases.deliver, OFFICER, row.id, "by courier")
    await done(house, cases.tell, OFFICER, row.id, "letter of 3 March")
    await done(house, cases.close, OFFICER, row.id)


@pytest.mark.clause("4(3)3")
async def test_a_case_ends_only_with_proof_of_delivery_and_a_word_about_the_notice(house: House) -> None:
    row = await court_case(house, await shopper(house, "ann@example.com"))
    await approved(house, row, OFFICER, SUPERVISOR)
    with pytest.raises(Conflict):
        await done(house, cases.deliver, OFFICER, row.id, "by courier")
    await done(house, cases.give, OFFICER, row.id)

    with pytest.raises(Conflict, match="disclosure_unsettled"):
        await done(house, cases.close, OFFICER, row.id)
    await done(house, cases.deliver, OFFICER, row.id, "by courier")
    for days in (0, 91):
        with pytest.raises(Invalid):
            await done(house, cases.bar, OFFICER, row.id, "the court forbids it", days)
    await done(house, cases.bar, OFFICER, row.id, "the court forbids it", 90)
    await done(house, cases.close, OFFICER, row.id)

    closed = stands(house, row).row
    assert (closed.closed_ms, closed.barred_review_ms) == (NOW, NOW + 90 * DAY)


@pytest.mark.clause("5(1)2")
@pytest.mark.parametrize(("barred_ago", "is_told"), [(None, True), (29 * DAY, False), (30 * DAY, True)])
async def test_a_person_finds_what_was_given_in_her_copy_unless_the_law_forbids_it(
    house: House, barred_ago: int | None, is_told: bool
) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await court_case(house, ann)
    await approved(house, row, OFFICER, SUPERVISOR)
    await done(house, cases.give, OFFICER, row.id)
    if barred_ago is not None:
        await done(house, cases.bar, OFFICER, row.id, "the court forbids it", 30, now=clock.now() - barred_ago)

    request = copies.Request(ann.caller.ref, "en")
    copy = house.core.database.read_now(copies.gather, house.core, house.holdings, request)

    told = [record for holding, records in copy.sections if holding.name == "disclosures" for record in records]
    assert [record.fields["Recipient"] for record in told] == ([WHO] if is_told else [])


@pytest.mark.clause("4(3)3")
async def test_a_bar_is_looked_at_again_and_the_person_told_after_the_case_was_closed(house: House) -> None:
    row = await court_case(house, await shopper(house, "ann@example.com"))
    await approved(house, row, OFFICER, SUPERVISOR)
    await done(house, cases.give, OFFICER, row.id)
    await done(house, cases.deliver, OFFICER, row.id, "by courier")
    await done(house, cases.bar, OFFICER, row.id, "the court forbids it", 30)
    await done(house, cases.close, OFFICER, row.id)

    await done(house, cases.bar, OFFICER, row.id, "the court still forbids it", 30, now=NOW + 30 * DAY)
    barred = stands(house, row).row
    await done(house, cases.tell, OFFICER, row.id, "letter of 3 March", now=NOW + 60 * DAY)
    told = stands(house, row).row

    assert barred.barred_review_ms == NOW + 60 * DAY
    assert (told.told_ms, told.barred_ms, told.closed_ms) == (NOW + 60 * DAY, None, NOW)
    with pytest.raises(Conflict, match="disclosure_state"):
        await done(house, cases.deliver, OFFICER, row.id, "again")


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.AGENT, Role.ADMIN, Role.AUDITOR])
async def test_others_open_approve_and_give_nothing(house: House, role: Role) -> None:
    ann, other = await shopper(house, "ann@example.com"), staff(role)
    row = await court_case(house, ann)

    with pytest.raises(NotFound):
        await opened(house, "COURT", ann.caller.ref, by=other)
    for verb in (cases.approve, cases.give, cases.preview, cases.close):
        with pytest.raises(NotFound):
            await done(house, verb, other, row.id)


@pytest.mark.clause("4(2)2")
async def test_a_supervisor_gives_nothing_herself_and_chooses_nothing_of_another_team(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await court_case(house, ann)
    await approved(house, row, OFFICER, SUPERVISOR)
    with pytest.raises(NotFound):
        await done(house, cases.give, SUPERVISOR, row.id)

    await house.core.database.write(lambda tx: tx.execute(text("UPDATE conversation SET team = 'care'")) and None)
    with pytest.raises(NotFound):
        await chosen(house, row, [Item("conversation", ann.conversation.id)], by=staff(Role.SUPERVISOR, "wholesale"))
    await chosen(house, row, [Item("conversation", ann.conversation.id)], by=staff(Role.SUPERVISOR, "care"))


@pytest.mark.clause("4(2)2")
async def test_a_supervisor_chooses_conversations_only(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "COURT", ann.caller.ref, by=SUPERVISOR)

    with pytest.raises(NotFound):
        await chosen(house, row, [Item("attachment", ann.attachment)], by=SUPERVISOR)
    await chosen(house, row, [Item("attachment", ann.attachment)])

    assert [item.kind for item in stands(house, row).items] == ["attachment"]


@pytest.mark.clause("4(2)2")
async def test_a_supervisor_looks_only_into_a_case_that_somebody_else_opened(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await opened(house, "COURT", ann.caller.ref, by=SUPERVISOR)
    await chosen(house, row, [Item("conversation", ann.conversation.id)])

    with pytest.raises(NotFound):
        await done(house, cases.preview, SUPERVISOR, row.id)
    for other in (staff(Role.SUPERVISOR), OFFICER):
        await done(house, cases.preview, other, row.id)

    looks = [entry for entry in entries(house) if entry[0] == "disclosure.preview"]
    assert len(looks) == 2


@pytest.mark.clause("3(2)")
async def test_the_ledger_and_the_rows_hold_nothing_of_what_a_case_says(house: House, tmp_path: Path) -> None:
    row = await court_case(house, await shopper(house, "ann@example.com"))
    await approved(house, row, OFFICER, SUPERVISOR)
    fresh = await sealing.prepare(house.core)
    talkative = Asked("COURT", row.subject, "Judge Huang wants it", {})
    with pytest.raises(Invalid):
        await house.core.database.write(_expunged, house, OFFICER, fresh, talkative, now=NOW)

    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*.db*"))

    assert WHO.encode() not in written
    assert b"%PDF the order" not in written
    assert WHO not in str(entries(house))
    assert stands(house, row).row.document_sha256 is not None
    assert house.core.database.read_now(ledger.verify).is_whole


@pytest.mark.clause("5(1)3")
async def test_a_case_and_its_key_end_years_after_it_was_closed(house: House) -> None:
    row = await court_case(house, await shopper(house, "ann@example.com"))
    await done(house, cases.close, OFFICER, row.id)
    later = NOW + house.core.policy.days("retention.dsr_case") * DAY

    await retention.run(house.core, house.holdings, Collected(), confirmed=True, now=later)

    assert [count(house, name) for name in ("disclosure", "disclosure_item", "disclosure_approval")] == [0, 0, 0]
    assert row.dek_id in {stone.dek_id for stone in await house.core.vault.tombstones()}


@pytest.mark.clause("4(3)3")
async def test_what_is_held_and_hidden_can_still_be_given_to_a_court(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")
    row = await court_case(house, ann)
    asked = Wanted(Ref("conversation", ann.conversation.id), "COURT", "DOC-115", row.id, 30)
    await house.core.database.write(holds.place, house.core, house.holdings, OFFICER, asked, now=NOW)
    await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW)

    await archived(house, row, tmp_path / "case.zip")

    with zipfile.ZipFile(tmp_path / "case.zip") as file:
        assert CANARY in file.read("conversations.jsonl").decode()
