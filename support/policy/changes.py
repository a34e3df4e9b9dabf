"""Changes: what differs between two versions of the policy, and whether it reaches further; facts in, facts out.

What a program cannot judge counts as reaching further: new words in a clause about purposes, recipients or what is
collected need consent, even if a lawyer would find them harmless (7(2)).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["added", "removed", "changed"]
Facts = Mapping[str, str]

INNER = (".values.", ".at_most.", ".at_least.")  # what a release may add to a version without a reader noticing
ABOUT_PURPOSES = ("1(", "2(", "4(1)", "notice.purpose", "notice.categories")
ABOUT_RECIPIENTS = ("3(4)", "4(1)7", "4(1)8", "4(1)9", "4(3)", "notice.use")
IN_WORDS = (".text.", ".title.")


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that differs; `where` is its address in the file, such as `5(2)2.text.en`."""

    where: str
    kind: Kind
    before: str
    after: str

    @property
    def clause(self) -> str:
        """The clause or part of the file that it belongs to."""
        return self.where.split(".", 1)[0]


def between(old: Facts, new: Facts) -> list[Change]:
    """Everything that differs, in the order of the new version, what was removed last."""
    found = [_change(where, old.get(where), after) for where, after in new.items() if old.get(where) != after]
    return found + [Change(where, "removed", before, "") for where, before in old.items() if where not in new]


def broken(published: Facts, found: Facts) -> list[str]:
    """Where a published version was edited: something it said is gone, differs, or readers are shown something new."""
    edited = [where for where, said in published.items() if found.get(where) != said]
    added = [where for where in found if where not in published and not any(part in where for part in INNER)]
    return edited + added


def wider(old: Facts, new: Facts) -> list[str]:
    """Why the new version reaches further than the old: each place where it may add a purpose, a recipient or time."""
    return list(dict.fromkeys(_wider(between(old, new))))


def _wider(changes: list[Change]) -> Iterator[str]:
    for change in changes:
        if change.where.startswith("retention.") and change.where.endswith(".days"):
            if change.kind == "added" or (change.kind == "changed" and int(change.after) > int(change.before)):
                yield change.where
        elif change.kind == "removed":
            continue
        elif any(change.where.startswith(about) for about in (*ABOUT_PURPOSES, *ABOUT_RECIPIENTS)):
            if any(part in change.where for part in IN_WORDS) or _lists_more(change):
                yield change.where
        elif change.where.startswith("cookie."):
            yield change.where


def _lists_more(change: Change) -> bool:
    """Whether a list of codes has a code that it had not: values of lists are joined by spaces."""
    return ".values." in change.where and bool(set(change.after.split()) - set(change.before.split()))


def _change(where: str, before: str | None, after: str) -> Change:
    return Change(where, "added" if before is None else "changed", before or "", after)
