"""The vault: every key of the house, in a store of its own, behind one object.

Danger. Data whose key was never committed; a key that outlives its data, or its data's erasure; a conversation
relinked in the data database to someone who then reads it.

Principle. A key is committed in the keystore before the caller opens its data transaction, so an unlucky crash leaves
a key without data, never data without a key. Whoever asks for a key says for which scope and owner, and both are
bound into the wrap. Destroying deletes the row, leaves a tombstone, and evicts: the data may lie in any back-up.
No key, no write: nothing is ever stored now to be sealed later.

Boundary. The keystore is its own database; its transactions and those of the data never nest and never share a commit.
Keys stay in memory for five minutes; Python cannot wipe them, so core dumps must be off.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from core import clock, hub
from core.database import KEYSTORE, Database
from core.settings import Settings
from core.vault import envelope, rows, signing
from core.vault.held import Held
from core.vault.keys import DataKey, Kind
from core.vault.opening import Opened, new_key, open_keys
from core.vault.refusals import ContentUnavailable, Reason
from core.vault.rotation import Rotation, remove_trial

__all__ = ["Vault"]

HELD_KEYS: Final = 4_096
HELD_SECONDS: Final = 300.0
KEYS_IN_A_HINT: Final = 100


class Vault:
    """Creates, fetches and destroys data keys, and keeps the product's own; safe to use from several threads."""

    def __init__(
        self, settings: Settings, database: Database, opened: Opened, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.cautions: Final = tuple(opened.epochs.provider.cautions())
        self._tenant: Final = settings.tenant
        self._database: Final = database
        self._epochs: Final = opened.epochs
        self._named: Final = opened.named
        self._signers: Final = opened.signers
        self._held: Final = Held(HELD_KEYS, HELD_SECONDS, monotonic)
        self._hub: hub.Hub | None = None
        self.rotation: Final = Rotation(database, opened.epochs)
        self.rotating: Final = asyncio.Lock()

    @classmethod
    def open(cls, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic) -> Self:
        """Open the keystore with its keys; on the very first run, make both. Raises: StartRefused, Unavailable."""
        database = Database(settings.keystore_url, profile=KEYSTORE)
        database.open()
        try:
            remove_trial(database)
            return cls(settings, database, open_keys(settings, database), monotonic=monotonic)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Write down how often keys were used, let them go and disconnect."""
        self._held.evict_all()
        own = {key.id: key.uses for key in self._named.values() if key.uses > key.noted_uses}
        self._database.write_now(rows.note_uses, self._held.take_uses() | own)
        self._database.close()

    @asynccontextmanager
    async def shared_over(self, carrier: hub.Hub) -> AsyncIterator[None]:
        """While the block runs, tell the other processes which keys they must let go, and let go what they tell."""
        end = carrier.subscribe(self._hear)
        self._hub = carrier
        try:
            yield
        finally:
            self._hub = None
            end()

    async def create(self, scope: str, owner: str) -> DataKey:
        """A new data key, committed before this returns. Raises: KeyUnavailable, Unavailable."""
        return (await self.create_many([(scope, owner)]))[0]

    async def create_many(self, pairs: Sequence[tuple[str, str]]) -> list[DataKey]:
        """New data keys for (scope, owner) pairs, committed together before this returns."""
        keys = [new_key() for _ in pairs]
        wrapped = [self._epochs.wrap(key, *pair) for key, pair in zip(keys, pairs, strict=True)]
        mark = self._held.mark()
        await self._database.write(rows.add, wrapped, self._held.take_uses(), now=clock.now())
        return [self._held.keep(key, *pair, mark) for key, pair in zip(keys, pairs, strict=True)]

    def key(self, dek_id: int, *, scope: str, owner: str) -> DataKey:
        """The data key of this scope and owner. Raises: KeyGone, WrapMismatch, KeyUnavailable."""
        key = self._held.get(dek_id, scope, owner)
        if key is not None:
            return key
        mark = self._held.mark()
        row = self._database.read_now(rows.one, dek_id)
        return self._held.keep(self._epochs.unwrap(row, scope, owner), scope, owner, mark)

    async def reassign(self, dek_id: int, *, scope: str, owner: str, new_owner: str) -> None:
        """Bind a key to a new owner; repeating it is harmless. Raises: KeyGone, WrapMismatch, KeyUnavailable."""
        await self._database.write(rows.reassign, self._epochs, dek_id, scope=scope, owner=owner, new_owner=new_owner)
        self._let_go([dek_id])

    async def destroy(self, dek_ids: Sequence[int], *, reason: str) -> int:
        """Delete data keys for ever, leaving tombstones; return how many there were. `reason` is a code, not a text.

        When this returns no byte of them is left in the keystore's file.
        """
        destroyed = await self._database.write(rows.destroy, dek_ids, reason, now=clock.now())
        self._let_go(dek_ids)
        if destroyed:
            await self._database.scrub()
        return destroyed

    def evict(self, dek_ids: Sequence[int]) -> None:
        """Let keys go that another process has destroyed or reassigned."""
        self._held.evict(dek_ids)

    def tell_rotated(self, epoch: int) -> None:
        """Have the other processes let go of a destroyed epoch."""
        if self._hub is not None:
            self._hub.publish(hub.ROTATED, hub.hint(epoch))

    def _let_go(self, dek_ids: Sequence[int]) -> None:
        """Here at once; everywhere else when the hint arrives, or after five minutes when every hint is lost."""
        self._held.evict(dek_ids)
        if self._hub is not None:
            for start in range(0, len(dek_ids), KEYS_IN_A_HINT):
                self._hub.publish(hub.KEYS, hub.hint(*dek_ids[start : start + KEYS_IN_A_HINT]))

    def _hear(self, channel: str, packed: bytes) -> None:
        if channel == hub.KEYS:
            self.evict([int(part) for part in hub.parts(packed)])
        elif channel == hub.ROTATED:
            self._epochs.forget_the_destroyed()
        elif channel == hub.GAP:  # whatever was destroyed meanwhile, we were not told
            self._held.evict_all()
            self._epochs.forget_the_destroyed()

    async def tombstones(self, *, since_ms: int = 0) -> list[rows.Tombstone]:
        """Every destruction from a time on, oldest first: what a restored back-up must have replayed."""
        return await self._database.read(rows.tombstones, since_ms)

    async def note_holds(self, notes: Sequence[rows.HoldNote]) -> None:
        """Keep how holds stand beside the keys, where no restore of the data reaches."""
        await self._database.write(rows.note_holds, notes)

    async def holds(self) -> list[rows.HoldNote]:
        """Every hold as it stood last: what a restored back-up must have replayed."""
        return await self._database.read(rows.holds)

    async def owners(self, dek_ids: Sequence[int]) -> dict[int, str]:
        """Whose data keys these are, as far as they exist: the truth when a restored row says otherwise."""
        return await self._database.read(rows.owners, dek_ids)

    async def anchor(self) -> rows.Anchor:
        """How far the data have come at least (core.generation)."""
        return await self._database.read(rows.anchor)

    def age(self) -> tuple[rows.Anchor, int]:
        """What tells an older copy of a keystore from a newer one: its anchor, and how many keys it has destroyed."""
        return self._database.read_now(rows.age)

    async def remember(self, reached: rows.Anchor) -> None:
        """Note how far the data have come."""
        await self._database.write(rows.remember, reached)

    async def copy_to(self, target: Path) -> None:
        """A consistent copy of the keystore beside its work; the file must not exist. SQLite only."""
        await self._database.copy_to(target)

    @property
    def system_key(self) -> DataKey:
        """The key of rows that belong to nobody, such as jobs."""
        return self._named[rows.SYSTEM]

    def named(self, name: str) -> DataKey:
        """A key of the product's own: `system` or `letters`."""
        return self._named[name]

    def lookup(self, kind: str, value: str) -> bytes:
        """32 bytes that are equal when the values are, for columns that are searched by equality."""
        assert "/" not in kind, "the kind must not be able to run into the value"
        return self._named["lookup"].mac(f"{kind}/v1{value}".encode())

    def mac(self, name: str, *parts: bytes) -> bytes:
        """HMAC-SHA256 under the key `code` or `session` over the parts, each after its length."""
        assert name in {"code", "session"}
        return self._named[name].mac(envelope.context(*parts))

    def sign(self, name: str, message: bytes) -> bytes:
        """Sign as `export` or `audit` (Ed25519, 64 bytes)."""
        return self._signers[name].sign(message)

    def verify(self, name: str, message: bytes, signature: bytes) -> bool:
        """Whether `export` or `audit` signed this, with its present key or an earlier one."""
        known = self._database.read_now(rows.facts).signers.get(name, frozenset())
        return any(signing.verify(public, message, signature) for public in known)

    def public_key(self, name: str) -> bytes:
        """The 32 bytes to publish for `export` or `audit`."""
        return self._signers[name].public_key().public_bytes_raw()

    def seal_field(self, key: DataKey, table: str, row_id: str, column: str, text: str) -> bytes:
        """Seal one column of one row. Raises: KeySpent."""
        return envelope.seal(key, Kind.FIELD, self._field(table, row_id, column), text.encode())

    def open_field(self, key: DataKey, table: str, row_id: str, column: str, sealed: bytes) -> str:
        """Open one column of one row. Raises: ContentUnavailable."""
        try:
            return envelope.unseal(key, Kind.FIELD, self._field(table, row_id, column), sealed).decode()
        except UnicodeDecodeError:
            raise ContentUnavailable(Reason.TEXT) from None

    def _field(self, table: str, row_id: str, column: str) -> bytes:
        return envelope.field_context(self._tenant, table, row_id, column)
