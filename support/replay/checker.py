"""The checker: from the journals of all clients and the final log, which promises were broken.

The promises are numbered: C1 acknowledged means stored, C2 once, C3 dense numbers, C4
everyone sees the log, C5 delivered in sequence, C6 a sender's own order, C7 acknowledged before sent means earlier,
C8 an acknowledgement never changes, C9 what was not acknowledged is absent or there once, C10 internal stays
internal, C12 nothing is left over. All functions are pure; a finding names a rule, a conversation and a number,
never a text.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import msgspec

from chat.audiences import STAFF_ONLY_KINDS
from chat.protocol import Ev
from support.replay.journal import Acked, Connected, Journal, Logged, Opened, Received, Sent

RULES = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C12")
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


@dataclass(frozen=True)
class Footprint:
    """What a server process holds on to."""

    connections: int
    files: int


@dataclass(frozen=True)
class Result:
    """One run, summed up."""

    seed: int
    clients: int
    conversations: int
    sent: int
    acked: int
    duplicate_acks: int
    deliveries: int
    reconnects: int
    ack_p50_ms: float
    ack_p99_ms: float
    ack_max_ms: float
    violations: dict[str, int]

    @property
    def is_clean(self) -> bool:
        return not any(self.violations.values())

    def line(self) -> str:
        """One line of JSON, kept with each release."""
        return msgspec.json.encode(self).decode()


def check(journals: Sequence[Journal], logs: Logs) -> list[Violation]:
    """Every broken promise of a run that has come to rest."""
    found: list[Violation] = []
    for conversation, log in logs.items():
        found += numbers(conversation, log)
        found += real_time(conversation, log, journals)
    for journal in journals:
        found += acknowledgements(journal, logs)
        found += deliveries(journal, logs)
        found += own_order(journal, logs)
    return found


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
    for ack in _of(journal, Acked):
        answers[ack.conversation, ack.client_id].add(ack.number)
    for (conversation, client_id), given in answers.items():
        if len(given) > 1:
            yield Violation("C8", conversation, f"acknowledged as {sorted(given)}")
        stored = {_number(journal, event) for event in logs.get(conversation, ()) if event.client_id == client_id}
        if not given <= stored:
            yield Violation("C1", conversation, f"acknowledged as {sorted(given)} but stored as {_listed(stored)}")
    unanswered = {(sent.conversation, sent.client_id) for sent in _of(journal, Sent)} - answers.keys()
    for conversation, client_id in unanswered:
        if sum(event.client_id == client_id for event in logs.get(conversation, ())) > 1:
            yield Violation("C9", conversation, "an unacknowledged message is there more than once")


def deliveries(journal: Journal, logs: Logs) -> Iterator[Violation]:
    """C4 every delivery is the log's own event and the last one its end, C5 in sequence, C10 nothing internal."""
    cursors: dict[str, int] = {}
    for entry in journal.entries:
        if isinstance(entry, Opened):
            cursors[entry.conversation] = entry.first - 1
        elif isinstance(entry, Received):
            yield from _delivery(journal, entry, cursors, logs.get(entry.conversation, ()))
    for conversation, cursor in cursors.items():
        last = max((_number(journal, event) or 0 for event in logs.get(conversation, ())), default=0)
        if cursor != last:
            yield Violation("C4", conversation, f"the view ends at {cursor} and the log at {last}")


def own_order(journal: Journal, logs: Logs) -> Iterator[Violation]:
    """C6: what one outbox sent first comes first."""
    first_sent: dict[str, dict[str, None]] = defaultdict(dict)
    for sent in _of(journal, Sent):
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


def left_over(before: Footprint, after: Footprint, *, slack_files: int = 8) -> Iterator[Violation]:
    """C12: with everybody gone the server holds no connection, and few more files than it did."""
    if after.connections > before.connections:
        yield Violation("C12", "", f"{after.connections - before.connections} connections are left")
    if after.files > before.files + slack_files:
        yield Violation("C12", "", f"{after.files - before.files} files are left open")


def summed_up(journals: Sequence[Journal], logs: Logs, violations: Sequence[Violation], *, seed: int) -> Result:
    """The run in one line."""
    waits = sorted(_waits(journals))
    broken = Counter(violation.rule for violation in violations)
    return Result(
        seed=seed,
        clients=len(journals),
        conversations=len(logs),
        sent=len({(journal.ref, sent.client_id) for journal in journals for sent in _of(journal, Sent)}),
        acked=len({(journal.ref, ack.client_id) for journal in journals for ack in _of(journal, Acked)}),
        duplicate_acks=sum(ack.duplicate for journal in journals for ack in _of(journal, Acked)),
        deliveries=sum(1 for journal in journals for _ in _of(journal, Received)),
        reconnects=sum(max(0, sum(1 for _ in _of(journal, Connected)) - 1) for journal in journals),
        ack_p50_ms=_percentile(waits, 0.50),
        ack_p99_ms=_percentile(waits, 0.99),
        ack_max_ms=_percentile(waits, 1.0),
        violations={rule: broken[rule] for rule in RULES},
    )


def _delivery(journal: Journal, got: Received, cursors: dict[str, int], log: Log) -> Iterator[Violation]:
    cursor = cursors.get(got.conversation, 0)
    event = next((each for each in log if _number(journal, each) == got.number), None)
    if got.number != cursor + 1 and not got.asked:
        yield Violation("C5", got.conversation, f"{got.number} was delivered after {cursor}")
    if event is None or _face(journal, event) != got.fingerprint:
        yield Violation("C4", got.conversation, f"what was delivered as {got.number} is not in the log there")
    if journal.audience == "public" and got.kind in INTERNAL_KINDS:
        yield Violation("C10", got.conversation, f"an internal event was delivered as {got.number}")
    cursors[got.conversation] = max(cursor, got.number)


def _number(journal: Journal, event: Logged) -> int | None:
    return event.pub if journal.audience == "public" else event.seq


def _face(journal: Journal, event: Logged) -> str | None:
    return event.public if journal.audience == "public" else event.staff


def _of(journal: Journal, kind: type[E]) -> Iterator[E]:
    return (entry for entry in journal.entries if isinstance(entry, kind))


def _waits(journals: Sequence[Journal]) -> Iterator[float]:
    """Milliseconds from the first sending of a message to its first acknowledgement."""
    for journal in journals:
        first: dict[str, float] = {}
        for entry in journal.entries:
            if isinstance(entry, Sent):
                first.setdefault(entry.client_id, entry.at)
            elif isinstance(entry, Acked) and not entry.duplicate and entry.client_id in first:
                yield (entry.at - first[entry.client_id]) * 1000


def _words(event: Ev) -> object:
    """What both sides see alike; the rest of a body may be written for one side."""
    return event.b.get("text")


def _percentile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else 0.0


def _listed(numbers: Iterable[int | None]) -> str:
    return ", ".join(sorted(str(number) for number in numbers)) or "nothing"
