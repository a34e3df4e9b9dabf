"""Vault's transit engine: one version of one key for each epoch, trimmed away to destroy it.

Danger. A token in an address or a log; a redirection that carries it elsewhere; an older version that still opens
because it was only archived and not trimmed.

Principle. The key is of the derived kind, and tenant and epoch are its context: a blob taken to another shop or epoch
does not open. Every epoch rotates the key first, so that its blob names a version of its own. Destroying raises what
the key may open and then trims, which deletes for good. The token is read from its file at each call, so that whoever
renews it writes it there. Plain HTTP by the standard library: five requests, none of them for a message.
"""

import base64
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from core.settings import Settings
from core.vault.refusals import KeyGone, KeyUnavailable, Reason, StartRefused, WrapMismatch
from core.vault.service import Made, Record

SECONDS: Final = 5.0
ANSWER_BYTES: Final = 1 << 20
_BLOB: Final = re.compile(r"vault:v(\d+):[A-Za-z0-9+/=]+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)+")
_TOO_OLD: Final = ("disallowed by policy", "not found", "no longer available")


class _NoWayRound(urllib.request.HTTPRedirectHandler):
    """Nobody is followed to another address with the token."""

    def redirect_request(self, *_: Any, **__: Any) -> None:  # Any: as the library has it
        return None


@dataclass(frozen=True, repr=False)
class Transit:
    """A key service over the HTTP interface of Vault and OpenBao."""

    tenant: str
    url: str
    mount: str
    name: str
    token_file: Path

    @classmethod
    def of(cls, settings: Settings) -> "Transit":
        """As the settings name it. Raises: StartRefused."""
        parts = urlsplit(settings.vault_url or "")
        is_here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
            raise StartRefused("AFTERCARE_KEYS=vault-transit:… needs AFTERCARE_VAULT_URL with https://")
        if settings.vault_token_file is None:
            raise StartRefused("AFTERCARE_KEYS=vault-transit:… needs AFTERCARE_VAULT_TOKEN_FILE, a file with a token.")
        if not _NAME.fullmatch(settings.vault_key):
            raise StartRefused("AFTERCARE_VAULT_KEY must be the engine's path and the key's name: transit/aftercare")
        mount, _, name = settings.vault_key.rpartition("/")
        return cls(settings.tenant, f"{parts.scheme}://{parts.netloc}", mount, name, settings.vault_token_file)

    def make(self, epoch: int) -> Made:
        self._ask(f"keys/{self.name}", {"type": "aes256-gcm96", "derived": True})  # one that is there stays as it is
        self._ask(f"keys/{self.name}/rotate", {})
        drawn = self._ask(f"datakey/plaintext/{self.name}", {"context": self._context(epoch), "bits": 256})
        return Made(base64.b64decode(drawn["plaintext"]), Record(self.name, drawn["ciphertext"]))

    def open(self, epoch: int, record: Record) -> bytes:
        opened = self._ask(f"decrypt/{record.key}", {"ciphertext": record.blob, "context": self._context(epoch)})
        return base64.b64decode(opened["plaintext"])

    def retire(self, record: Record) -> None:
        """Trimming is at once; nothing has to begin before."""

    def destroy(self, record: Record) -> None:
        named = _BLOB.fullmatch(record.blob)
        if named is None:
            raise KeyUnavailable
        first = int(named[1]) + 1
        if int(self._ask(f"keys/{record.key}")["min_available_version"]) >= first:
            return
        least = {"min_decryption_version": first, "min_encryption_version": first}
        self._ask(f"keys/{record.key}/config", least)
        self._ask(f"keys/{record.key}/trim", {"min_available_version": first})

    def _context(self, epoch: int) -> str:
        return base64.b64encode(f"cs/kek/v1/{self.tenant}/{epoch}".encode()).decode()

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:  # Any: JSON values
        """The `data` of an answer. Raises: KeyGone, WrapMismatch, KeyUnavailable."""
        request = urllib.request.Request(  # noqa: S310  (https, or http to this machine: see `of`)
            f"{self.url}/v1/{self.mount}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self._token(), "X-Vault-Request": "true", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.build_opener(_NoWayRound).open(request, timeout=SECONDS) as answer:
                found = json.loads(answer.read(ANSWER_BYTES) or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, error.read(ANSWER_BYTES)) from None
        except (OSError, ValueError):  # no answer, or none that can be read
            raise KeyUnavailable from None
        return dict(found.get("data") or {})

    def _token(self) -> str:
        try:
            return self.token_file.read_text("ascii").strip()
        except (OSError, ValueError):
            raise KeyUnavailable from None


def _refused(status: int, answer: bytes) -> KeyGone | WrapMismatch | KeyUnavailable:
    """What an answer of Vault's means: 400 is about the ciphertext, everything else about the service or the token."""
    if status != 400:
        return KeyUnavailable()
    is_gone = any(word in answer.decode(errors="replace") for word in _TOO_OLD)
    return KeyGone(Reason.KEY_DESTROYED) if is_gone else WrapMismatch(Reason.WRAP)
