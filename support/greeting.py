"""The greeting: what the operator reads when the server has started."""

import sys
from collections.abc import Awaitable, Callable

from core import clock
from core.identity import first_administrator
from core.settings import Settings
from support import demo
from support.house import House

Greeting = Callable[[House], Awaitable[None]]


def of(settings: Settings, *, with_demo: bool) -> Greeting:
    """Load the demo shop when asked, then say where everything is."""

    async def greet(house: House) -> None:
        now = clock.now()
        if with_demo:
            await demo.load(house.core, now=now)
        token = await house.core.database.write(first_administrator.offer, now=now)
        _say(settings, token, has_demo=with_demo)
        for caution in house.core.vault.cautions:
            _line("Caution:", caution)

    return greet


def _say(settings: Settings, token: str | None, *, has_demo: bool) -> None:
    url = settings.public_url
    print(f"\nAftercare serves {settings.shop_name}\n", file=sys.stderr)
    if has_demo:
        _line("Demo shop with the chat widget", f"{url}/demo/shop")
    _line("Chat on a page of its own", f"{url}/chat")
    _line("Support console", f"{url}/desk")
    _line("Review pages", f"{url}/review")
    if not settings.is_production:
        _line("Mailbox (letters, demo staff and their codes)", f"{url}/demo/mailbox")
    if token:
        _line("First administrator (once, within 15 minutes)", f"{url}/admin/start#{token}")
    print("\nStop with Ctrl+C.\n", file=sys.stderr, flush=True)


def _line(label: str, value: str) -> None:
    print(f"  {label:<46} {value}", file=sys.stderr, flush=True)
