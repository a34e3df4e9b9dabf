"""The house: every service of the product, opened in order and closed in reverse."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import SQLModel

from chat.rooms import Chat
from core import clock, generation, turns
from core.database import Database, OutcomeUnknown
from core.holdings import Holding, check
from core.holdings_of_core import IMPERSONAL
from core.hub import Hub, LocalHub, over_postgres, over_redis
from core.limits import Limits
from core.refusals import Refusal, Unavailable
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault
from media.blobs import LocalBlobs
from media.uploads import Media
from support import holdings, tables
from support.backup import placing
from support.backup.settling import Settled, settle_if_behind
from support.migrating import check_schema, migrate
from support.policy import versions
from support.shopper import start

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class House:
    """Core, media and chat of one process, and what all rooms keep about people."""

    core: Core
    media: Media
    chat: Chat
    holdings: Sequence[Holding]
    settled: Settled | None = None  # what was done to the data, if they had been put back


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """Open everything for this process; refuses with a sentence that says what to do."""
    refuse_what_cannot_be_shared(settings)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if settings.is_embedded:
        placing.finish(settings)
    database = Database(settings.database_url)
    database.open()
    try:
        if settings.is_embedded:
            migrate(database)
        check_schema(database)
        rules = await asyncio.to_thread(versions.settle, database, settings, now=clock.now())
        vault = Vault.open(settings)
        hub = carrier(settings)
        try:
            async with hub.running(), vault.shared_over(hub):
                limits = Limits.open(settings)
                core = Core(settings, database, vault, rules, hub, limits)
                media = Media(core, LocalBlobs.open(settings))
                assert tables.ALL, "every room's tables are known before they are checked"
                kept = holdings.every(core, media)
                check(kept, SQLModel.metadata, IMPERSONAL, rules)
                async with turns.taken_in_turn(database, "restored"):
                    settled = await settle_if_behind(core, media, kept)
                async with _kept_current(core):
                    yield House(core, media, Chat(core, media, start.require_agreement), kept, settled)
                await _let_go(core)
                await limits.close()
        finally:
            vault.close()
    finally:
        database.close()


@contextlib.asynccontextmanager
async def _kept_current(core: Core) -> AsyncIterator[None]:
    """While the house is open the version of the policy in force is the one whose day has come."""
    keeping = asyncio.create_task(versions.keep_current(core), name="policy-versions")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})


async def _let_go(core: Core) -> None:
    """A copy of the data of before this moment is behind from now on; the database may have been stopped before us."""
    try:
        await generation.advance(core)
    except (Refusal, OutcomeUnknown, SQLAlchemyError) as error:
        log.warning("generation_stays", kind=type(error).__name__)


def carrier(settings: Settings) -> Hub:
    """What carries hints between the processes of these settings."""
    if settings.redis_url is not None:
        return over_redis(settings.redis_url)
    return LocalHub() if settings.is_embedded else over_postgres(settings.database_url)


def refuse_what_cannot_be_shared(settings: Settings) -> None:
    """Several processes need everything they share to be shareable. Raises: Unavailable."""
    if settings.is_embedded and settings.redis_url is not None:
        raise Unavailable(
            "sqlite_is_one_process",
            "AFTERCARE_REDIS_URL joins several processes, and SQLite can have only one. Set AFTERCARE_DATABASE_URL to "
            "PostgreSQL, or leave Redis out.",
        )
    if not settings.is_embedded and settings.keystore_url.startswith("sqlite"):
        raise Unavailable(
            "keystore_is_one_process",
            "With PostgreSQL the servers and the worker are processes of their own, and a keystore on SQLite can have "
            "only one. Set AFTERCARE_KEYSTORE_URL to PostgreSQL as well.",
        )
