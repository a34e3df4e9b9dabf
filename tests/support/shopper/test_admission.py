"""Nobody writes or uploads under a policy that she has not agreed to, however long her page has been open."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from core import clock, ids
from core.identity import signins
from core.identity.callers import Caller
from support.shopper import minors
from tests.whole import Visitor, Whole, product


@pytest_asyncio.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    async with product(tmp_path) as opened:
        yield opened


async def said(shopper: Visitor, conversation: str, text: str) -> dict[str, Any]:
    """What the log answers to one message."""
    frame = {"t": "send", "c": conversation, "m": ids.new(), "k": "message", "b": {"text": text}}
    answer = await shopper.call("/chat/send", [frame])
    return dict(answer.json()[0])


async def uploaded(shopper: Visitor, conversation: str) -> httpx.Response:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json", "X-CSRF-Token": shopper.csrf}
    path = f"/chat/conversations/{conversation}/media/{ids.new()}"
    return await shopper.client.put(path, content=picture.getvalue(), headers=headers)


@pytest.mark.clause("preface")
@pytest.mark.clause("7(2)")
async def test_an_open_page_is_refused_from_the_moment_that_another_version_is_in_force(whole: Whole) -> None:
    shopper, core = whole.visitor(), whole.house.core
    conversation = await shopper.start()
    before = await said(shopper, conversation, "Under the first version")
    file_before = await uploaded(shopper, conversation)

    core.policy = replace(core.policy, version="2030-01-01", sha256="cc" * 32)
    after = await said(shopper, conversation, "Under the next one")
    file_after = await uploaded(shopper, conversation)

    assert (before["t"], file_before.status_code) == ("ack", 201)
    assert (after["t"], after["code"]) == ("err", "policy_unread")
    assert (file_after.status_code, file_after.json()["error"]) == (403, "policy_unread")


@pytest.mark.clause("6(2)")
async def test_a_minor_who_says_so_in_the_chat_can_neither_write_nor_upload(whole: Whole) -> None:
    shopper = whole.visitor()
    conversation = await shopper.start()
    await shopper.read_token("/chat/minor")

    await shopper.post("/chat/minor", email="parent@example.com")
    await shopper.read_token("/chat/minor")
    message, file = await said(shopper, conversation, "Still here"), await uploaded(shopper, conversation)

    assert (message["t"], message["code"]) == ("err", "guardian_needed")
    assert (file.status_code, file.json()["error"]) == (403, "guardian_needed")


@pytest.mark.clause("6(2)")
async def test_what_was_open_before_a_minor_said_so_is_closed(whole: Whole) -> None:
    shopper, core = whole.visitor(), whole.house.core
    await shopper.start()
    known = await core.database.read(signins.find, shopper.client.cookies["__Host-cv"], "visitor", now=clock.now())
    assert known is not None
    caller = Caller("visitor", known.caller_id, sign_in=known.id)

    await core.database.write(minors.declare, core, caller, "", now=clock.now())

    assert await core.database.read(signins.live, [known.id], now=clock.now()) == set()
