"""Settings: what an operator may choose, and what production will not start without."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from core.settings import Settings

NAMED = {"shop_name": "Dawn", "controller_name": "Dawn Ltd.", "contact_email": "privacy@dawn.example"}


def test_everything_lies_in_the_data_folder_unless_chosen(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)

    assert settings.database_url == f"sqlite:///{tmp_path}/data.db"
    assert settings.keystore_url == f"sqlite:///{tmp_path}/keys.db"
    assert settings.keys == f"file:{tmp_path}/kek.d"


def test_the_port_is_taken_from_PORT(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9123")

    assert Settings().port == 9123
    assert Settings().origin == "http://localhost:9123"


@pytest.mark.clause("preface")
@pytest.mark.parametrize("missing", list(NAMED))
def test_production_does_not_start_without_naming_who_is_responsible(missing: str) -> None:
    named = {name: value for name, value in NAMED.items() if name != missing}

    with pytest.raises(ValidationError, match=missing.upper()):
        Settings.model_validate({"mode": "production", "public_url": "https://help.dawn.example", **named})


@pytest.mark.clause("3(1)")
def test_production_does_not_start_on_plain_http() -> None:
    with pytest.raises(ValidationError, match="https"):
        Settings.model_validate({"mode": "production", "public_url": "http://help.dawn.example", **NAMED})


def test_production_starts_when_everything_is_said() -> None:
    settings = Settings.model_validate({"mode": "production", "public_url": "https://help.dawn.example/", **NAMED})

    assert settings.is_production
    assert settings.origin == "https://help.dawn.example"
