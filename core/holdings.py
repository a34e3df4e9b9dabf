"""Holdings: what each room keeps about people, so that retention, copies and erasure walk a list and know no table.

Danger. A table that nobody declared outlives its period, is missing from the copy a person asked for, or survives
her erasure; and an erasure that stops halfway leaves readable remains.

Principle. Every table is in exactly one holding, or on the short named list of impersonal tables with its reason;
`check` refuses to start otherwise. A holding answers six questions and does two things, all idempotent.

Boundary. Erasing goes in four steps, each a transaction or an outside effect of its own, each repeatable:
`hide` (rows unreachable at once) -> files removed -> keys destroyed -> `erase` (rows deleted). Hidden objects stay
`due` until they are gone, so whatever stopped is finished by the next sweep.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sqlalchemy import MetaData

from core.database import Transaction
from core.policy import Policy
from core.vault.keystore import Vault


class Ref(NamedTuple):
    """One object that a holding keeps: its kind and its id, never content."""

    kind: str
    id: str


@dataclass(frozen=True)
class Due:
    """An object whose period has ended; `subject` is a ref such as `person:<id>`, or `system`."""

    object: Ref
    subject: str
    retention_class: str
    expires_ms: int
    reason: str = "R-4.2.1"


@dataclass(frozen=True)
class Held:
    """An object about one person; `stays` is the rule that forbids erasing it now, and `until_ms` for how long."""

    object: Ref
    stays: str | None = None
    until_ms: int | None = None


@dataclass(frozen=True)
class Record:
    """One line of a person's copy; third persons are already masked in `fields`.

    `thread` groups lines (a conversation's id); a line of a thread carries `from` ("you", "agent", "system"),
    `name` and `text` in its fields, which is how the readable copy draws it.
    """

    section: str
    id: str
    at_ms: int | None
    fields: Mapping[str, object]
    thread: str | None = None


@dataclass(frozen=True)
class CopyFile:
    """One file of a person's copy; `name` is `<attachment id>.<extension>` and `open` yields its plain bytes."""

    name: str
    type: str
    open: Callable[[], AsyncIterator[bytes]]
    label: str = ""


@dataclass(frozen=True)
class Omitted:
    """What a person's copy leaves out: what it is (a code), how many, and the rule that says so."""

    what: str
    count: int
    reason: str = "R-5.1.2a"


@dataclass(frozen=True)
class Copying:
    """What a holding may use while it writes its part of one person's copy."""

    tx: Transaction
    vault: Vault
    policy: Policy
    subject: str
    locale: str

    def pseudonym(self, ref: str) -> str:
        """A short steady name for a member of staff, different in every person's copy."""
        return self.vault.lookup("pseudonym", f"{self.subject}|{ref}").hex()[:4].upper()


Part = Record | CopyFile | Omitted


class DueVerb(Protocol):
    """At most `limit` objects whose period ended by `now`, oldest first, hidden ones that are not yet gone included."""

    def __call__(self, tx: Transaction, policy: Policy, /, *, now: int, limit: int) -> list[Due]: ...


class HideVerb(Protocol):
    """Make objects unreachable for every reader and writer, for ever."""

    def __call__(self, tx: Transaction, refs: Sequence[Ref], /, *, now: int) -> None: ...


class EraseVerb(Protocol):
    """Delete the rows of objects; return how many rows there were."""

    def __call__(self, tx: Transaction, refs: Sequence[Ref], /, *, now: int) -> int: ...


def _no_due(_tx: Transaction, _policy: Policy, *, now: int, limit: int) -> list[Due]:
    return []


def _nothing_of(_tx: Transaction, _policy: Policy, _subject: str) -> list[Held]:
    return []


def _nothing_within(_tx: Transaction, _scopes: Sequence[str]) -> list[Ref]:
    return []


def _nothing_around(_tx: Transaction, _refs: Sequence[Ref]) -> list[str]:
    return []


def _nothing_hidden(_tx: Transaction, _refs: Sequence[Ref], *, now: int) -> None:
    return None


def _no_keys(_tx: Transaction, _refs: Sequence[Ref]) -> list[int]:
    return []


def _no_files(_tx: Transaction, _refs: Sequence[Ref]) -> list[str]:
    return []


async def _no_removal(_names: Sequence[str]) -> None:
    return None


def _nothing_erased(_tx: Transaction, _refs: Sequence[Ref], *, now: int) -> int:
    return 0


def _nothing_to_copy(_copying: Copying) -> Iterator[Part]:
    return iter(())


def _none_live(_tx: Transaction) -> int:
    return 0


@dataclass(frozen=True)
class Holding:
    """What one room keeps about people, under one clause.

    `title` and `clause` are shown to people; `classes` are the retention classes it uses; `kinds` the kinds of its
    refs. The rest are verbs; what a holding does not need keeps its default. `within` answers what lives inside
    objects, and `around` the ids of those objects without whose key its own cannot be read.
    """

    name: str
    title: str
    clause: str
    tables: tuple[str, ...]
    classes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    due: DueVerb = _no_due
    of: Callable[[Transaction, Policy, str], list[Held]] = _nothing_of
    within: Callable[[Transaction, Sequence[str]], list[Ref]] = _nothing_within
    around: Callable[[Transaction, Sequence[Ref]], list[str]] = _nothing_around
    hide: HideVerb = _nothing_hidden
    files: Callable[[Transaction, Sequence[Ref]], list[str]] = _no_files
    remove_files: Callable[[Sequence[str]], Awaitable[None]] = _no_removal
    keys: Callable[[Transaction, Sequence[Ref]], list[int]] = _no_keys
    erase: EraseVerb = _nothing_erased
    export: Callable[[Copying], Iterator[Part]] = _nothing_to_copy
    is_told: bool = True  # False: that something is in it may be a secret from the person whom it is about
    live: Callable[[Transaction], int] = _none_live


class Undeclared(Exception):
    """What people's data would slip through; `faults` says where, one sentence each."""

    def __init__(self, wrong: Sequence[str]) -> None:
        super().__init__("; ".join(wrong))
        self.faults = tuple(wrong)


def check(holdings: Sequence[Holding], metadata: MetaData, impersonal: Mapping[str, str], policy: Policy) -> None:
    """Refuse when a table is undeclared or declared twice, or a holding names what the policy does not know.

    `impersonal` maps a table to the sentence that says why nothing in it is about a person.

    Raises:
        Undeclared: with every fault.
    """
    declared = [table for holding in holdings for table in holding.tables] + list(impersonal)
    wrong = [f"table {table} is in no holding" for table in sorted(set(metadata.tables) - set(declared))]
    wrong += [f"table {table} does not exist" for table in sorted(set(declared) - set(metadata.tables))]
    wrong += [f"table {table} is declared twice" for table in sorted({t for t in declared if declared.count(t) > 1})]
    wrong += [f"table {table} is impersonal without a reason" for table, why in impersonal.items() if not why.strip()]
    for attribute in ("name", "kinds"):
        named = [name for holding in holdings for name in _names(getattr(holding, attribute))]
        wrong += [
            f"{attribute} {name} belongs to two holdings" for name in sorted({n for n in named if named.count(n) > 1})
        ]
    for holding in holdings:
        wrong += [f"holding {holding.name}: no class {name}" for name in holding.classes if name not in policy.classes]
        if holding.clause not in policy.clauses:
            wrong.append(f"holding {holding.name}: no clause {holding.clause}")
    if wrong:
        raise Undeclared(wrong)


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
