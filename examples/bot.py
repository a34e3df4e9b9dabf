"""A bot that answers while the shop is closed: it tells once per conversation when somebody will be there.

It signs in as a member of staff of its own and is given what a browser would hold: the cookie and the token.

    AFTERCARE_URL=https://shop.example AFTERCARE_COOKIE=... AFTERCARE_CSRF=... python examples/bot.py CONVERSATION...
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, time

from chat.client import Client
from chat.lines import Admission

OPENS, CLOSES = time(9), time(18)
SENTENCE = "Thank you for your message. Our team is here from 9:00 to 18:00 and will answer you then."


def is_closed(at: datetime) -> bool:
    """Whether nobody is at work at this local time."""
    return not OPENS <= at.time() < CLOSES


async def answer_after_hours(client: Client, conversation: str, clock: Callable[[], datetime]) -> None:
    """Follow one conversation; a shopper's first message after hours gets an answer, until a colleague has written."""
    was_answered = False
    async for event in client.events(conversation):
        if event.k not in ("message", "media"):
            continue
        if event.from_.kind == "agent":
            was_answered = True
        elif not was_answered and is_closed(clock()):
            await client.send(conversation, SENTENCE)
            was_answered = True


async def main(conversations: Sequence[str]) -> None:
    """Watch the conversations until stopped."""
    admission = Admission("staff", {"__Host-cd": os.environ["AFTERCARE_COOKIE"]}, os.environ["AFTERCARE_CSRF"])
    async with Client(os.environ["AFTERCARE_URL"], admission) as client, asyncio.TaskGroup() as group:
        for conversation in conversations:
            group.create_task(answer_after_hours(client, conversation, lambda: datetime.now().astimezone()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
