"""Transcripts: events and an audience in, lines that a page or an archive can draw out. Pure: no input, no output.

A line carries what was written and facts; sentences about what happened are the template's, in the reader's language.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chat import audiences
from chat.audiences import Audience, Event
from chat.protocol import Ev


@dataclass(frozen=True, slots=True)
class Line:
    """One event as one side may see it. `attachment` and `facts` hold JSON values (Any)."""

    number: int
    at_ms: int
    kind: str
    side: str
    ref: str
    name: str
    text: str
    attachment: dict[str, Any] | None
    facts: dict[str, Any]

    @property
    def is_said(self) -> bool:
        """Whether a person wrote or sent it, rather than it having happened."""
        return self.kind in audiences.LINE_KINDS


def lines(events: Iterable[Event], audience: Audience) -> list[Line]:
    """The lines of a log for one side, in its numbering; events that are not for it are left out."""
    frames = (audiences.frame(event, audience) for event in events)
    return [_line(frame) for frame in frames if frame is not None]


def _line(frame: Ev) -> Line:
    attachment = frame.b.get("attachment")
    return Line(
        number=frame.s,
        at_ms=frame.ts,
        kind=frame.k,
        side=frame.from_.kind,
        ref=frame.from_.ref,
        name=frame.from_.name,
        text=str(frame.b.get("text") or frame.b.get("comment") or ""),
        attachment=attachment if isinstance(attachment, dict) else None,
        facts={key: value for key, value in frame.b.items() if key not in ("text", "comment", "attachment")},
    )
