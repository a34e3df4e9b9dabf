"""The rights desk on a real database: an officer, an agent, and people who ask."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sqlmodel import select

from core import clock, ids, mail
from core.database import Transaction
from core.identity.callers import SYSTEM, Caller, Role
from core.ledger import LedgerEntry
from core.services import Core
from support.rights import proving, requests, steps
from support.rights.models import Channel, Kind, RightsRequest, RightsStep
from support.rights.proving import Proof
from support.rights.requests import Asked, Received
from tests.support.desk.house import shopper

WORDS = "Zwetschgenkuchen, and all that you know of me"
OFFICER = Caller("staff", ids.new(), role=Role.PRIVACY_OFFICER, name="Rosa", sign_in=ids.new(), proof="password_totp")
AGENT = Caller("staff", ids.new(), role=Role.AGENT, team="care", name="Mei", sign_in=ids.new(), proof="password_totp")
NOW = 1_795_400_000_000  # 23 November 2026, 11:33 in Taipei


@dataclass(frozen=True)
class Person:
    """Somebody with a proven address."""

    caller: Caller
    email: str


@pytest.fixture
async def ann(core: Core) -> Person:
    """Somebody who signed in a moment ago."""
    made = await shopper(core, "ann@example.com", "Ann Lee")
    return Person(Caller("person", made.id, name="A** L.", proof="email_code", proven_ms=NOW), "ann@example.com")


async def asks(
    core: Core, person: Person, kind: Kind = Kind.COPY, words: str = WORDS, *, now: int = NOW, locale: str = "en"
) -> Received:
    """The person asks on her own page."""
    asked = Asked(kind, Channel.MY_DATA, person.caller.ref, words, locale)
    return await requests.take(core, person.caller, asked, now=now)


async def begun(core: Core, person: Person, kind: Kind = Kind.COPY, *, now: int = NOW) -> str:
    """A request whose work has begun."""
    received = await asks(core, person, kind, now=now)
    await core.database.write(proving.prove_identity, core, SYSTEM, received.id, Proof("order_knowledge"), now=now)
    later = now + 2 * clock.DAY if kind is Kind.DELETE else now
    await core.database.write(requests.begin, core, OFFICER, received.id, now=later)
    return received.id


async def row(core: Core, request_id: str) -> RightsRequest:
    """The request as it stands."""

    def look(tx: Transaction) -> RightsRequest:
        found = steps.find(tx, request_id)
        tx.session.expunge(found)
        return found

    return await core.database.read(look)


async def verbs(core: Core, request_id: str) -> list[str]:
    """What was done with it, in order."""

    def look(tx: Transaction) -> list[str]:
        return [step.verb for step in steps.all_of(tx, request_id)]

    return await core.database.read(look)


async def notes(core: Core, request_id: str) -> list[str]:
    """What was written with its steps."""

    def look(tx: Transaction) -> list[str]:
        found = steps.find(tx, request_id)
        return [steps.note_of(core, found, step) for step in steps.all_of(tx, request_id)]

    return await core.database.read(look)


async def letters(core: Core, *, now: int = NOW) -> list[mail.Letter]:
    """The letters of the mailbox page, oldest first."""
    return sorted(await core.database.read(mail.kept, core, now=now), key=lambda letter: letter.created_ms)


async def entries(core: Core, request_id: str) -> Sequence[tuple[str, str | None, str]]:
    """What the ledger says of it: action, reason, result."""

    def look(tx: Transaction) -> list[tuple[str, str | None, str]]:
        found = tx.session.exec(select(LedgerEntry).where(LedgerEntry.object_id == request_id).order_by("seq"))
        return [(entry.action, entry.reason, entry.result) for entry in found]

    return await core.database.read(look)


async def count(core: Core) -> tuple[int, int]:
    """How many requests and steps there are."""

    def look(tx: Transaction) -> tuple[int, int]:
        return len(list(tx.session.exec(select(RightsRequest)))), len(list(tx.session.exec(select(RightsStep))))

    return await core.database.read(look)
