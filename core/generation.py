"""The generation: a number that the data and the keystore both keep, so that data put back from a copy are noticed.

Danger. Old data under a new keystore, served as if nothing had happened: people who were erased stand in it again,
sign-ins that were ended are good again, clients hold numbers of a log that went another way.

Principle. The number rises in the data first and in the keystore after, so healthy data are never behind. It rises at
every start of a server or worker, after every back-up, once a minute, and whenever a process lets go of the data in
good order; so a copy of before a stop is behind from then on, whichever way it is put back. One from the last minute
before a crash is not: whoever goes back so little says so (`distrust`). With its number the keystore remembers how far
the ledger was, so that the gap can be named. Nothing here repairs: a step back stays visible until the restore has been
finished.

Boundary. One transaction in each store, the data's first. A crash in between leaves the data one ahead, which is well.
"""

from dataclasses import replace
from typing import Final

import structlog
from sqlalchemy import Table, select, update
from sqlmodel import Field, SQLModel

from core import clock, ledger
from core.database import Millis, Transaction, insert_ignore, row_lock
from core.services import Core
from core.vault.rows import Anchor

log = structlog.get_logger(__name__)


class Generation(SQLModel, table=True):
    """The one row that says how far the data have come."""

    __tablename__ = "generation"

    id: int = Field(primary_key=True)
    number: int = Field(sa_type=Millis)


GENERATION: Final[Table] = SQLModel.metadata.tables["generation"]


def number(tx: Transaction) -> int:
    """How far the data have come; 0 before the first start."""
    return tx.execute(select(GENERATION.c.number)).scalar() or 0


def reach(tx: Transaction, wanted: int) -> None:
    """Bring the data up to this number."""
    insert_ignore(tx, GENERATION, [{"id": 1, "number": 0}], ["id"])
    tx.execute(update(GENERATION).where(GENERATION.c.number < wanted).values(number=wanted))


async def missed(core: Core) -> Anchor | None:
    """What the keystore knows of data newer than these; None when these are the newest."""
    anchor = await core.vault.anchor()  # first: the data can only have gone on since
    return anchor if await core.database.read(number) < anchor.number else None


async def advance(core: Core) -> bool:
    """The next generation, in both stores; refuses to hide that the data are behind, and says so in the log."""
    known = await core.vault.anchor()
    risen = await core.database.write(_rise, known.number)
    if risen is None:
        log.warning("data_behind_keystore")
        return False
    await core.vault.remember(replace(risen, at_ms=clock.now()))
    return True


async def distrust(core: Core) -> None:
    """These data were put back although their number does not show it: from now on they are behind."""
    known = await core.vault.anchor()
    ahead = max(known.number, await core.database.read(number)) + 1
    await core.vault.remember(replace(known, number=ahead, at_ms=clock.now()))


def _rise(tx: Transaction, at_least: int) -> Anchor | None:
    insert_ignore(tx, GENERATION, [{"id": 1, "number": 0}], ["id"])
    found = tx.execute(row_lock(tx, select(GENERATION.c.number))).scalar_one()
    if found < at_least:
        return None
    tx.execute(update(GENERATION).values(number=found + 1))
    return Anchor(found + 1, 0, *ledger.end(tx))
