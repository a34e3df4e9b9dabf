"""What a client can be watched doing: everything that happens to it, told before it has an effect.

Times are seconds of a monotonic clock. A bot needs none of it; replay and the chaos tests keep a journal.
"""

from chat.protocol import Ack, Ev


class Witness:
    """Looks away; inherit and override what is of interest."""

    def sent(self, conversation: str, client_id: str, at: float) -> None:
        """A message goes onto the wire, for the first time or again."""

    def acked(self, ack: Ack, at: float) -> None:
        """The server says that it has the message."""

    def refused(self, conversation: str, client_id: str, code: str, at: float) -> None:
        """The server will never take this message."""

    def opened(self, conversation: str, epoch: str, first: int, at: float) -> None:
        """A view begins, or begins anew, in front of this number."""

    def received(self, event: Ev, at: float, *, asked: bool) -> None:
        """An event was delivered; `asked` when the client had asked for this very stretch."""

    def connected(self, at: float) -> None:
        """The server has welcomed us."""

    def lost(self, at: float) -> None:
        """The connection ended without being asked to."""
