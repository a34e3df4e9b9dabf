"""The result: a run of many clients in one line of JSON, kept with each release."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from support.replay.checker import RULES, Logs, Violation, client_ids, first_sent, of
from support.replay.journal import Acked, Connected, Journal, Received, Sent


@dataclass(frozen=True)
class Result:
    """One run, summed up; times in milliseconds."""

    test: str
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
    delivery_p50_ms: float
    delivery_p99_ms: float
    delivery_max_ms: float
    violations: dict[str, int]

    @property
    def is_clean(self) -> bool:
        return not any(self.violations.values())

    def line(self) -> str:
        """One line of JSON."""
        return msgspec.json.encode(self).decode()


def summed_up(
    journals: Sequence[Journal], logs: Logs, violations: Sequence[Violation], *, test: str, seed: int
) -> Result:
    """The run in one line."""
    waits = sorted(_waits(journals))
    journeys = sorted(_journeys(journals, logs))
    broken = Counter(violation.rule for violation in violations)
    return Result(
        test=test,
        seed=seed,
        clients=len(journals),
        conversations=len(logs),
        sent=len({(journal.ref, sent.client_id) for journal in journals for sent in of(journal, Sent)}),
        acked=len({(journal.ref, ack.client_id) for journal in journals for ack in of(journal, Acked)}),
        duplicate_acks=sum(ack.duplicate for journal in journals for ack in of(journal, Acked)),
        deliveries=sum(1 for journal in journals for _ in of(journal, Received)),
        reconnects=sum(max(0, sum(1 for _ in of(journal, Connected)) - 1) for journal in journals),
        ack_p50_ms=_percentile(waits, 0.50),
        ack_p99_ms=_percentile(waits, 0.99),
        ack_max_ms=_percentile(waits, 1.0),
        delivery_p50_ms=_percentile(journeys, 0.50),
        delivery_p99_ms=_percentile(journeys, 0.99),
        delivery_max_ms=_percentile(journeys, 1.0),
        violations={rule: broken[rule] for rule in RULES},
    )


def _waits(journals: Sequence[Journal]) -> Iterator[float]:
    """Milliseconds from the first sending of a message to its first acknowledgement."""
    for journal in journals:
        first: dict[str, float] = {}
        for entry in journal.entries:
            if isinstance(entry, Sent):
                first.setdefault(entry.client_id, entry.at)
            elif isinstance(entry, Acked) and not entry.duplicate and entry.client_id in first:
                yield (entry.at - first[entry.client_id]) * 1000


def _journeys(journals: Sequence[Journal], logs: Logs) -> Iterator[float]:
    """Milliseconds from the first sending of a message until each of the others first holds it."""
    sent = first_sent(journals)
    for journal in journals:
        own = {each.client_id for each in of(journal, Sent)}
        named = client_ids(journal, logs)
        seen: set[str] = set()
        for got in of(journal, Received):
            name = named.get((got.conversation, got.number))
            if name is None or name in own or name in seen or got.asked:
                continue
            seen.add(name)
            if (got.conversation, name) in sent:
                yield (got.at - sent[got.conversation, name]) * 1000


def _percentile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else 0.0
