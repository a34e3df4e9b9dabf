"""A shopper's own orders as her page shows them, and tying one to her conversation."""

from typing import Any

from chat import conversations
from core.database import Transaction
from core.identity.callers import Caller
from core.refusals import NotFound, NotSignedIn
from core.services import Core
from core.web import i18n
from core.web.i18n import Formats
from support.orders import orders
from support.orders.orders import OrderView
from support.shopper import start

MOST = 50


def read(tx: Transaction, core: Core, caller: Caller, lang: str) -> list[dict[str, Any]]:  # Any: JSON values
    """Her orders, the newest first. Raises: NotSignedIn for a guest, who is shown no order at all (clause 2(2))."""
    if caller.kind != "person":
        raise NotSignedIn("not_proven", "Please confirm your e-mail address first.")
    settings = core.settings
    formats = Formats(lang, settings.time_zone, settings.currency)
    return [told(order, lang, formats) for order in orders.of_person(tx, core.vault, caller.id)[:MOST]]


def link(tx: Transaction, core: Core, caller: Caller, conversation: str, order: str, *, now: int) -> None:
    """Tie one of her orders to her conversation. Raises: NotFound for an order that is not hers."""
    start.require_agreement(tx, core, caller)
    if caller.kind != "person" or not orders.belongs_to(tx, order, caller.id):
        raise NotFound
    number = orders.view(tx, core.vault, order).number
    conversations.link_order(tx, core, caller, conversation, order, number, now=now)


def told(order: OrderView, lang: str, formats: Formats) -> dict[str, Any]:  # Any: JSON values
    """The order in words; nothing of where it went or how it was paid."""
    return {
        "id": order.id,
        "number": order.number,
        "placed_ms": order.placed_ms,
        "status": order.status,
        "status_label": i18n.gettext(lang, order.status_label),
        "total": str(order.total),
        "total_label": formats.money(order.total, order.currency),
        "currency": order.currency,
        "items": [
            {"name": line.name, "quantity": line.quantity, "options": dict(line.options)} for line in order.lines
        ],
    }
