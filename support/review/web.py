"""Review's doors: the search, the question for the purpose, the transcript.

An address never stands in a URL: the search is a POST, and so is opening a transcript. Only a purpose may travel in
one, and a transcript asked for without it is answered with the question.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat import bodies
from core import clock
from core.identity import Caller, Role
from core.identity.permissions import Purpose
from core.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal
from core.services import core_of
from core.web.bodies import form
from support.desk.badges import show, staff_page
from support.desk.words import _
from support.review import finding, redaction, transcript
from support.review.finding import By, Found, Reading, Sought
from support.review.redaction import Wanted

REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")  # what the ledger takes: a code, never a sentence


WAYS = [
    (By.ORDER, _("Order number")),
    (By.EMAIL, _("E-mail address")),
    (By.CONVERSATION, _("Conversation identifier")),
]
PURPOSES = [
    (Purpose.P1_LEGAL, _("Legal duty"), _("A law or an authority requires it. Clause 1(1)")),
    (Purpose.P2_CONTRACT_AFTERSALES, _("Order and after-sales"), _("To settle this customer's question. Clause 1(2)")),
    (Purpose.P3_MARKETING, _("Marketing"), _("Never open to conversations. Clause 1(3)")),
    (Purpose.P4_NOTICE_ANALYTICS, _("Analysis"), _("Never open to single conversations. Clause 1(4)")),
    (Purpose.P5_SECURITY_QUALITY, _("Security and quality"), _("To check how we answered. Clause 1(5)")),
    (Purpose.P6_FRAUD_HARM, _("Fraud or harm"), _("Needs a case number below. Clause 1(6)")),
]
LABELS = {value: words for value, words, _example in PURPOSES}
CLOSED = frozenset({Purpose.P3_MARKETING, Purpose.P4_NOTICE_ANALYTICS})
REASONS = {
    "payment_data": _("Payment details"),
    "third_party_data": _("Another person's details"),
    "sensitive_data": _("Sensitive details"),
    "abusive": _("Abusive content"),
    "legal_order": _("A legal order"),
}
assert tuple(REASONS) == bodies.REASONS
PROOFS = {"guest": _("Not proven (guest)"), "email_code": _("Proven by e-mail code")}


@dataclass(frozen=True)
class Asked:
    """What the form held, given back as it was typed."""

    by: str = By.ORDER
    term: str = ""
    purpose: str = ""
    reason: str = ""


@staff_page(Role.SUPERVISOR)
async def search(request: Request, caller: Caller) -> Response:
    """The empty search."""
    return _search(request, caller, Asked())


@staff_page(Role.SUPERVISOR)
async def find(request: Request, caller: Caller) -> Response:
    """The results, on the same page."""
    fields = await form(request)
    asked = Asked(*(fields.get(name, "").strip()[:254] for name in ("by", "term", "purpose", "reason")))
    core = core_of(request)
    try:
        if asked.by not in set(By) or not asked.term:
            raise Invalid("term", _("Type what you are looking for."))
        reading = _reading(asked.purpose, asked.reason)
        found = await core.database.write(
            finding.find, core, caller, Sought(By(asked.by), asked.term), reading, now=clock.now()
        )
    except NotFound:
        raise
    except Refusal as refusal:
        return _search(request, caller, asked, refused=refusal)
    return _search(request, caller, asked, results=found)


@staff_page(Role.SUPERVISOR)
async def read(request: Request, caller: Caller) -> Response:
    """The transcript for the purpose in the address; without one, the question for it."""
    return await _read(request, caller, request.query_params)


@staff_page(Role.SUPERVISOR)
async def open_(request: Request, caller: Caller) -> Response:
    """The transcript for the purpose in the form."""
    return await _read(request, caller, await form(request))


@staff_page(Role.SUPERVISOR)
async def redact(request: Request, caller: Caller) -> Response:
    """The transcript again, with one line redacted, or with the reason why it was not."""
    core, conversation = core_of(request), str(request.path_params["conversation"])
    fields = await form(request)
    try:
        reading = _reading(fields.get("purpose", ""), fields.get("reason", "").strip())
        wanted = Wanted(
            seq=int(fields.get("seq", "")),
            reason=fields.get("why", ""),
            text=fields.get("text", "").strip(),
            entry=fields.get("entry", ""),
        )
        await core.database.write(redaction.redact, core, caller, conversation, wanted, reading, now=clock.now())
    except ValueError:
        raise NotFound from None
    except (Conflict, Invalid, NotAllowed) as refusal:
        return await _read(request, caller, fields, refused=refusal)
    return await _read(request, caller, fields)


async def _read(
    request: Request, caller: Caller, fields: Mapping[str, str], *, refused: Refusal | None = None
) -> Response:
    core, conversation = core_of(request), str(request.path_params["conversation"])
    asked = Asked(purpose=fields.get("purpose", ""), reason=fields.get("reason", "").strip())
    try:
        reading = _reading(asked.purpose, asked.reason)
        sheet = await core.database.write(transcript.open_, core, caller, conversation, reading, now=clock.now())
    except (NotAllowed, Invalid) as refusal:
        return _question(request, caller, conversation, asked, refusal)
    return show(
        request,
        caller,
        "review/transcript.html",
        here="review",
        status=refused.status if refused else 200,
        refused=refused.sentence if refused else None,
        asked=asked,
        reasons=REASONS,
        sheet=sheet,
        proofs=PROOFS,
        purpose_label=LABELS[reading.purpose],
    )


def _reading(purpose: str, reference: str) -> Reading:
    """The stated purpose. Raises: NotAllowed when there is none; Invalid for a reference that could be a person."""
    if purpose not in set(Purpose):
        raise NotAllowed("purpose_needed", "Say first what you need this for.")
    if reference and not REFERENCE.fullmatch(reference):
        raise Invalid("reference", _("A reference is a number such as CASE-118: letters, digits, dots and dashes."))
    return Reading(Purpose(purpose), reference or None)


def _search(
    request: Request,
    caller: Caller,
    asked: Asked,
    *,
    results: list[Found] | None = None,
    refused: Refusal | None = None,
) -> Response:
    return show(
        request,
        caller,
        "review/find.html",
        here="review",
        status=refused.status if refused else 200,
        asked=asked,
        ways=WAYS,
        purposes=PURPOSES,
        closed=CLOSED,
        proofs=PROOFS,
        results=results,
        refused=refused.sentence if refused else None,
    )


def _question(request: Request, caller: Caller, conversation: str, asked: Asked, refused: Refusal) -> Response:
    is_first = not asked.purpose and request.method == "GET"
    return show(
        request,
        caller,
        "review/purpose.html",
        here="review",
        status=refused.status,
        conversation=conversation,
        asked=asked,
        purposes=PURPOSES,
        closed=CLOSED,
        refused=None if is_first else refused.sentence,
    )


routes = [
    Route("/review", search, methods=["GET"]),
    Route("/review", find, methods=["POST"]),
    Route("/review/{conversation}", read, methods=["GET"]),
    Route("/review/{conversation}/open", open_, methods=["POST"]),
    Route("/review/{conversation}/redact", redact, methods=["POST"]),
]
