"""What a shopper's page is told when it opens: who she is, where she was, what she would agree to; reads only."""

from dataclasses import dataclass
from typing import Any

from chat.models import Conversation
from core.database import Transaction
from core.identity.callers import Caller
from core.masking import mask_email
from core.services import Core
from core.web import csrf, shelf
from core.web.i18n import NAMES
from support.shopper import minors, news, proof, start
from support.shopper.news import News

TOPICS = ("order", "return", "product", "other")


@dataclass(frozen=True, slots=True)
class Known:
    """The caller and her conversation, as far as there are any."""

    caller: Caller | None
    conversation: Conversation | None
    has_agreed: bool
    email: str | None
    news: News | None = None
    needs_guardian: bool = False


def look(tx: Transaction, core: Core, caller: Caller | None, lang: str = "en", *, now: int) -> Known:
    """What we know of whoever asks."""
    if caller is None:
        return Known(None, None, has_agreed=False, email=None)
    has_agreed = start.has_agreed(tx, core, caller)
    return Known(
        caller,
        start.current(tx, caller, now=now),
        has_agreed,
        mask_email(proof.address_of(tx, core, caller)) if caller.kind == "person" else None,
        news.of(tx, core, caller, lang, has_agreed=has_agreed, now=now),
        minors.needs_guardian(tx, core, caller.ref),
    )


def boot(core: Core, known: Known, *, lang: str, is_framed: bool, now: int) -> dict[str, Any]:  # Any: JSON values
    """The page's `#boot` block."""
    settings, policy = core.settings, core.policy
    notice = policy.notice(lang)
    return {
        **standing(core, known),
        "has_agreed": known.has_agreed,
        "policy": {
            "version": notice.version,
            "title": notice.title,
            "lead": notice.lead,
            "slots": [list(slot) for slot in notice.slots],
            "agree": notice.agree,
            "link": notice.link,
        },
        "now": now,
        "lang": lang,
        "langs": NAMES,
        "shop": settings.shop_name,
        "contact": settings.contact_email,
        "framed": is_framed,
        "hosts": settings.allowed_frames if is_framed else [],
        "limits": {"code_tries": policy.number("code_tries"), "code_digits": policy.number("code_digits")},
    }


def standing(core: Core, known: Known) -> dict[str, Any]:  # Any: JSON values
    """Who she is and where she is, for the first page and after every change of it."""
    caller, conversation = known.caller, known.conversation
    sign_in = caller.sign_in if caller else None
    return {
        "me": _me(caller, known.email) if caller else None,
        "csrf": csrf.token(core.vault, sign_in) if sign_in else "",
        "shelf_key": shelf.key(core.vault, caller.ref) if caller else "",
        "conversation": {"id": conversation.id, "state": conversation.state} if conversation else None,
    }


def _me(caller: Caller, email: str | None) -> dict[str, Any]:  # Any: JSON values
    return {
        "ref": caller.ref,
        "kind": "shopper",
        "name": caller.name,
        "proof": caller.proof,
        "proven_ms": caller.proven_ms,
        "email": email,
    }
