"""A core on a real database and a real vault, and the people of a small shop."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from chat import conversations, log
from chat.batches import Batches, settling
from chat.log import Ack, Draft
from chat.models import Conversation
from core import ids
from core.identity.callers import Caller, Role
from core.services import Core
from core.settings import Settings

NOW = 1_795_500_000_000  # 24 November 2026


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A development machine; people here may write as fast as they like."""
    return Settings(data=tmp_path / "var", public_url="http://localhost:8000", message_rate=1_000, message_burst=1_000)


def visitor() -> Caller:
    """A guest in a browser of her own."""
    guest = ids.new()
    return Caller("visitor", guest, name=f"Visitor {guest[:4].upper()}", sign_in=ids.new())


def person(name: str = "王小明") -> Caller:
    """Somebody whose address is proven."""
    return Caller("person", ids.new(), name=name, sign_in=ids.new(), proof="email_code", proven_ms=NOW)


def agent(name: str = "Ben", team: str | None = None, role: Role = Role.AGENT) -> Caller:
    """A member of staff with the agreement in force."""
    return Caller("staff", ids.new(), role=role, team=team, name=name, sign_in=ids.new(), proof="password_totp")


async def opened(core: Core, owner: Caller, topic: str | None = "A late parcel") -> Conversation:
    """A conversation of this shopper's."""
    fresh = await conversations.prepare(core, owner.ref)
    return await core.database.write(conversations.open_, core, owner, fresh, topic=topic, locale="en", now=NOW)


def draft(
    conversation: Conversation, sender: Caller, text: str = "Hello", kind: str = "message", **fields: Any
) -> Draft:  # Any: the other fields of a draft
    """Something this sender writes."""
    name = fields.pop("client_id", None) or str(uuid.uuid4())
    return Draft(conversation.id, sender, name, kind, {"text": text}, **fields)


async def said(core: Core, *drafts: Draft, now: int = NOW + 1) -> list[Ack]:
    """Append the drafts as one batch; all must be accepted."""
    outcomes = await core.database.write(log.append_batch, core, drafts, now=now)
    acks = [outcome for outcome in outcomes if isinstance(outcome, Ack)]
    assert len(acks) == len(drafts), outcomes
    return acks


def queued(batches: Batches, draft: Draft) -> "asyncio.Future[Ack]":
    """Queue the draft; what comes of it can be awaited."""
    answered: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
    batches.put(draft, settling(answered))
    return answered


async def state(core: Core, conversation: Conversation) -> Conversation:
    """The conversation as it is stored now."""
    return await core.database.read(conversations.get, conversation.id, now=NOW)
