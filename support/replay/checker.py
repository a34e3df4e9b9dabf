"""The checker: from the journals of all clients and the final log, which promises were broken.

The promises are numbered: C1 acknowledged means stored, C2 once, C3 dense numbers, C4 everyone sees the log and saw a
beginning of it at every moment, C5 delivered in sequence, C6 a sender's own order, C7 acknowledged before sent means
earlier, C8 an acknowledgement never changes, C9 what was not acknowledged is absent or there once, C10 internal stays
internal, C11 erased stays erased, C12 nothing is left over. All functions are pure; a finding names a rule, a
conversation and a number, never a text.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from chat.audiences import STAFF_ONLY_KINDS
from chat.protocol import FAR, Ev
from support.replay.journal import Acked, Connected, Journal, Logged, Lost, Opened, Received, Sent

RULES = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "C12")
INTERNAL_KINDS = STAFF_ONLY_KINDS

Log = Sequence[Logged]
Logs = Mapping[str, Log]
E = TypeVar("E")


@dataclass(frozen=True)
class Violation:
    """A broken promise and where it broke."""

    rule: str
    conversation: str
    what: str


def check(journals: Sequence[Journal], logs: Logs, epochs: Mapping[str, str] | None = None) -> list[Violation]:
    """Every broken promise of a run that has come to rest.

    `epochs` names the last epoch of conversations whose log was put back: what a client was told in an earlier one
    is said about a log that is no more.
    """
    journals = [since(journal, epochs or {}) for journal in journals]
    found: list[Violation] = []
    for conversation, log in logs.items():
        found += numbers(conversation, log)
        found += real_time(conversation, log, journals)
    for journal in journals:
        found += acknowledgements(journal, logs)
        found += deliveries(journal, logs)
        found += prefixes(journal)
        found += own_order(journal, logs)
    found += before_sent(journals, logs)
    return found


def since(journal: Journal, epochs: Mapping[str, str]) -> Journal:
    """The journal without what happened to it before each conversation's last epoch began for it."""
    begins = {
        entry.conversation: place
        for place, entry in reversed(list(enumerate(journal.entries)))
        if isinstance(entry, Opened) and epochs.get(entry.conversation) == entry.epoch
    }
    kept = [
        entry
        for place, entry in enumerate(journal.entries)
        if isinstance(entry, Connected | Lost) or place >= begins.get(entry.conversation, 0)
    ]
    return replace(journal, entries=kept)


def numbers(conversation: str, log: Log) -> Iterator[Violation]:
    """C2 and C9: no id twice. C3: both countings are dense. C10: internal events have no public number."""
    ids = Counter(event.client_id for event in log if event.client_id)
    yield from (Violation("C2", conversation, f"{count} times the same id") for count in ids.values() if count > 1)
    if [event.seq for event in log] != list(range(1, len(log) + 1)):
        yield Violation("C3", conversation, "seq is not dense")
    public = [event.pub for event in log if event.pub is not None]
    if public != list(range(1, len(public) + 1)):
        yield Violation("C3", conversation, "pub_seq is not dense")
    if any(event.kind in INTERNAL_KINDS and event.pub is not None for event in log):
        yield Violation("C10", conversation, "an internal event has a public number")


def acknowledgements(journal: Journal, logs: Logs) -> Iterator[Violation]:
    """C1 stored where acknowledged, C8 always the same answer, C9 not acknowledged means at most once."""
    answers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for ack in of(journal, Acked):
        answers[ack.conversation, ack.client_id].add(ack.number)
    for (conversation, client_id), given in answers.items():
        if len(given) > 1:
            yield Violation("C8", conversation, f"acknowledged as {sorted(given)}")
        stored = {_number(journal, event) for event in logs.get(conversation, ()) if event.client_id == client_id}
        if not given <= stored:
            yield Violation("C1", conversation, f"acknowledged as {sorted(given)} but stored as {_listed(stored)}")
    unanswered = {(sent.conversation, sent.client_id) for sent in of(journal, Sent)} - answers.keys()
    for conversation, client_id in unanswered:
        if sum(event.client_id == client_id for event in logs.get(conversation, ())) > 1:
            yield Violation("C9", conversation, "an unacknowledged message is there more than once")


def deliveries(journal: Journal, logs: Logs) -> Iterator[Violation]:
    """C4 every delivery is the log's own event and the last one its end, C5 in sequence, C10 nothing internal."""
    faces = _faces(journal, logs)
    cursors: dict[str, int] = {}
    for entry in journal.entries:
        if isinstance(entry, Opened):
            cursors[entry.conversation] = entry.first - 1
        elif isinstance(entry, Received):
            yield from _delivery(journal, entry, cursors, faces.get(entry.conversation, {}))
    for conversation, cursor in cursors.items():
        last = max(faces.get(conversation, {}), default=0)
        if cursor != last:
            yield Violation("C4", conversation, f"the view ends at {cursor} and the log at {last}")


def prefixes(journal: Journal) -> Iterator[Violation]:
    """C4 at every moment: within one epoch nobody is made to skip a part of the log, unless it was far behind."""
    ends: dict[tuple[str, str], int] = {}
    epochs: dict[str, str] = {}
    for entry in journal.entries:
        if isinstance(entry, Opened):
            place = entry.conversation, entry.epoch
            epochs[entry.conversation] = entry.epoch
            skipped = entry.first - 1 - ends.get(place, entry.first - 1)
            if 0 < skipped <= FAR:
                yield Violation("C4", entry.conversation, f"{skipped} events before {entry.first} were skipped")
            ends[place] = entry.first - 1
        elif isinstance(entry, Received):
            place = entry.conversation, epochs.get(entry.conversation, "")
            ends[place] = max(entry.number, ends.get(place, 0))


def before_sent(journals: Sequence[Journal], logs: Logs) -> Iterator[Violation]:
    """C4: nobody holds a message that has not been sent yet."""
    sent = first_sent(journals)
    for journal in journals:
        named = client_ids(journal, logs)
        for got in of(journal, Received):
            at = sent.get((got.conversation, named.get((got.conversation, got.number), "")))
            if at is not None and got.at < at:
                yield Violation("C4", got.conversation, f"{got.number} was there before it was sent")


def own_order(journal: Journal, logs: Logs) -> Iterator[Violation]:
    """C6: what one outbox sent first comes first."""
    first_sent: dict[str, dict[str, None]] = defaultdict(dict)
    for sent in of(journal, Sent):
        first_sent[sent.conversation].setdefault(sent.client_id)
    for conversation, client_ids in first_sent.items():
        place = {event.client_id: event.seq for event in logs.get(conversation, ())}
        places = [place[client_id] for client_id in client_ids if client_id in place]
        yield from (
            Violation("C6", conversation, f"{later} was sent before {earlier}")
            for later, earlier in pairwise(places)
            if later > earlier
        )


def real_time(conversation: str, log: Log, journals: Iterable[Journal]) -> Iterator[Violation]:
    """C7: a message acknowledged before another was first sent, by whomever, has the lower number."""
    place = {event.client_id: event.seq for event in log if event.client_id}
    sent: dict[str, float] = {}
    acked: dict[str, float] = {}
    for journal in journals:
        for entry in journal.entries:
            if isinstance(entry, Sent | Acked) and entry.conversation == conversation and entry.client_id in place:
                times = sent if isinstance(entry, Sent) else acked
                times.setdefault(entry.client_id, entry.at)
    answered = sorted((at, place[client_id]) for client_id, at in acked.items())
    highest, next_answer = 0, 0
    for at, client_id in sorted((at, client_id) for client_id, at in sent.items()):
        while next_answer < len(answered) and answered[next_answer][0] < at:
            highest = max(highest, answered[next_answer][1])
            next_answer += 1
        if place[client_id] < highest:
            yield Violation("C7", conversation, f"{place[client_id]} was sent after {highest} had been acknowledged")


def same_story(conversation: str, public: Sequence[Ev], staff: Sequence[Ev]) -> Iterator[Violation]:
    """C4 across the sides: what customers see is what staff see, less what is internal."""
    theirs = [(event.k, _words(event)) for event in public]
    ours = [(event.k, _words(event)) for event in staff if event.k not in INTERNAL_KINDS]
    if theirs != ours:
        yield Violation("C4", conversation, f"{len(theirs)} events on one side are not the {len(ours)} on the other")


def _delivery(
    journal: Journal, got: Received, cursors: dict[str, int], faces: Mapping[int, str]
) -> Iterator[Violation]:
    cursor = cursors.get(got.conversation, 0)
    if got.number != cursor + 1 and not got.asked:
        yield Violation("C5", got.conversation, f"{got.number} was delivered after {cursor}")
    if faces.get(got.number) != got.fingerprint:
        yield Violation("C4", got.conversation, f"what was delivered as {got.number} is not in the log there")
    if journal.audience == "public" and got.kind in INTERNAL_KINDS:
        yield Violation("C10", got.conversation, f"an internal event was delivered as {got.number}")
    cursors[got.conversation] = max(cursor, got.number)


def _number(journal: Journal, event: Logged) -> int | None:
    return event.pub if journal.audience == "public" else event.seq


def _face(journal: Journal, event: Logged) -> str | None:
    return event.public if journal.audience == "public" else event.staff


def _faces(journal: Journal, logs: Logs) -> dict[str, dict[int, str]]:
    """Of every conversation what this side must see at each of its numbers."""
    return {
        conversation: {
            number: face
            for event in log
            if (number := _number(journal, event)) is not None and (face := _face(journal, event)) is not None
        }
        for conversation, log in logs.items()
    }


def client_ids(journal: Journal, logs: Logs) -> dict[tuple[str, int], str]:
    """Which message each of this side's numbers is."""
    return {
        (conversation, number): event.client_id
        for conversation, log in logs.items()
        for event in log
        if event.client_id and (number := _number(journal, event)) is not None
    }


def first_sent(journals: Iterable[Journal]) -> dict[tuple[str, str], float]:
    first: dict[tuple[str, str], float] = {}
    for journal in journals:
        for sent in of(journal, Sent):
            name = sent.conversation, sent.client_id
            first[name] = min(sent.at, first.get(name, sent.at))
    return first


def of(journal: Journal, kind: type[E]) -> Iterator[E]:
    return (entry for entry in journal.entries if isinstance(entry, kind))


def _words(event: Ev) -> object:
    """What both sides see alike; the rest of a body may be written for one side."""
    return event.b.get("text")


def _listed(numbers: Iterable[int | None]) -> str:
    return ", ".join(sorted(str(number) for number in numbers)) or "nothing"
