"""Views: each conversation as one client sees it, number after number without a gap.

Pure: events in, and out comes what has to be asked for when something is missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chat.lines import Frame
from chat.protocol import PAGE, Ev, Reset, SubOk
from chat.witness import Witness

NO_MARKS = -1


@dataclass
class View:
    """One conversation: the number up to which it is known, and the events.

    `first` and `last` are what the server named when it opened the view. `back_to` is how far before it was asked for:
    an older event that comes without being asked for is one that came before, whether it is still held or not.
    """

    epoch: str | None = None
    cursor: int = 0
    events: list[Ev] = field(default_factory=list)
    is_open: bool = False
    refused: str | None = None
    first: int = 1
    last: int = 0
    marks: int = NO_MARKS
    lagged_at: int | None = None
    asked_upto: int = 0
    back_to: int | None = None

    def lacks(self, number: int) -> bool:
        """Whether it is something older that was asked for and is not here yet."""
        was_asked = self.back_to is not None and self.back_to <= number < self.first
        return was_asked and all(number != event.s for event in self.events)

    def reaches(self, first: int, last: int) -> bool:
        """Whether it holds everything from one number to another."""
        return self.cursor >= last and len(self.events) >= self.cursor - first + 1

    def said(self) -> int:
        """How many messages it holds."""
        return sum(event.k == "message" for event in self.events)


class Views:
    """All conversations that one client follows."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._views: dict[str, View] = {}

    def __getitem__(self, conversation: str) -> View:
        return self._views.setdefault(conversation, View())

    def subscriptions(self) -> dict[str, object]:
        """Where to go on after a reconnection."""
        return {
            conversation: self.place(conversation)
            for conversation, view in self._views.items()
            if view.is_open or (view.epoch is None and view.refused is None)
        }

    def seen(self, conversation: str) -> int | None:
        """Up to which number a conversation that is followed has been seen."""
        view = self._views.get(conversation)
        return view.cursor if view is not None and view.is_open else None

    def place(self, conversation: str) -> Frame:
        """Where we stand in a conversation, as the server wants to be told."""
        view = self[conversation]
        return {"cur": view.cursor, "ep": view.epoch, "marks": view.marks} if view.epoch else {}

    def resume(self, conversation: str, epoch: str, cursor: int) -> None:
        """Go on from where an earlier client stood; the server says `reset` if that is nowhere."""
        view = self[conversation]
        if not view.is_open:
            view.epoch, view.cursor, view.first, view.is_open = epoch, cursor, cursor + 1, True

    def open(self, frame: SubOk | Reset, *, at: float) -> None:
        """The server says where the view begins; when that is where we stand, nothing begins anew."""
        view = self[frame.c]
        first = frame.first if isinstance(frame, SubOk) else frame.last + 1
        view.is_open, view.refused, view.last = True, None, frame.last
        view.marks = frame.marks if isinstance(frame, SubOk) else NO_MARKS
        if isinstance(frame, SubOk) and (view.epoch, view.cursor + 1) == (frame.ep, first):
            return
        view.epoch, view.first, view.cursor, view.events, view.back_to = frame.ep, first, first - 1, [], None
        self._witness.opened(frame.c, frame.ep, first, at)

    def deliver(self, event: Ev, *, at: float) -> Frame | None:
        """Take one event in; the answer asks for what is missing before it, if anything is."""
        view = self[event.c]
        is_older = view.lacks(event.s)
        is_asked = is_older or event.s <= view.asked_upto
        self._witness.received(event, at, asked=is_asked)
        if is_older:
            view.events = sorted([*view.events, event], key=lambda each: each.s)
        elif event.s == view.cursor + 1:
            view.cursor = event.s
            view.events.append(event)
        elif event.s > view.cursor + 1:
            return _question(event.c, view, event.s)
        return None

    def earlier(self, conversation: str, number: int) -> Frame:
        """What to ask for, to have the page before this number."""
        view = self[conversation]
        first = max(1, number - PAGE)
        view.back_to = first if view.back_to is None else min(view.back_to, first)
        return {"t": "get", "c": conversation, "before": number, "limit": PAGE}

    def leave(self, conversation: str) -> None:
        """Follow it no longer; what it holds stays."""
        self[conversation].is_open = False

    def refuse(self, conversation: str, code: str) -> None:
        if not self[conversation].is_open:
            self[conversation].refused = code

    def behind(self, tops: Mapping[str, tuple[str, int]]) -> Iterator[Frame]:
        """The beacon: what to ask for where the server is ahead of us and we have not moved since the last one."""
        for conversation, (_, last) in tops.items():
            view = self._views.get(conversation)
            if view is None or not view.is_open or view.cursor >= last:
                continue
            if view.lagged_at == view.cursor:
                yield _question(conversation, view, last)
            view.lagged_at = view.cursor


def _question(conversation: str, view: View, upto: int) -> Frame:
    """Ask for what lies between; it may then come twice, and the second time is no fault of the server's."""
    view.asked_upto = max(view.asked_upto, upto)
    return {"t": "get", "c": conversation, "from": view.cursor + 1, "to": upto}
