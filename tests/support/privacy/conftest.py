"""A whole house on real files, and a shopper with a conversation, a picture and an agreement."""

import io
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from PIL import Image

from chat import conversations, log
from chat.log import Ack, Draft
from chat.models import Conversation
from core import ids, ledger
from core.database import Transaction
from core.identity import acknowledgements, people
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller, Role
from core.settings import Settings
from support.house import House, opened

NOW = 1_795_400_000_000
CANARY = "Zwetschgenkuchen"


@dataclass(frozen=True)
class Shopper:
    """Somebody who wrote to us."""

    caller: Caller
    email: str
    conversation: Conversation
    attachment: str


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Everything open, on files of this test's own."""
    settings = Settings(data=tmp_path / "var", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")
    async with opened(settings) as whole:
        yield whole


async def conversation_of(house: House, owner: Caller, *words: str, now: int = NOW) -> Conversation:
    """A conversation in which its owner said these words."""
    fresh = await conversations.prepare(house.core, owner.ref)
    row = await house.core.database.write(
        conversations.open_, house.core, owner, fresh, topic="A late parcel", locale="en", now=now
    )
    drafts = [Draft(row.id, owner, str(uuid.uuid4()), "message", {"text": text}) for text in words]
    await said(house, drafts, now=now)
    return row


async def said(house: House, drafts: list[Draft], *, now: int) -> None:
    """Append the drafts; all must be accepted."""
    for draft in drafts:
        (outcome,) = await house.core.database.write(log.append_batch, house.core, [draft], now=now)
        assert isinstance(outcome, Ack), outcome


def visitor() -> Caller:
    """A guest."""
    return Caller("visitor", ids.new(), name="Visitor 7F2A", sign_in=ids.new())


async def shopper(house: House, email: str, words: str = CANARY, *, now: int = NOW) -> Shopper:
    """A person with an agreement, a conversation, a picture in it, an internal note about her, and a reading of it."""
    core = house.core
    person = await people.enrol(core, email, name="王小明", now=now)
    caller = Caller("person", person.id, name="王小明", sign_in=ids.new(), proof="email_code", proven_ms=now)
    shown = Shown(core.policy.version, core.policy.sha256, "en", "chat", now)
    await core.database.write(acknowledgements.record, caller.ref, shown, now=now)
    row = await conversation_of(house, caller, words, now=now)
    key = core.vault.key(row.dek_id, scope=row.id, owner=caller.ref)
    picture = await house.media.receive(
        _stream(_picture()),
        upload_id=ids.new(),
        scope=row.id,
        key=key,
        uploader=caller.ref,
        declared_name="kitchen.png",
        declared_size=None,
        now=now,
    )

    def claiming(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:
        facts = house.media.claim(tx, picture.id, scope=row.id, uploader=caller.ref, now=now)
        return body | {"attachment": facts}

    agent = Caller("staff", ids.new(), role=Role.AGENT, name="Benedikta", sign_in=ids.new(), proof="password_totp")
    sent = {"attachment": picture.id}
    drafts = [
        Draft(row.id, caller, str(uuid.uuid4()), "media", sent, prepare=claiming),
        Draft(row.id, agent, str(uuid.uuid4()), "message", {"text": "We look into it."}),
        Draft(row.id, agent, str(uuid.uuid4()), "note", {"text": "internal: difficult"}),
    ]
    await said(house, drafts, now=now)
    await core.database.write(_looked_at, agent, person.id, now=now)
    return Shopper(caller, email, row, picture.id)


def _looked_at(tx: Transaction, agent: Caller, person: str, *, now: int) -> None:
    about = ("person", person)
    ledger.append(tx, caller=agent, action="customer.view", object=about, purpose="P2_CONTRACT_AFTERSALES", now=now)


async def _stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), (180, 60, 20)).save(made, "PNG")
    return made.getvalue()
