"""Settings: everything an operator may choose, read from the environment once, at the start."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What the operator chose; `docs/operations.md` explains each, and a test keeps it so."""

    model_config = SettingsConfigDict(env_prefix="AFTERCARE_", extra="ignore", frozen=True, populate_by_name=True)

    mode: Literal["development", "production"] = "development"
    data: Path = Path("var")
    database_url: str = ""
    keystore_url: str = ""
    redis_url: str | None = None
    media_url: str = ""
    keys: str = ""
    key_backups: Path | None = None
    vault_url: str | None = None
    vault_key: str = "transit/aftercare"
    vault_token_file: Path | None = None
    smtp_url: str | None = None
    mail_from: str = "support@localhost"
    public_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, validation_alias=AliasChoices("PORT", "AFTERCARE_PORT", "port"), ge=1, le=65535)
    policy: Path = ROOT / "policy" / "2023-10-11.toml"
    clause_record: Path = ROOT / "build" / "clauses.json"
    shop_name: str = "Morning Light"
    controller_name: str = "Morning Light Ltd."
    contact_email: str = "privacy@example.com"
    allowed_frames: list[str] = []
    trusted_proxies: list[str] = []
    tenant: str = "shop"
    time_zone: str = "Asia/Taipei"
    currency: str = "TWD"
    message_rate: float = Field(
        default=1.0, gt=0, description="messages a second one shopper may send, in the long run"
    )
    message_burst: int = Field(default=10, ge=1)
    start_rate: int = Field(default=0, ge=0, description="chats that one network may open a minute")
    metrics_token: str | None = None

    @model_validator(mode="after")
    def fill_in(self) -> Self:
        """Derive what was not chosen from the data folder and the port."""
        data = self.data.resolve()
        chosen = {
            "data": data,
            "database_url": self.database_url or f"sqlite:///{data / 'data.db'}",
            "keystore_url": self.keystore_url or f"sqlite:///{data / 'keys.db'}",
            "media_url": self.media_url or f"file://{data / 'media'}",
            "keys": self.keys or f"file:{data / 'kek.d'}",
            "start_rate": self.start_rate or (20 if self.is_production else 600),
            "public_url": (self.public_url or f"http://localhost:{self.port}").rstrip("/"),
        }
        for name, value in chosen.items():
            object.__setattr__(self, name, value)
        return self

    @model_validator(mode="after")
    def name_the_controller(self) -> Self:
        """In production nobody is served in the name of the demo shop, and no cookie goes over plain http (3(1))."""
        if not self.is_production:
            return self
        unnamed = {"shop_name", "controller_name", "contact_email"} - self.model_fields_set
        if unnamed:
            names = ", ".join(sorted(f"AFTERCARE_{name.upper()}" for name in unnamed))
            raise ValueError(f"production mode needs {names}: the policy must name who is responsible")
        if not self.public_url.startswith("https://"):
            raise ValueError("production mode needs AFTERCARE_PUBLIC_URL with https://")
        return self

    @property
    def is_production(self) -> bool:
        """Whether the shortcuts made for trying out are shut."""
        return self.mode == "production"

    @property
    def is_embedded(self) -> bool:
        """Whether the data lives in one SQLite file, and so in one serving process."""
        return self.database_url.startswith("sqlite")

    @property
    def origin(self) -> str:
        """Scheme, host and port as a browser writes them in `Origin`."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"
