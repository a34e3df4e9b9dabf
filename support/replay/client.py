"""A client of the chat that keeps a journal of everything and can be told to misbehave, for replay and for the tests
that break things.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

from chat import client, lines
from chat.client import Pauses
from chat.lines import Line, Opening, Subscriptions
from chat.outbox import Pending
from support.replay.doors import Admission
from support.replay.journal import Journal

IMPATIENT = Pauses(0.05, 2.0)


class Client(client.Client):
    """One participant and its journal; use as `async with`.

    `url` is the server's public address; `doors`, when given, are where it is really reached, each connection by the
    next one: several processes, or something in between. `way` is `lines.socket` or `lines.polling`.
    """

    admission: Admission

    def __init__(self, url: str, admission: Admission, doors: Sequence[str] = (), way: Opening = lines.socket) -> None:
        self.journal = Journal(admission.ref, "public" if admission.side == "shopper" else "staff")
        self._doors = cycle(doors or (url,))
        self._way = way
        self._may_come = asyncio.Event()
        self._may_come.set()
        super().__init__(
            admission.origin or url, admission, opening=self._by_the_next_door, pauses=IMPATIENT, witness=self.journal
        )

    async def repeat(self, pending: Pending) -> Pending:
        """Send once more what is under way, as an impatient client does."""
        await self._send_all([pending] if pending in self.outbox.everything() else [])
        return pending

    async def post_as(self, conversation: str, text: str, client_id: str) -> Pending:
        """As `post`, under an id that was used before."""
        pending = self.outbox.put(conversation, "message", {"text": text}, client_id)
        await self._send_all([pending])
        return pending

    async def stay_away(self) -> None:
        """Lose the connection and do not come back until told to."""
        self._may_come.clear()
        await self.drop()
        await self.until(lambda: not self.is_connected)

    def come_back(self) -> None:
        """The network is there again."""
        self._may_come.set()

    @asynccontextmanager
    async def _by_the_next_door(
        self, url: str, admission: lines.Admission, subscriptions: Subscriptions, door: str | None = None
    ) -> AsyncIterator[Line]:
        await self._may_come.wait()
        async with self._way(url, admission, subscriptions, door or next(self._doors)) as line:
            yield line
