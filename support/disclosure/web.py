"""Disclosures' doors: the register, one screen for each case, and the archive of a case that two people approved."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from core import clock, ids
from core.database import Transaction
from core.holdings import Holding, Ref
from core.identity import Caller, Role
from core.refusals import Invalid, NotFound, Refusal
from core.services import Core, core_of
from core.web.bodies import form
from support.desk.badges import ROLE_LABELS, show, staff_page
from support.desk.words import _
from support.disclosure import archive, cases, documents, grounds, sealing
from support.disclosure.cases import Asked, Item, Standing
from support.disclosure.grounds import FACTS, GROUNDS
from support.privacy import holds
from support.privacy.holds import Wanted

READERS = (Role.SUPERVISOR, Role.PRIVACY_OFFICER, Role.AUDITOR)
APPROVERS = (Role.SUPERVISOR, Role.PRIVACY_OFFICER)
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")
SUBJECT = re.compile(r"(person|visitor):[0-9a-f]{32}")
ITEM = re.compile(r"(conversation|attachment|order|metadata)\s+(\w{1,32})(?:\s+(\d{1,9})-(\d{1,9}))?")
LONGEST_FACT = 2_000
FACT_LABELS = {
    "requester": _("Who asks"),
    "scope": _("What exactly was asked for"),
    "article": _("Article of the law"),
    "docket": _("Docket number"),
    "agency": _("Authority"),
    "statute": _("Statute"),
    "officer": _("Official in charge"),
    "callback": _("How the official's identity was checked by calling back"),
    "reasoning": _("Reasons"),
    "document": _("The document itself"),
    "processor": _("A recipient with a valid agreement"),
    "consent": _("The person's recorded consent"),
}
assert set(FACTS) <= set(FACT_LABELS)
HOLD_GROUNDS = frozenset({grounds.LAW, grounds.COURT, grounds.AGENCY, grounds.PUBLIC, grounds.HARM})
DECISIONS: dict[str, Callable[..., object]] = {"approve": cases.approve, "close": cases.close}
NOTES: dict[str, Callable[..., object]] = {"deliver": cases.deliver, "tell": cases.tell}


@dataclass(frozen=True)
class Typed:
    """What the form for a case held."""

    ground: str = grounds.COURT
    subject: str = ""
    reference: str = ""
    processor: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@staff_page(*READERS)
async def register(request: Request, caller: Caller) -> Response:
    """All cases."""
    return await _register(request, caller)


@staff_page(*APPROVERS)
async def open_(request: Request, caller: Caller) -> Response:
    """A new case; its screen follows."""
    fields = await form(request)
    facts = {name: fields.get(name, "").strip()[:LONGEST_FACT] for name in FACTS}
    names = ("ground", "subject", "reference", "processor")
    ground, subject, reference, processor = (fields.get(name, "").strip()[:80] for name in names)
    typed = Typed(ground, subject, reference, processor, facts)
    core = core_of(request)
    fresh = await sealing.prepare(core)
    try:
        asked = _asked(typed)
        await core.database.write(_opened, core, caller, fresh, asked, now=clock.now())
    except Refusal as refusal:
        await sealing.discard(core, fresh)
        return await _register(request, caller, typed=typed, refused=refusal)
    return _to(fresh.id)


@staff_page(*READERS)
async def look(request: Request, caller: Caller) -> Response:
    """One case."""
    return await _case(request, caller)


@staff_page(*APPROVERS)
async def attach(request: Request, caller: Caller) -> Response:
    """The demand itself."""
    try:
        sent = await documents.form_with_file(request, limit=cases.DOCUMENT_LIMIT)
        await _do(request, cases.attach, caller, _id(request), sent.file)
    except Refusal as refusal:
        return await _again(request, caller, refusal)
    return _to(_id(request))


@staff_page(*APPROVERS)
async def choose(request: Request, caller: Caller) -> Response:
    """What is to be given, one thing a line."""
    fields = await form(request)
    core, holdings = core_of(request), _holdings(request)

    def choosing(tx: Transaction, items: Sequence[Item]) -> None:
        cases.choose(tx, core, holdings, caller, _id(request), items, now=clock.now())

    try:
        await core.database.write(choosing, _items(fields.get("items", "")))
    except Refusal as refusal:
        return await _again(request, caller, refusal)
    return _to(_id(request))


@staff_page(*APPROVERS)
async def preview(request: Request, caller: Caller) -> Response:
    """The case with everything that would go out; the look is in the ledger."""
    await form(request)
    core = core_of(request)
    try:
        stands = await core.database.write(_previewed, core, caller, _id(request), now=clock.now())
        chosen = await core.database.read(archive.gather, core, _holdings(request), stands)
    except Refusal as refusal:
        return await _again(request, caller, refusal)
    return await _case(request, caller, preview=chosen)


@staff_page(*APPROVERS)
async def decide(request: Request, caller: Caller) -> Response:
    """Approve or close."""
    await form(request)
    return await _carry_out(request, caller, DECISIONS, ())


@staff_page(Role.PRIVACY_OFFICER)
async def note(request: Request, caller: Caller) -> Response:
    """How it was handed over, or that the person was told."""
    fields = await form(request)
    return await _carry_out(request, caller, NOTES, (fields.get("note", "").strip()[:LONGEST_FACT],))


@staff_page(Role.PRIVACY_OFFICER)
async def bar(request: Request, caller: Caller) -> Response:
    """Why the person is not told now."""
    fields = await form(request)
    days = int(fields["days"]) if fields.get("days", "").isdecimal() else 0
    try:
        await _do(request, cases.bar, caller, _id(request), fields.get("note", "").strip()[:LONGEST_FACT], days)
    except Refusal as refusal:
        return await _again(request, caller, refusal)
    return _to(_id(request))


@staff_page(Role.PRIVACY_OFFICER)
async def hold(request: Request, caller: Caller) -> Response:
    """Hold all of the person's while the case lasts."""
    await form(request)
    core, now = core_of(request), clock.now()
    row = (await core.database.read(_standing, core, caller, _id(request), now=now)).row
    kind, _colon, subject_id = row.subject.partition(":")
    days = core.policy.number("refusal_review_days")
    wanted = Wanted(Ref(kind, subject_id), row.ground, row.reference, row.id, days)
    try:
        await core.database.write(holds.place, core, _holdings(request), caller, wanted, now=now)
    except Refusal as refusal:
        return await _again(request, caller, refusal)
    await holds.note(core)
    return RedirectResponse("/retention?said=set", status_code=303)


@staff_page(Role.PRIVACY_OFFICER)
async def give(request: Request, caller: Caller) -> Response:
    """The signed archive; its entry in the ledger stands before the first byte leaves."""
    await form(request)
    core, now = core_of(request), clock.now()
    try:
        stands = await core.database.write(_given, core, caller, _id(request), now=now)
    except Refusal as refusal:
        return await _again(request, caller, refusal)
    chosen = await core.database.read(archive.gather, core, _holdings(request), stands)
    drawn = archive.pieces(core, stands, chosen, loop=asyncio.get_running_loop(), now=now)

    async def streamed() -> AsyncIterator[bytes]:
        async for piece in iterate_in_threadpool(drawn):
            yield piece
        await core.database.write(cases.note_manifest, stands.row.id, chosen.summed.manifest_sha256.hex())

    name = f"disclosure-{stands.row.id[:8]}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(streamed(), media_type="application/zip", headers=headers)


async def _carry_out(
    request: Request, caller: Caller, verbs: dict[str, Callable[..., object]], more: tuple[object, ...]
) -> Response:
    verb = verbs.get(str(request.path_params["verb"]))
    if verb is None:
        raise NotFound
    try:
        await _do(request, verb, caller, _id(request), *more)
    except Refusal as refusal:
        return await _again(request, caller, refusal)
    return _to(_id(request))


async def _do(request: Request, verb: Callable[..., object], caller: Caller, *more: object) -> None:
    core = core_of(request)

    def doing(tx: Transaction) -> None:
        verb(tx, core, caller, *more, now=clock.now())

    await core.database.write(doing)


async def _again(request: Request, caller: Caller, refusal: Refusal) -> Response:
    """The case with the reason why something did not happen; what is not there is not there."""
    if isinstance(refusal, NotFound) and refusal.code == "not_found":
        raise refusal
    return await _case(request, caller, refused=refusal)


async def _register(
    request: Request, caller: Caller, *, typed: Typed | None = None, refused: Refusal | None = None
) -> Response:
    core = core_of(request)
    return show(
        request,
        caller,
        "disclosure/register.html",
        here="disclosures",
        status=refused.status if refused else 200,
        rows=await core.database.read(cases.every, caller),
        now=clock.now(),
        grounds=GROUNDS,
        policy=core.policy,
        labels=FACT_LABELS,
        facts=FACTS,
        may_open=caller.role in APPROVERS,
        typed=typed or Typed(),
        refused=refused.sentence if refused else None,
    )


async def _case(
    request: Request, caller: Caller, *, preview: archive.Chosen | None = None, refused: Refusal | None = None
) -> Response:
    core, now = core_of(request), clock.now()
    stands = await core.database.read(_standing, core, caller, _id(request), now=now)
    is_reader = caller.role in APPROVERS  # auditors see that a case is there, not what it says
    return show(
        request,
        caller,
        "disclosure/case.html",
        here="disclosures",
        status=refused.status if refused else 200,
        case=stands,
        facts=sealing.facts_of(core, stands.row) if is_reader else {},
        notes=sealing.notes_of(core, stands.row) if is_reader else {},
        chosen="\n".join(_line(item) for item in stands.items),
        preview=preview,
        clause=core.policy.clause(GROUNDS[stands.row.ground].clause),
        labels=FACT_LABELS,
        roles={role.value: label for role, label in ROLE_LABELS.items()},
        hazard=core.policy.codes("hazard_fields") if stands.row.ground == grounds.HAZARD else (),
        longest=core.policy.number("refusal_review_days"),
        may_hold=stands.row.ground in HOLD_GROUNDS,
        is_officer=caller.role is Role.PRIVACY_OFFICER,
        may_approve=is_reader and caller.ref not in {each.by for each in stands.approvals},
        may_preview=is_reader and cases.may_preview(caller, stands.row),
        may_edit=is_reader and stands.row.given_ms is None and stands.row.closed_ms is None,
        now=now,
        refused=refused.sentence if refused else None,
    )


def _asked(typed: Typed) -> Asked:
    if not SUBJECT.fullmatch(typed.subject):
        raise Invalid("subject", _("Name the person by identifier: person: or visitor: and 32 letters and digits."))
    if not REFERENCE.fullmatch(typed.reference):
        raise Invalid("reference", _("A reference is a number such as CASE-118: letters, digits, dots and dashes."))
    if typed.processor and not ids.is_id(typed.processor):
        raise Invalid("processor", _("Copy the recipient's identifier from the register."))
    return Asked(typed.ground, typed.subject, typed.reference, typed.facts, typed.processor or None)


def _items(text: str) -> list[Item]:
    """One thing a line: `conversation <id> 3-9`, `attachment <id>`, `metadata device`. Raises: Invalid."""
    found = [ITEM.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    items = [
        Item(each[1], each[2], int(each[3]) if each[3] else None, int(each[4]) if each[4] else None)
        for each in found
        if each is not None
    ]
    if len(items) < len(found) or len({(item.kind, item.id) for item in items}) < len(items):
        raise Invalid("items", _("Write one thing on each line, such as: conversation, its identifier, 3-9."))
    return items


def _line(item: Any) -> str:  # Any: a row of the case
    span = f" {item.first}-{item.last}" if item.first is not None else ""
    return f"{item.kind} {item.object_id}{span}"


def _opened(tx: Transaction, core: Core, caller: Caller, fresh: sealing.Fresh, asked: Asked, *, now: int) -> None:
    cases.open_(tx, core, caller, fresh, asked, now=now)


def _standing(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Standing:
    return _given_out(tx, cases.standing(tx, core, caller, case_id, now=now))


def _previewed(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Standing:
    return _given_out(tx, cases.preview(tx, core, caller, case_id, now=now))


def _given(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Standing:
    return _given_out(tx, cases.give(tx, core, caller, case_id, now=now))


def _given_out(tx: Transaction, stands: Standing) -> Standing:
    tx.session.flush()
    tx.session.expunge_all()
    return stands


def _to(case_id: str) -> Response:
    return RedirectResponse(f"/disclosures/{case_id}", status_code=303)


def _id(request: Request) -> str:
    return str(request.path_params["case"])


def _holdings(request: Request) -> Sequence[Holding]:
    """What all rooms of this house keep about people."""
    kept: Sequence[Holding] = request.app.state.house.holdings
    return kept


routes = [
    Route("/disclosures", register, methods=["GET"]),
    Route("/disclosures", open_, methods=["POST"]),
    Route("/disclosures/{case}", look, methods=["GET"]),
    Route("/disclosures/{case}/document", attach, methods=["POST"]),
    Route("/disclosures/{case}/items", choose, methods=["POST"]),
    Route("/disclosures/{case}/preview", preview, methods=["POST"]),
    Route("/disclosures/{case}/export", give, methods=["POST"]),
    Route("/disclosures/{case}/bar", bar, methods=["POST"]),
    Route("/disclosures/{case}/hold", hold, methods=["POST"]),
    Route("/disclosures/{case}/note/{verb}", note, methods=["POST"]),
    Route("/disclosures/{case}/decide/{verb}", decide, methods=["POST"]),
]
