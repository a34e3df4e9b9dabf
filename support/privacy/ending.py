"""Ending: how objects of any holding go, in four steps that can each be repeated.

Danger. Rows deleted before their file leave a file that nobody can name; a key destroyed before its object is hidden
takes a message that is just being written; a stop halfway leaves something that looks alive and cannot be read.

Principle. Hide, remove files, destroy keys, delete rows, in this order. Each step finds its work from what is still
there, so a second run after any stop ends in the same state. What a hold keeps is hidden with the rest and stays.

Boundary. Choosing, asking the holds and hiding is one transaction, deleting the rows another; files and keys are
outside effects between the two, and repeating them is harmless.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core.database import Transaction
from core.holdings import Holding, Ref
from core.policy import Policy
from core.services import Core
from support.privacy import keeping

Chosen = Mapping[str, Sequence[Ref]]


@dataclass(frozen=True)
class Doomed:
    """What goes: refs and files by the name of their holding, and keys; and what stays, because it is held.

    All of it is hidden already.
    """

    refs: Mapping[str, Sequence[Ref]] = field(default_factory=dict)
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keys: Sequence[int] = ()
    spared: Mapping[str, Sequence[Ref]] = field(default_factory=dict)

    @property
    def objects(self) -> int:
        """How many objects."""
        return sum(len(refs) for refs in self.refs.values())


@dataclass(frozen=True)
class Ended:
    """How much is gone."""

    objects: int = 0
    rows: int = 0
    keys: int = 0
    files: int = 0

    def __add__(self, other: "Ended") -> "Ended":
        return Ended(
            self.objects + other.objects, self.rows + other.rows, self.keys + other.keys, self.files + other.files
        )

    @property
    def code(self) -> str:
        """For the ledger: `objects-2.rows-2.keys-1.files-0`."""
        return f"objects-{self.objects}.rows-{self.rows}.keys-{self.keys}.files-{self.files}"


async def end(
    core: Core, holdings: Sequence[Holding], choose: Callable[[Transaction], Chosen], *, reason: str, now: int
) -> tuple[Doomed, Ended]:
    """End what `choose` finds, and what lives inside it; `reason` is a rule's name, kept with each tombstone."""
    doomed = await core.database.write(_hide, core.policy, holdings, choose, now=now)
    for holding in holdings:
        if names := doomed.files.get(holding.name):
            await holding.remove_files(names)
    keys = await core.vault.destroy(doomed.keys, reason=reason) if doomed.keys else 0
    rows = await core.database.write(_erase, holdings, doomed, now=now)
    files = sum(len(names) for names in doomed.files.values())
    return doomed, Ended(doomed.objects, rows, keys, files)


def with_what_is_inside(tx: Transaction, holdings: Sequence[Holding], chosen: Chosen) -> dict[str, list[Ref]]:
    """The chosen objects and, from every holding, those that live inside them."""
    scopes = [ref.id for refs in chosen.values() for ref in refs]
    inside = {holding.name: holding.within(tx, scopes) if scopes else [] for holding in holdings}
    both = {name: list(dict.fromkeys([*chosen.get(name, ()), *refs])) for name, refs in inside.items()}
    return {name: refs for name, refs in both.items() if refs}


def _hide(
    tx: Transaction, policy: Policy, holdings: Sequence[Holding], choose: Callable[[Transaction], Chosen], *, now: int
) -> Doomed:
    keeping.lock(tx)
    refs = with_what_is_inside(tx, holdings, choose(tx))
    spared = keeping.kept(tx, holdings, policy) if refs else {}
    going = {name: rest for name, found in refs.items() if (rest := [ref for ref in found if ref.id not in spared])}
    stays = {name: rest for name, found in refs.items() if (rest := [ref for ref in found if ref.id in spared])}
    named = {holding.name: holding for holding in holdings}
    files = {name: named[name].files(tx, found) for name, found in going.items()}
    keys = [key for name, found in going.items() for key in named[name].keys(tx, found)]
    for name, found in refs.items():
        named[name].hide(tx, found, now=now)
    keeping.doom(tx, [ref for found in going.values() for ref in found], now=now)
    return Doomed(going, files, keys, stays)


def _erase(tx: Transaction, holdings: Sequence[Holding], doomed: Doomed, *, now: int) -> int:
    gone = sum(holding.erase(tx, refs, now=now) for holding in holdings if (refs := doomed.refs.get(holding.name)))
    keeping.undoom(tx, [ref for refs in doomed.refs.values() for ref in refs])
    return gone
