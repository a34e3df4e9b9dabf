"""Epochs of a key service: the key lies with the service, and beside us only what it needs to give the key out again.

Danger. A service that is asked for every message is a service that stops the shop when it is away; one that is asked
again and again while it is away is asked too much. A key made at the service and forgotten because we stopped before
we had written down which.

Principle. For each epoch the service hands out 32 bytes once, and again at each start; in between they are held in
memory (`Epochs`). When it does not answer, nobody asks it again for five seconds. A new epoch's record is opened
once, as a start would, before anything is wrapped under it.

Boundary. The record is written durably before the epoch counts. Stopped before that, a key stays at the service which
protects nothing; it bears our name and the number of the epoch.
"""

import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from core.vault.keyfiles import DestroyReceipt, EpochFolder, write_new
from core.vault.keys import KEY_BYTES
from core.vault.refusals import ContentUnavailable, KeyGone, KeyUnavailable, Reason

QUIET_SECONDS: Final = 5.0


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies beside us: the service's name for its key, and our 32 bytes sealed by it; neither is secret."""

    key: str
    blob: str


@dataclass(frozen=True, repr=False)
class Made:
    """An epoch's key as the service has just made it."""

    secret: bytes
    record: Record


class KeyService(Protocol):
    """What a key service must be able to do. Each verb raises: KeyUnavailable, when it does not do it now."""

    def make(self, epoch: int) -> Made:
        """A new key of the service's own for this epoch, and 32 bytes under it."""

    def open(self, epoch: int, record: Record) -> bytes:
        """The 32 bytes again. Raises: KeyGone, WrapMismatch."""

    def retire(self, record: Record) -> None:
        """Begin the destruction, where that takes a service days; repeating it is harmless."""

    def destroy(self, record: Record) -> None:
        """Destroy the service's key; repeating it is harmless."""


class ServiceProvider:
    """The verbs of a provider over a key service and a folder of records."""

    def __init__(
        self, folder: EpochFolder, service: KeyService, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._service = service
        self._monotonic = monotonic
        self._quiet_until = float("-inf")
        self.epochs = folder.epochs
        self.current_epoch = folder.current
        self.bound_to = folder.bound_to
        self.bind = folder.bind

    def kek(self, epoch: int) -> bytes:
        if not self._folder.path(epoch).exists():
            raise KeyGone(Reason.KEY_DESTROYED) if epoch < self.current_epoch() else KeyUnavailable
        if self._monotonic() < self._quiet_until:
            raise KeyUnavailable
        try:
            secret = self._service.open(epoch, self._record(epoch))
        except KeyUnavailable:
            self._quiet_until = self._monotonic() + QUIET_SECONDS
            raise
        if len(secret) != KEY_BYTES:
            raise KeyUnavailable
        return secret

    def create_epoch(self) -> int:
        epoch = self._folder.next()
        made = self._service.make(epoch)
        try:
            opened = self._service.open(epoch, made.record)
        except ContentUnavailable:
            raise KeyUnavailable from None
        if not hmac.compare_digest(opened, made.secret):
            raise KeyUnavailable
        try:
            write_new(self._folder.path(epoch), msgspec.json.encode(made.record) + b"\n")
        except FileExistsError:  # another process was faster, and its record stands
            self._service.retire(made.record)
            raise
        return epoch

    def retire_epoch(self, epoch: int) -> None:
        if self._folder.path(epoch).exists():
            self._service.retire(self._record(epoch))

    def destroy_epoch(self, epoch: int) -> DestroyReceipt:
        if self._folder.path(epoch).exists():
            self._service.destroy(self._record(epoch))
            self._folder.remove(epoch)
        return DestroyReceipt(epoch, is_destroyed=True)

    def cautions(self) -> Sequence[str]:
        return []

    def _record(self, epoch: int) -> Record:
        try:
            return msgspec.json.decode(self._folder.path(epoch).read_bytes(), type=Record)
        except (OSError, msgspec.MsgspecError):
            raise KeyUnavailable from None
