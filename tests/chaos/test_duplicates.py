"""Everything is sent three times over two connections at once, and is there once (T3)."""

import asyncio
from collections.abc import Sequence

import pytest

from chat.outbox import Refusing
from support.replay.client import Client
from support.replay.doors import enter_as_guest
from support.replay.journal import Acked
from tests.chaos import scale
from tests.chaos.conftest import Furnished, OpenSite
from tests.chaos.crowd import Crowd
from tests.chaos.rows import stored

MESSAGES = 60 * scale.LENGTH


async def test_what_is_sent_three_times_is_there_once_with_three_equal_answers(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str]
) -> None:
    site = open_site()
    shopper, conversation = await enter_as_guest(site.url)
    crowd = Crowd(site.url, (), (), scale.SEED, guests=[(shopper, conversation)])

    async with Client(site.url, shopper) as one, Client(site.url, shopper) as other:
        await one.watch(conversation)
        await other.watch(conversation)
        said = []
        for text in sayings[:MESSAGES]:
            first = await one.post(conversation, text)
            twin = await other.post_as(conversation, text, first.client_id)
            await other.repeat(twin)
            said += [first, twin]
        await asyncio.wait_for(asyncio.gather(*(each.done for each in said)), 60)
        async with Client(site.url, shopper) as late:  # an outbox from long ago, in its order
            await late.watch(conversation)
            old = [
                await late.post_as(conversation, text, pending.client_id)
                for text, pending in zip(sayings, said[::2], strict=False)
            ]
            replayed = [await asyncio.wait_for(each.done, 60) for each in old]
            for client in (late, other, one):
                await client.echo()
            with pytest.raises(Refusing) as refused:
                await (await late.post_as(conversation, "something else", said[0].client_id)).done

    crowd.journals = [one.journal, other.journal, late.journal]
    result = await crowd.judge(stored(str(site.data / "data.db")), "T3 duplicates")
    scale.keep(result)
    answers = [entry for journal in crowd.journals for entry in journal.entries if isinstance(entry, Acked)]
    assert result.is_clean, crowd.violations
    assert refused.value.code == "conflict"
    assert len(crowd.logs[conversation]) == MESSAGES + 1
    assert len(answers) >= 3 * MESSAGES
    assert replayed == [pending.done.result() for pending in said[::2]]
    assert sum(answer.duplicate for answer in answers) == len(answers) - MESSAGES
