"""A client of the chat that keeps a journal of everything, for replay and for the tests that break things."""

from chat import client, lines
from chat.client import Pauses
from chat.lines import Opening
from support.replay.doors import Admission
from support.replay.journal import Journal

IMPATIENT = Pauses(0.05, 2.0)


class Client(client.Client):
    """One participant and its journal; use as `async with`."""

    admission: Admission

    def __init__(self, url: str, admission: Admission, opening: Opening = lines.socket) -> None:
        self.journal = Journal(admission.ref, "public" if admission.side == "shopper" else "staff")
        super().__init__(url, admission, opening=opening, pauses=IMPATIENT, witness=self.journal)
