"""Opening: the checks between a keystore and its keys before anything is sealed or opened.

Danger. Keys made anew because the old ones were not found: everything sealed before would be lost, and nobody would
notice until someone looks for it. So a key is made only when the keystore is new and the key directory is unused;
in every other case of doubt the start is refused with a sentence that says what to put back, and nothing is changed.

Boundary. First the epoch key is on disk, then the keystore's first rows commit, then the key directory remembers the
keystore. A crash between any two is repaired by starting again.
"""

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core import clock, ids
from core.database import Database, Transaction
from core.settings import Settings
from core.vault import rotation, rows, signing
from core.vault.epochs import Epochs
from core.vault.keys import KEY_BYTES, SEAL_LIMIT, DataKey
from core.vault.providers import KeyProvider, open_provider
from core.vault.refusals import KeyGone, KeyUnavailable, StartRefused, WrapMismatch
from core.vault.rows import SYSTEM

NAMES: Final = (SYSTEM, "letters", "lookup", "code", "session")


@dataclass(frozen=True)
class Opened:
    """A keystore whose keys fit it."""

    epochs: Epochs
    named: Mapping[str, DataKey]
    signers: Mapping[str, Ed25519PrivateKey]


def open_keys(settings: Settings, database: Database) -> Opened:
    """Check the keys against the keystore, making both when both are new. Raises: StartRefused."""
    database.write_now(rows.prepare)
    provider = open_provider(settings)
    bound = provider.bound_to()  # asked before the facts: whoever bound it had founded the keystore by then
    facts = database.read_now(rows.facts)
    if facts.keystore_id is None:
        _start_new(settings, provider, bound)
    else:
        _check_known(settings, provider, bound, facts)
    epochs = Epochs(provider)
    _load(epochs, facts)
    _unwrap_all(epochs, facts)
    signers = {
        name: signing.open_signer(signing_folder(settings), name, facts.signers.get(name, ()))
        for name in signing.SIGNERS
    }
    database.write_now(_found, epochs, signers, clock.now())
    facts = database.read_now(rows.facts)
    assert facts.keystore_id is not None
    provider.bind(facts.keystore_id)
    return Opened(epochs, _unwrap_all(epochs, facts), signers)


def new_key() -> DataKey:
    """A fresh random data key with a random id of 63 bits."""
    return DataKey(secrets.randbits(63), os.urandom(KEY_BYTES))


def owner_of(name: str) -> str:
    """The owner that a key of the product's own is bound to."""
    return SYSTEM if name == SYSTEM else f"{SYSTEM}:{name}"


def signing_folder(settings: Settings) -> Path:
    """Where the signing keys lie: beside the key directory, or in the data folder when there is none."""
    scheme, _, rest = settings.keys.partition(":")
    return settings.data / "sign.d" if scheme.startswith("env") else Path(rest).resolve().with_name("sign.d")


def _start_new(settings: Settings, provider: KeyProvider, bound: str | None) -> None:
    if bound is not None:
        raise StartRefused(
            f"The keystore at {_where(settings)} is empty, but the keys in {_folder(settings)} have been used with "
            "one before, and without it nothing sealed so far will open. Put the newest copy of the keystore back. To "
            "start over without any data, remove the key directory, the signing keys and the data as well. Nothing "
            "was changed."
        )
    if not provider.epochs():
        with contextlib.suppress(FileExistsError):  # another process starts at the same time and was first
            provider.create_epoch()


def _check_known(settings: Settings, provider: KeyProvider, bound: str | None, facts: rows.Facts) -> None:
    missing = sorted(facts.epochs.difference(provider.epochs()))
    if missing:
        raise StartRefused(
            f"The keystore at {_where(settings)} needs the key of epoch {', '.join(map(str, missing))}, and it is "
            f"not in {_folder(settings)}. Put your copy of the key directory back, or set AFTERCARE_KEYS to where it "
            "is. No new key was made and nothing was changed."
        )
    if bound not in (None, facts.keystore_id):
        raise StartRefused(
            f"The keys in {_folder(settings)} belong to another keystore than {_where(settings)}. Put together what "
            "belongs together. Nothing was changed."
        )


def _found(tx: Transaction, epochs: Epochs, signers: Mapping[str, Ed25519PrivateKey], now: int) -> None:
    """Add what is missing of the product's own keys, and a younger one for each that is half spent."""
    rows.found(tx, ids.new(), now=now)
    rotation.mark_first(tx, epochs.provider.current_epoch(), now=now)
    for name in NAMES:
        rows.retire(tx, name, SEAL_LIMIT // 2)
    rows.add_named(tx, {name: epochs.wrap(new_key(), SYSTEM, owner_of(name)) for name in NAMES}, now=now)
    for name, signer in signers.items():
        rows.add_signer(tx, name, signer.public_key().public_bytes_raw(), now=now)


def _load(epochs: Epochs, facts: rows.Facts) -> None:
    """Fetch every key-encryption key that is in use once, at the start: later on nobody waits for a key service."""
    try:
        epochs.load(sorted(facts.epochs))
    except KeyUnavailable:
        raise StartRefused(
            "The key service does not give out the key: it can't be reached, refuses us, or the key is disabled. Start "
            "again once it answers. Nothing was changed."
        ) from None
    except (KeyGone, WrapMismatch):
        raise StartRefused(
            "The key service no longer has the key that the keystore needs, or it belongs to another shop or epoch. "
            "Put back the newest copy of the keystore, or cancel the deletion of the key. Nothing was changed."
        ) from None


def _unwrap_all(epochs: Epochs, facts: rows.Facts) -> dict[str, DataKey]:
    """Open the product's own keys: the proof that the key-encryption keys are the right ones."""
    try:
        keys = {name: epochs.unwrap(row, SYSTEM, owner_of(name)) for name, row in facts.named.items()}
        for name, key in keys.items():
            elders = (row for row in facts.elders if row.owner == owner_of(name))
            key.elders = {row.dek_id: epochs.unwrap(row, SYSTEM, owner_of(name)) for row in elders}
    except (WrapMismatch, KeyGone, KeyUnavailable):
        raise StartRefused(
            "The key-encryption key does not open the keystore: it is the wrong key, or the keystore was changed. Put "
            "the keystore and its key directory back as they belong together. Nothing was changed."
        ) from None
    return keys


def _where(settings: Settings) -> str:
    """The keystore's place, without a password that its URL may hold."""
    scheme, _, rest = settings.keystore_url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _folder(settings: Settings) -> str:
    scheme, _, rest = settings.keys.partition(":")
    return f"{scheme}:" if scheme.startswith("env") else rest
