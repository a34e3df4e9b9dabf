"""Epochs of a key service: one question at the start, none for a message, and every trouble is a refusal in words."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from core.settings import Settings
from core.vault import KeyGone, KeyUnavailable, Kind, StartRefused, Vault, WrapMismatch, envelope, kms, transit
from core.vault.keyfiles import EpochFolder
from core.vault.service import QUIET_SECONDS, Record, ServiceProvider
from tests.core.vault.services import TOKEN, KmsDouble, Service, VaultDouble, serving


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an operator sets it up; short patience, so that a test has it too."""
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("REGION", "eu-central-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(kms, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(kms, "ATTEMPTS", 2)
    monkeypatch.setattr(transit, "SECONDS", 0.3)


@pytest.fixture
def kms_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[KmsDouble]:
    service = KmsDouble()
    with serving(service):
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", service.url)
        yield service


@pytest.fixture
def vault_double() -> Iterator[VaultDouble]:
    service = VaultDouble()
    with serving(service):
        yield service


@pytest.fixture(params=["kms", "vault"])
def service(request: pytest.FixtureRequest) -> Service:
    """Each of the two services."""
    found: Service = request.getfixturevalue(f"{request.param}_double")
    return found


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A shop whose keys lie with the service of the test."""
    double: Service = request.getfixturevalue("service")
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    scheme = "aws-kms" if isinstance(double, KmsDouble) else "vault-transit"
    return Settings(
        data=tmp_path / "var",
        keys=f"{scheme}:{tmp_path / 'keys' / 'epochs.d'}",
        vault_url=double.url,
        vault_token_file=token,
    )


def nothing(_: int, __: int) -> None:
    """Nobody watches the bar."""


async def rotated(vault: Vault) -> None:
    standing = await vault.rotation.standing()
    target = vault.rotation.create(standing.current)
    await vault.rotation.rewrap(target, nothing)
    await vault.rotation.mark(target, now=1)
    await vault.rotation.retire(standing.current, now=1)


async def test_it_is_asked_once_at_the_start_and_never_for_a_message(service: Service, settings: Settings) -> None:
    Vault.open(settings).close()
    service.asked.clear()

    vault = Vault.open(settings)
    for number in range(20):
        key = await vault.create(f"{number:032x}", "visitor:a")
        envelope.seal(key, Kind.MESSAGE, b"", b"hello")
        vault.evict([key.id])
        vault.key(key.id, scope=f"{number:032x}", owner="visitor:a")
    vault.close()

    assert len(service.asked) == 1
    assert service.asked[0] in {"Decrypt", "POST /v1/transit/decrypt/aftercare"}


async def test_while_it_is_away_everything_goes_on_and_a_start_is_refused(service: Service, settings: Settings) -> None:
    vault = Vault.open(settings)
    service.trouble = "throttled"

    key = await vault.create("a1" * 16, "visitor:a")
    vault.evict([key.id])

    assert vault.key(key.id, scope="a1" * 16, owner="visitor:a").check_value() == key.check_value()
    vault.close()
    with pytest.raises(StartRefused, match="does not give out the key"):
        Vault.open(settings)
    service.trouble = None
    Vault.open(settings).close()


@pytest.mark.parametrize("trouble", ["throttled", "denied", "broken", "silent"])
def test_a_service_in_trouble_is_a_refusal_and_left_alone_for_a_while(
    service: Service, tmp_path: Path, settings: Settings, trouble: str
) -> None:
    Vault.open(settings).close()
    now = [0.0]
    named = kms.connect("shop") if isinstance(service, KmsDouble) else transit.Transit.of(settings)
    folder = EpochFolder(tmp_path / "keys" / "epochs.d")
    provider = ServiceProvider(folder, named, monotonic=lambda: now[0])
    service.trouble = trouble

    with pytest.raises(KeyUnavailable):
        provider.kek(1)
    asked = len(service.asked)
    with pytest.raises(KeyUnavailable):
        provider.kek(1)
    assert len(service.asked) == asked
    service.trouble = None
    service.silence.set()
    now[0] = QUIET_SECONDS + 1

    assert len(provider.kek(1)) == 32
    assert len(service.asked) == asked + 1


async def test_the_epoch_before_the_last_is_destroyed_for_good(service: Service, settings: Settings) -> None:
    vault = Vault.open(settings)
    key = await vault.create("a1" * 16, "visitor:a")
    folder = EpochFolder(Path(settings.keys.partition(":")[2]))
    old = json.loads(folder.path(1).read_bytes())
    await rotated(vault)
    await rotated(vault)

    await vault.rotation.destroy(1)
    await vault.rotation.destroy(1)

    named = kms.connect("shop") if isinstance(service, KmsDouble) else transit.Transit.of(settings)
    with pytest.raises(KeyGone):
        named.open(1, Record(**old))
    assert folder.epochs() == [2, 3]
    vault.close()
    again = Vault.open(settings)
    assert again.key(key.id, scope="a1" * 16, owner="visitor:a").check_value() == key.check_value()
    again.close()


@pytest.mark.parametrize("change", ["tenant", "epoch"])
def test_a_blob_that_was_taken_to_another_shop_or_epoch_does_not_open(
    service: Service, settings: Settings, change: str
) -> None:
    Vault.open(settings).close()
    record = Record(**json.loads(EpochFolder(Path(settings.keys.partition(":")[2])).path(1).read_bytes()))
    other = settings.model_copy(update={"tenant": "other"} if change == "tenant" else {})
    named = kms.connect(other.tenant) if isinstance(service, KmsDouble) else transit.Transit.of(other)

    with pytest.raises(WrapMismatch):
        named.open(2 if change == "epoch" else 1, record)


def test_no_secret_lies_in_the_folder_beside_us(service: Service, settings: Settings) -> None:
    vault = Vault.open(settings)
    secret = vault._epochs.provider.kek(1)
    vault.close()

    files = [path.read_bytes() for path in Path(settings.keys.partition(":")[2]).iterdir()]

    assert not [content for content in files if secret in content or TOKEN.encode() in content]


def test_a_disabled_key_of_kms_is_refused_with_what_to_do(kms_double: KmsDouble, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "var", keys=f"aws-kms:{tmp_path / 'keys' / 'epochs.d'}")
    Vault.open(settings).close()
    (key,) = kms_double.keys.values()

    key.state = "Disabled"
    with pytest.raises(StartRefused, match="key is disabled"):
        Vault.open(settings)
    key.state = "PendingDeletion"
    with pytest.raises(StartRefused, match="cancel the deletion"):
        Vault.open(settings)
    key.state = "Enabled"

    Vault.open(settings).close()


async def test_kms_begins_to_delete_when_the_epoch_ends_and_not_a_week_later(
    kms_double: KmsDouble, tmp_path: Path
) -> None:
    vault = Vault.open(Settings(data=tmp_path / "var", keys=f"aws-kms:{tmp_path / 'keys' / 'epochs.d'}"))

    await rotated(vault)

    assert [(key.state, key.days) for key in kms_double.keys.values()] == [("PendingDeletion", 7), ("Enabled", None)]
    assert vault._epochs.provider.epochs() == [1, 2]
    vault.close()


def test_vault_keeps_no_version_of_a_destroyed_epoch(vault_double: VaultDouble, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    named = transit.Transit("shop", vault_double.url, "transit", "aftercare", token)
    first, second = named.make(1), named.make(2)

    named.destroy(first.record)
    named.destroy(first.record)

    assert min(vault_double.versions) == 3
    assert named.open(2, second.record) == second.secret


def test_a_wrong_token_is_a_service_that_does_not_answer(vault_double: VaultDouble, tmp_path: Path) -> None:
    named = transit.Transit("shop", vault_double.url, "transit", "aftercare", tmp_path / "token")

    with pytest.raises(KeyUnavailable):
        named.make(1)
    named.token_file.write_text("hvs.another")
    with pytest.raises(KeyUnavailable):
        named.make(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vault_url": "http://vault.example:8200"}, "https"),
        ({"vault_url": None}, "https"),
        ({"vault_token_file": None}, "TOKEN_FILE"),
        ({"vault_key": "aftercare"}, "VAULT_KEY"),
        ({"vault_key": "transit/../sys/seal"}, "VAULT_KEY"),
    ],
)
def test_vault_settings_that_will_not_do_are_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    good = Settings(data=tmp_path, vault_url="https://vault.example:8200", vault_token_file=tmp_path / "token")

    with pytest.raises(StartRefused, match=words):
        transit.Transit.of(good.model_copy(update=change))


def test_without_its_library_kms_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(StartRefused, match=r"aftercare\[aws\]"):
        importlib.reload(kms)

    monkeypatch.undo()
    importlib.reload(kms)


async def test_a_whole_life_over_a_kms_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://{host}:{port}")
    monkeypatch.setattr(kms, "ANSWER_SECONDS", 10)
    try:
        settings = Settings(data=tmp_path / "var", keys=f"aws-kms:{tmp_path / 'keys' / 'epochs.d'}")
        vault = Vault.open(settings)
        key = await vault.create("a1" * 16, "visitor:a")
        sealed = envelope.seal(key, Kind.MESSAGE, b"", b"hello")
        await rotated(vault)
        await rotated(vault)
        await vault.rotation.destroy(1)
        vault.close()

        again = Vault.open(settings)
        opened = again.key(key.id, scope="a1" * 16, owner="visitor:a")

        assert envelope.unseal(opened, Kind.MESSAGE, b"", sealed) == b"hello"
        again.close()
        client = boto3.client("kms", endpoint_url=f"http://{host}:{port}")
        states = [client.describe_key(KeyId=each["KeyId"])["KeyMetadata"] for each in client.list_keys()["Keys"]]
        assert sorted(each["KeyState"] for each in states) == ["Enabled", "PendingDeletion", "PendingDeletion"]
    finally:
        server.stop()
