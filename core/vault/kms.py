"""AWS KMS: one KMS key for each epoch, so that deleting it is deleting the epoch.

Danger. The automatic rotation of a KMS key keeps the old material for opening, so it destroys nothing. A deletion takes
seven days at least, in which it can be cancelled.

Principle. `GenerateDataKey` under the epoch's own key, with tenant and epoch as the encryption context: a blob taken to
another shop or epoch does not open. The deletion is scheduled when the epoch is no longer current, not when it
is destroyed here a week later: so it ends on the same day as that of a key file would. Credentials, region and endpoint
are those of AWS's own tools; nothing of them is read here.
"""

import base64
from collections.abc import Callable
from typing import Any, Final

from core.vault.refusals import KeyGone, KeyUnavailable, Reason, StartRefused, WrapMismatch
from core.vault.service import Made, Record

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    raise StartRefused("AFTERCARE_KEYS=aws-kms:… needs another library. Run: pip install 'aftercare[aws]'") from None

DELETION_DAYS: Final = 7  # the shortest that KMS has
CONNECT_SECONDS, ANSWER_SECONDS, ATTEMPTS = 3, 5, 3
_GONE: Final = frozenset({"NotFoundException", "KMSInvalidStateException"})
_OTHER: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class Kms:
    """A key service over a boto3 client (Any: it has no types)."""

    def __init__(self, tenant: str, client: Any) -> None:
        self._tenant = tenant
        self._client = client

    def make(self, epoch: int) -> Made:
        tags = [{"TagKey": "aftercare", "TagValue": self._tenant}, {"TagKey": "epoch", "TagValue": str(epoch)}]
        about = f"Aftercare {self._tenant}, epoch {epoch}"
        created = _asked(lambda: self._client.create_key(Description=about, Tags=tags))
        key = created["KeyMetadata"]["KeyId"]
        context = self._context(epoch)
        drawn = _asked(lambda: self._client.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context))
        return Made(drawn["Plaintext"], Record(key, base64.b64encode(drawn["CiphertextBlob"]).decode()))

    def open(self, epoch: int, record: Record) -> bytes:
        blob, context = base64.b64decode(record.blob), self._context(epoch)
        opened = _asked(lambda: self._client.decrypt(KeyId=record.key, CiphertextBlob=blob, EncryptionContext=context))
        return bytes(opened["Plaintext"])

    def retire(self, record: Record) -> None:
        """KMS refuses to schedule what is scheduled or gone already, and that is as well."""
        try:
            _asked(lambda: self._client.schedule_key_deletion(KeyId=record.key, PendingWindowInDays=DELETION_DAYS))
        except KeyGone:
            return

    def destroy(self, record: Record) -> None:
        self.retire(record)

    def _context(self, epoch: int) -> dict[str, str]:
        return {"tenant": self._tenant, "epoch": str(epoch)}


def connect(tenant: str) -> Kms:
    """The service as AWS's own settings name it. Raises: StartRefused."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    try:
        return Kms(tenant, boto3.client("kms", config=config))
    except BotoCoreError as error:
        raise StartRefused(f"AWS is not set up here ({type(error).__name__}): set AWS_REGION.") from None


def _asked(ask: Callable[[], Any]) -> Any:  # Any: an answer of a client without types
    try:
        return ask()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _GONE:
            raise KeyGone(Reason.KEY_DESTROYED) from None
        if code in _OTHER:
            raise WrapMismatch(Reason.WRAP) from None
        raise KeyUnavailable from None
    except BotoCoreError:  # no answer, no credentials, no route
        raise KeyUnavailable from None
