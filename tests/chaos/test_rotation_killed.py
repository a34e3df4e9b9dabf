"""A rotation is killed after each of its steps, and nothing is lost: whoever comes next brings it to its end."""

import asyncio
import os
from pathlib import Path

import pytest

from core import clock
from core.report import Collected
from core.settings import Settings
from support.house import opened
from support.keys import rotating
from tests.chaos import scale
from tests.nursery import Nursery

STEPS = ("create", "page", "rewrap", "verify", "verify_copy", "try_copy", "mark", "retire", "destroy")
KEYS = 30


@pytest.mark.clause("5(1)3")
@pytest.mark.parametrize("step", STEPS)
async def test_a_rotation_that_is_killed_loses_no_key_and_is_finished_by_the_next(
    nursery: Nursery, tmp_path: Path, step: str
) -> None:
    settings = Settings(data=tmp_path / "var", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")
    async with opened(settings) as house:
        keys = await house.core.vault.create_many([(f"{number:032x}", "visitor:a") for number in range(KEYS)])
        await rotating.rotate(house.core, Collected(), now=clock.now())
    wanted = {key.id: key.check_value() for key in keys}

    log = tmp_path / "rotation.log"
    words = [f"crash-in-rotation={step}", "keys", "rotate"]
    environment = {**os.environ, "AFTERCARE_DATA": str(settings.data), "AFTERCARE_KEYS": settings.keys}
    await asyncio.to_thread(nursery.bear("tests.chaos.patched", words, environment, log).wait, 30 * scale.LENGTH)

    assert f"crashed {step}" in log.read_text()
    async with opened(settings) as house:
        vault = house.core.vault
        found = {key.id: vault.key(key.id, scope=f"{n:032x}", owner="visitor:a") for n, key in enumerate(keys)}
        assert {dek_id: key.check_value() for dek_id, key in found.items()} == wanted
        assert not list(settings.data.glob("*.trial"))
        interrupted = not (await vault.rotation.standing()).is_finished
        assert interrupted == (step != "destroy")

        done = await rotating.rotate(house.core, Collected(), now=clock.now()) if interrupted else None

        standing = await vault.rotation.standing()
        assert (standing.current, standing.previous, standing.is_finished) == (3, 2, True)
        assert standing.keys.keys() == {3}
        assert done is None or not done.began_here
    assert sorted(path.name for path in (tmp_path / "keys" / "kek.d").glob("*.key")) == [
        "epoch-00000002.key",
        "epoch-00000003.key",
    ]
