"""Letters about a request: that it came, that it takes longer, what it would cost, that the answer is ready.

Danger. A letter goes through strangers' hands and may reach another person's mailbox.

Principle. A letter holds a reference number, dates and where to sign in: no name, no order, no word of the request or
of the answer (clause 4(1)6). Posting is part of the transaction of its cause.
"""

from core import mail
from core.database import Transaction
from core.services import Core
from core.web import i18n
from support.rights import steps
from support.rights.models import Kind, RightsRequest, State

PAGE = "/my-data"


def acknowledge(tx: Transaction, core: Core, row: RightsRequest, *, now: int) -> bool:
    """That the request came, and until when it is answered."""
    return _post(tx, core, row, "rights_received", {"waits": bool(row.not_before_ms)}, now=now)


def extension(tx: Transaction, core: Core, row: RightsRequest, *, now: int) -> bool:
    """That it takes longer, and until when."""
    return _post(tx, core, row, "rights_extended", {}, now=now)


def fee(tx: Transaction, core: Core, row: RightsRequest, *, now: int) -> bool:
    """What it would cost, before anything is done; taking the request back is free."""
    formats = _formats(core, row)
    return _post(tx, core, row, "rights_fee", {"amount": formats.money(str(row.fee), row.fee_currency)}, now=now)


def answer(tx: Transaction, core: Core, row: RightsRequest, *, now: int) -> bool:
    """That the answer is ready; after a deletion there is nowhere left to sign in to, and the letter is the answer."""
    is_gone = row.kind == Kind.DELETE and row.decision == "FULFILLED"
    if _post(tx, core, row, "rights_answered", {"is_gone": is_gone}, now=now):
        row.answered_ms = now
        return True
    return False


def alarm(tx: Transaction, core: Core, row: RightsRequest, *, days: int, now: int) -> None:
    """Tell the shop's own mailbox that a request is getting late, or is late."""
    context = _context(core, row) | {"days": days, "page": f"{core.settings.public_url}/rights"}
    to = core.settings.contact_email
    mail.post(tx, core, to=to, template="rights_alarm", locale="en", context=context, now=now)


def is_open(row: RightsRequest) -> bool:
    """Whether the person can be written to."""
    return row.reply_sealed is not None


def _post(tx: Transaction, core: Core, row: RightsRequest, template: str, more: dict[str, object], *, now: int) -> bool:
    """Post a letter to the person; returns whether there was an address."""
    if row.reply_sealed is None:
        return False
    to = steps.open_(core, row, "reply")
    context = _context(core, row) | more
    mail.post(tx, core, to=to, template=template, locale=row.locale, context=context, now=now)
    return True


def _context(core: Core, row: RightsRequest) -> dict[str, object]:
    formats = _formats(core, row)
    return {
        "reference": steps.reference(row.id),
        "received": formats.day(row.received_ms),
        "due": formats.day(row.due_ms),
        "page": f"{core.settings.public_url}{PAGE}",
        "is_known": row.subject.startswith("person:"),
        "is_refused": row.state == State.REFUSED,
    }


def _formats(core: Core, row: RightsRequest) -> i18n.Formats:
    lang = row.locale if row.locale in i18n.LANGUAGES else "en"
    return i18n.Formats(lang, core.settings.time_zone, core.settings.currency)
