"""The outbox: what was said and is not acknowledged yet, in its order, with the ids it keeps for ever.

Pure but for the futures that speakers wait for: frames in, frames out, and the time is an argument.
"""

import asyncio
import os
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chat.lines import Frame
from chat.protocol import Ack, Err
from chat.witness import Witness
from core.refusals import Refusal

AGAIN_MS = 100


class Refusing(Refusal):
    """The server refused for good what a client of ours asked; `code` says what."""


@dataclass(eq=False)
class Pending:
    """One message in the outbox."""

    conversation: str
    client_id: str
    kind: str
    body: object
    done: asyncio.Future[int]


class Outbox:
    """Everything of one client that the server has not acknowledged; `put_off` counts why it has to wait."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._pending: list[Pending] = []
        self._again_at: dict[str, float] = {}
        self.put_off: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, conversation: str, kind: str, body: object, name: str | None = None) -> Pending:
        pending = Pending(conversation, name or client_id(), kind, body, asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        return pending

    def frame(self, pending: Pending, *, seen: int | None) -> Frame:
        """The message as it goes onto the wire: `after` is the one before it that is unacknowledged too."""
        same = self.of(pending.conversation)
        at = same.index(pending)
        frame: Frame = {"t": "send", "c": pending.conversation, "m": pending.client_id, "k": pending.kind}
        frame |= {"after": same[at - 1].client_id if at else None, "b": pending.body}
        return frame if seen is None else frame | {"seen": seen}

    def everything(self) -> Sequence[Pending]:
        return tuple(self._pending)

    def of(self, conversation: str) -> Sequence[Pending]:
        return [pending for pending in self._pending if pending.conversation == conversation]

    def acknowledge(self, ack: Ack, *, at: float) -> None:
        self._witness.acked(ack, at)
        for pending in self._named(ack.m):
            self._pending.remove(pending)
            if not pending.done.done():  # whoever waited may have gone
                pending.done.set_result(ack.s)

    def refuse(self, error: Err, *, at: float) -> None:
        """Give up what is refused for good; what may come again waits for its time, with all that follows it."""
        for pending in self._named(str(error.m)):
            if error.retry == "no" and error.code != "stale":
                self._pending.remove(pending)
                self._witness.refused(pending.conversation, pending.client_id, error.code, at)
                if not pending.done.done():
                    pending.done.set_exception(Refusing(error.code, "The server refused the message."))
            else:
                self.put_off[error.code] += 1
                wait_ms = error.retry_ms if isinstance(error.retry_ms, int) else AGAIN_MS
                self._again_at.setdefault(pending.conversation, at + wait_ms / 1000)

    def next_due(self) -> float | None:
        return min(self._again_at.values(), default=None)

    def due(self, now: float) -> list[Pending]:
        """What is to be sent again now; each is named once."""
        ripe = [conversation for conversation, at in self._again_at.items() if at <= now]
        for conversation in ripe:
            del self._again_at[conversation]
        return [pending for conversation in ripe for pending in self.of(conversation)]

    def reconnected(self) -> Sequence[Pending]:
        """The whole outbox: after a reconnection everything goes out again."""
        self._again_at.clear()
        return self.everything()

    def fail(self, code: str) -> None:
        for pending in self._pending:
            if not pending.done.done():
                pending.done.set_exception(Refusing(code, "The connection has ended for good."))

    def _named(self, name: str) -> list[Pending]:
        return [pending for pending in self._pending if pending.client_id == name]


def client_id() -> str:
    """A UUID of version 7 (RFC 9562 section 5.7): its time first, so that ids sort as they were made."""
    stamp = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    noise = bytearray(os.urandom(10))
    noise[0] = 0x70 | noise[0] & 0x0F
    noise[2] = 0x80 | noise[2] & 0x3F
    return str(uuid.UUID(bytes=stamp + bytes(noise)))
