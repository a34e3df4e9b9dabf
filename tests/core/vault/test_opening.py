"""The vault opens with the right keys or not at all, and says what to put back."""

import base64
import os
import shutil
from pathlib import Path

import pytest

from core.settings import Settings
from core.vault import StartRefused, Vault
from core.vault.keyfiles import EpochFolder, write_key
from core.vault.providers import EnvProvider, FileProvider, open_provider
from tests.core.vault.conftest import Open

A_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def keys(settings: Settings) -> Path:
    """The key directory."""
    return Path(settings.keys.removeprefix("file:"))


def used(settings: Settings) -> None:
    """Open the vault once and close it, as a first run does."""
    Vault.open(settings).close()


def sentence(settings: Settings) -> str:
    """What the operator is told when the start is refused; nothing may have changed by it."""
    before = snapshot(settings)
    with pytest.raises(StartRefused) as refused:
        Vault.open(settings)
    assert snapshot(settings) == before
    return str(refused.value)


def snapshot(settings: Settings) -> dict[Path, bytes]:
    keys = Path(settings.keys.removeprefix("file:")).parent
    files = [path for folder in (settings.data, keys) if folder.exists() for path in sorted(folder.rglob("*"))]
    return {path: path.read_bytes() for path in files if path.is_file() and path.name != "keys.db.lock"}


def test_the_first_run_makes_keys_that_only_we_can_read(settings: Settings, keys: Path) -> None:
    used(settings)

    modes = {str(path.relative_to(keys.parent)): path.stat().st_mode & 0o777 for path in keys.parent.rglob("*")}
    assert modes == {
        "kek.d": 0o700,
        "kek.d/epoch-00000001.key": 0o400,
        "kek.d/keystore": 0o400,
        "sign.d": 0o700,
        "sign.d/audit.key": 0o400,
        "sign.d/export.key": 0o400,
    }


@pytest.mark.clause("5(1)3")
def test_a_start_finishes_the_removal_of_an_epoch_that_a_crash_cut_short(
    settings: Settings, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(settings)
    folder = EpochFolder(keys)
    write_key(folder.path(2), os.urandom(32))

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(os, "fstat", crash)
        with pytest.raises(KeyboardInterrupt):
            folder.remove(2)
    left = len(list(keys.glob(".gone-*")))
    used(settings)

    assert left == 1
    assert sorted(path.name for path in keys.iterdir()) == ["epoch-00000001.key", "keystore"]


def test_a_missing_key_is_never_replaced(settings: Settings, keys: Path) -> None:
    used(settings)
    shutil.rmtree(keys)

    told = sentence(settings)

    assert "needs the key of epoch 1" in told
    assert "Put your copy of the key directory back" in told
    assert not keys.exists()


def test_a_wrong_key_is_refused(settings: Settings, keys: Path) -> None:
    used(settings)
    path = keys / "epoch-00000001.key"
    path.chmod(0o600)
    path.write_text(A_KEY)
    path.chmod(0o400)

    assert "it is the wrong key" in sentence(settings)


def test_a_key_file_with_something_else_in_it_is_refused(settings: Settings, keys: Path) -> None:
    used(settings)
    path = keys / "epoch-00000001.key"
    path.chmod(0o600)
    path.write_text("a shopping list")
    path.chmod(0o400)

    assert "does not hold a key" in sentence(settings)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("kek.d", 0o755),
        ("kek.d", 0o710),
        ("kek.d/epoch-00000001.key", 0o444),
        ("kek.d/epoch-00000001.key", 0o640),
        ("sign.d", 0o750),
        ("sign.d/audit.key", 0o404),
    ],
)
def test_keys_that_others_may_read_are_refused(settings: Settings, keys: Path, name: str, mode: int) -> None:
    used(settings)
    (keys.parent / name).chmod(mode)

    told = sentence(settings)

    assert f"{keys.parent / name} has mode {mode:04o}" in told
    assert "run: chmod 0" in told


def test_keys_of_another_user_are_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    used(settings)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)

    assert "belongs to another user" in sentence(settings)


def test_a_lost_keystore_is_not_replaced_by_an_empty_one(settings: Settings, keys: Path) -> None:
    used(settings)
    (settings.data / "keys.db").unlink()

    with pytest.raises(StartRefused, match="Put the newest copy"):
        Vault.open(settings)

    assert (keys / "epoch-00000001.key").exists()


def test_the_keystore_of_another_shop_is_refused(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data=tmp_path / "other", keys=f"file:{tmp_path / 'others' / 'kek.d'}")
    used(settings)
    used(other)
    shutil.copy(other.data / "keys.db", settings.data / "keys.db")

    assert "belong to another keystore" in sentence(settings)


def test_a_first_run_that_died_before_the_keystore_was_written_is_repaired(settings: Settings, keys: Path) -> None:
    FileProvider(keys, settings.data).create_epoch()

    used(settings)

    assert [path.name for path in sorted(keys.iterdir())] == ["epoch-00000001.key", "keystore"]


def test_a_first_run_that_died_before_the_keys_knew_their_keystore_is_repaired(settings: Settings, keys: Path) -> None:
    used(settings)
    known = (keys / "keystore").read_text()
    (keys / "keystore").unlink()

    used(settings)

    assert (keys / "keystore").read_text() == known


@pytest.mark.parametrize("name", ["export", "audit"])
def test_a_missing_signing_key_is_never_replaced(settings: Settings, keys: Path, name: str) -> None:
    used(settings)
    (keys.parent / "sign.d" / f"{name}.key").unlink()

    assert "is missing, but it has signed before" in sentence(settings)


def test_a_wrong_signing_key_is_refused(settings: Settings, keys: Path) -> None:
    used(settings)
    path = keys.parent / "sign.d" / "audit.key"
    path.chmod(0o600)
    path.write_text(A_KEY)
    path.chmod(0o400)

    assert "is not the key that signed before" in sentence(settings)


def test_keys_inside_the_data_folder_are_pointed_out(tmp_path: Path) -> None:
    vault = Vault.open(Settings(data=tmp_path))

    vault.close()

    assert len(vault.cautions) == 1
    assert "lie inside the data folder" in vault.cautions[0]


def test_a_key_file_is_never_overwritten(settings: Settings, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FileProvider(keys, settings.data)
    provider.create_epoch()
    before = provider.kek(1)
    monkeypatch.setattr(EpochFolder, "next", lambda _: 1)

    with pytest.raises(FileExistsError):
        provider.create_epoch()

    assert [path.name for path in keys.iterdir()] == ["epoch-00000001.key"]
    assert (keys / "epoch-00000001.key").read_bytes() == base64.b64encode(before) + b"\n"


def test_a_destroyed_epoch_is_gone_from_its_directory(settings: Settings, keys: Path) -> None:
    provider = FileProvider(keys, settings.data)
    epochs = [provider.create_epoch() for _ in range(3)]

    receipt = provider.destroy_epoch(1)

    assert receipt.is_destroyed
    assert (epochs, provider.epochs(), provider.current_epoch()) == ([1, 2, 3], [2, 3], 3)


def test_a_key_from_the_environment_works_in_development(tmp_path: Path, open_vault: Open) -> None:
    from_environment = Settings(data=tmp_path / "env", keys=f"env:{A_KEY}")
    used(from_environment)

    vault = Vault.open(from_environment)
    vault.close()

    assert "cannot be destroyed" in vault.cautions[0]


def test_another_key_from_the_environment_is_refused(tmp_path: Path) -> None:
    used(Settings(data=tmp_path, keys=f"env:{A_KEY}"))
    other = base64.b64encode(bytes(32)).decode()

    with pytest.raises(StartRefused, match="it is the wrong key") as refused:
        Vault.open(Settings(data=tmp_path, keys=f"env:{other}"))

    assert other not in str(refused.value)


def test_a_key_from_the_environment_is_refused_in_production_unless_forced(tmp_path: Path) -> None:
    def choose(keys: str) -> object:
        chosen = Settings(data=tmp_path, keys=keys)
        object.__setattr__(chosen, "mode", "production")  # without all the rest that production needs
        return open_provider(chosen)

    with pytest.raises(StartRefused, match="is for development") as refused:
        choose(f"env:{A_KEY}")

    assert A_KEY not in str(refused.value)
    assert isinstance(choose(f"env-forced:{A_KEY}"), EnvProvider)


@pytest.mark.parametrize("keys", ["env:", "env:c2hvcnQ=", "file:", "kek.d", "s3:bucket", "aws-kms:", "vault-transit:"])
def test_a_provider_that_we_do_not_know_is_refused(keys: str, tmp_path: Path) -> None:
    with pytest.raises(StartRefused):
        open_provider(Settings(data=tmp_path, keys=keys))
