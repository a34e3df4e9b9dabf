"""Key services of a test's own: KMS and Vault as their public documentation describes what goes wrong with them.

Both are real HTTP servers on a free port. What is asked of them is counted; a trouble can be ordered by name.
"""

import base64
import contextlib
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Json = dict[str, Any]  # Any: JSON values


class Refused(Exception):
    """The service says no."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status)
        self.status, self.body = status, body


@dataclass
class Service:
    """What every such service has: an address, what was asked of it, and a trouble it is in."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    trouble: str | None = None
    silence: threading.Event = field(default_factory=threading.Event)

    def answer(self, verb: str, path: str, headers: Json, body: Json) -> Json:
        raise NotImplementedError


@dataclass
class KmsKey:
    """docs.aws.amazon.com/kms/latest/developerguide/key-state.html: what may be done in which state."""

    secret: bytes
    state: str = "Enabled"
    days: int | None = None


@dataclass
class KmsDouble(Service):
    """AWS KMS, protocol JSON 1.1: TrentService.CreateKey, GenerateDataKey, Decrypt, ScheduleKeyDeletion."""

    keys: dict[str, KmsKey] = field(default_factory=dict)

    def answer(self, verb: str, path: str, headers: Json, body: Json) -> Json:
        action = headers["x-amz-target"].rpartition(".")[2]
        self.asked.append(action)
        if self.trouble == "throttled":
            raise self._refused("ThrottlingException", "Rate exceeded")
        if self.trouble == "denied":
            raise self._refused("AccessDeniedException", "not authorized")
        if self.trouble == "broken":
            raise Refused(500, {"__type": "KMSInternalException", "message": "internal"})
        if self.trouble == "silent":
            self.silence.wait(30)
        return getattr(self, f"_{action}")(body)  # type: ignore[no-any-return]  # one method for each action

    def _refused(self, code: str, message: str) -> Refused:
        return Refused(400, {"__type": code, "message": message})

    def _usable(self, key_id: str) -> KmsKey:
        if key_id not in self.keys:
            raise self._refused("NotFoundException", "Key does not exist")
        if self.keys[key_id].state == "Disabled":
            raise self._refused("DisabledException", "key is disabled")
        if self.keys[key_id].state != "Enabled":
            raise self._refused("KMSInvalidStateException", f"key is {self.keys[key_id].state}")
        return self.keys[key_id]

    def _CreateKey(self, body: Json) -> Json:
        key_id = str(uuid.uuid4())
        self.keys[key_id] = KmsKey(AESGCM.generate_key(256))
        return {"KeyMetadata": {"KeyId": key_id}}

    def _GenerateDataKey(self, body: Json) -> Json:
        assert body["KeySpec"] == "AES_256"
        key, plain, nonce = self._usable(body["KeyId"]), os.urandom(32), os.urandom(12)
        context = json.dumps(body["EncryptionContext"], sort_keys=True).encode()
        blob = nonce + AESGCM(key.secret).encrypt(nonce, plain, context)
        encoded = {"Plaintext": plain, "CiphertextBlob": blob}
        return {"KeyId": body["KeyId"], **{name: base64.b64encode(raw).decode() for name, raw in encoded.items()}}

    def _Decrypt(self, body: Json) -> Json:
        key, blob = self._usable(body["KeyId"]), base64.b64decode(body["CiphertextBlob"])
        context = json.dumps(body["EncryptionContext"], sort_keys=True).encode()
        try:
            plain = AESGCM(key.secret).decrypt(blob[:12], blob[12:], context)
        except InvalidTag:
            raise self._refused("InvalidCiphertextException", "") from None
        return {"KeyId": body["KeyId"], "Plaintext": base64.b64encode(plain).decode()}

    def _ScheduleKeyDeletion(self, body: Json) -> Json:
        assert 7 <= body["PendingWindowInDays"] <= 30
        if body["KeyId"] in self.keys and self.keys[body["KeyId"]].state == "PendingDeletion":
            raise self._refused("KMSInvalidStateException", "key is pending deletion")
        if body["KeyId"] not in self.keys:
            raise self._refused("NotFoundException", "Key does not exist")
        self.keys[body["KeyId"]].state = "PendingDeletion"
        self.keys[body["KeyId"]].days = body["PendingWindowInDays"]
        return {"KeyId": body["KeyId"], "KeyState": "PendingDeletion"}


TOKEN = "hvs.a-token-of-a-test"


@dataclass
class VaultDouble(Service):
    """Vault's transit engine, developer.hashicorp.com/vault/api-docs/secret/transit: what its five requests do."""

    versions: dict[int, bytes] = field(default_factory=dict)
    config: dict[str, int] = field(
        default_factory=lambda: {"min_decryption_version": 1, "min_encryption_version": 0, "min_available_version": 0}
    )

    def answer(self, verb: str, path: str, headers: Json, body: Json) -> Json:
        self.asked.append(f"{verb} {path}")
        if headers.get("x-vault-token") != TOKEN:
            raise Refused(403, {"errors": ["permission denied"]})
        if self.trouble == "denied":
            raise Refused(403, {"errors": ["permission denied"]})
        if self.trouble == "broken":
            raise Refused(503, {"errors": ["Vault is sealed"]})
        if self.trouble == "throttled":
            raise Refused(429, {"errors": ["request path quota exceeded"]})
        if self.trouble == "silent":
            self.silence.wait(30)
        doors: dict[str, Callable[[Json], Json]] = {
            "POST /v1/transit/keys/aftercare": self._create,
            "POST /v1/transit/keys/aftercare/rotate": self._rotate,
            "POST /v1/transit/keys/aftercare/config": self._configure,
            "POST /v1/transit/keys/aftercare/trim": self._trim,
            "GET /v1/transit/keys/aftercare": lambda _: {"latest_version": max(self.versions), **self.config},
            "POST /v1/transit/datakey/plaintext/aftercare": self._draw,
            "POST /v1/transit/decrypt/aftercare": self._decrypt,
        }
        return {"data": doors[f"{verb} {path}"](body)}

    def _create(self, body: Json) -> Json:
        assert body == {"type": "aes256-gcm96", "derived": True}
        self.versions.setdefault(1, os.urandom(32))
        return {}

    def _rotate(self, body: Json) -> Json:
        self.versions[max(self.versions) + 1] = os.urandom(32)
        return {}

    def _draw(self, body: Json) -> Json:
        version, plain, nonce = max(self.versions), os.urandom(body["bits"] // 8), os.urandom(12)
        sealed = nonce + AESGCM(self.versions[version]).encrypt(nonce, plain, body["context"].encode())
        encoded = base64.b64encode(sealed).decode()
        return {"plaintext": base64.b64encode(plain).decode(), "ciphertext": f"vault:v{version}:{encoded}"}

    def _decrypt(self, body: Json) -> Json:
        _, version, encoded = body["ciphertext"].split(":")
        number, sealed = int(version[1:]), base64.b64decode(encoded)
        if number < self.config["min_decryption_version"]:
            raise Refused(400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]})
        try:
            plain = AESGCM(self.versions[number]).decrypt(sealed[:12], sealed[12:], body["context"].encode())
        except InvalidTag:
            raise Refused(400, {"errors": ["cipher: message authentication failed"]}) from None
        return {"plaintext": base64.b64encode(plain).decode()}

    def _configure(self, body: Json) -> Json:
        if 0 < body["min_encryption_version"] < body["min_decryption_version"]:
            raise Refused(400, {"errors": ["cannot set min encryption version below min decryption version"]})
        if body["min_decryption_version"] > max(self.versions):
            raise Refused(400, {"errors": ["cannot set min decryption version past the latest"]})
        self.config |= body
        return {}

    def _trim(self, body: Json) -> Json:
        least = min(self.config["min_decryption_version"], self.config["min_encryption_version"])
        wanted = body["min_available_version"]
        if not least or wanted > least or wanted < self.config["min_available_version"]:
            raise Refused(400, {"errors": ["invalid min_available_version"]})
        self.config["min_available_version"] = wanted
        self.versions = {number: key for number, key in self.versions.items() if number >= wanted}
        return {}


def serving(service: Service) -> contextlib.AbstractContextManager[None]:
    """Let a service answer on a port of its own while the block runs."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, body = 200, service.answer(self.command, self.path, headers, json.loads(sent or b"{}"))
            except Refused as refused:
                status, body = refused.status, refused.body
            content = json.dumps(body).encode()
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815  (the library's names)

        def log_message(self, *_: object) -> None:
            pass

    @contextlib.contextmanager
    def open_door() -> Iterator[None]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield
        finally:
            service.silence.set()
            server.shutdown()
            server.server_close()
            thread.join(10)

    return open_door()
