"""Languages: gettext catalogues, the language of a request, and dates, times and money in it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import HTTPConnection

from core.settings import ROOT

LANGUAGES = {"en": "en", "zh-Hant": "zh_Hant_TW"}
NAMES = {"en": "English", "zh-Hant": "繁體中文"}


def load(folder: Path = ROOT / "locales") -> Mapping[str, NullTranslations]:
    """Read every catalogue; the files of one language are merged, each area of the product has its own."""
    return {lang: _merge(folder / name) for lang, name in LANGUAGES.items()}


def _merge(folder: Path) -> NullTranslations:
    whole = Catalog(locale=folder.name, fuzzy=False)
    for file in sorted(folder.glob("*.po")):
        with file.open("rb") as lines:
            for message in read_po(lines, locale=folder.name):
                if message.id and message.string and not message.fuzzy:
                    whole.add(message.id, message.string)
    if not len(whole):
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return GNUTranslations(compiled)


CATALOGUES = load()


def negotiate(connection: HTTPConnection) -> str:
    """The language of a request: `?lang=`, else what staff chose, else `Accept-Language`, else English."""
    asked = connection.query_params.get("lang", "")
    if asked in LANGUAGES:
        return asked
    chosen = getattr(connection.state, "language", None)
    if chosen in LANGUAGES:
        return str(chosen)
    for part in connection.headers.get("accept-language", "").lower().split(","):
        tag = part.split(";")[0].strip()
        if tag.startswith("zh"):
            return "zh-Hant"
        if tag.startswith("en"):
            return "en"
    return "en"


def gettext(lang: str, msgid: str) -> str:
    """The sentence in that language."""
    return CATALOGUES[lang].gettext(msgid) if msgid else ""


@dataclass(frozen=True)
class Formats:
    """Dates, times and money as people of one language read them, in the shop's zone and currency."""

    lang: str
    zone: str
    currency: str

    @property
    def locale(self) -> Locale:
        return Locale.parse(LANGUAGES[self.lang])

    def _moment(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(ZoneInfo(self.zone))

    def day(self, at_ms: int) -> str:
        """For example `20 Nov 2026` or `2026年11月20日`."""
        pattern = "d MMM y" if self.lang == "en" else "long"
        return dates.format_date(self._moment(at_ms), pattern, locale=self.locale)

    def clock_time(self, at_ms: int) -> str:
        """For example `14:05`."""
        return self._moment(at_ms).strftime("%H:%M")

    def moment(self, at_ms: int) -> str:
        """Day and time."""
        return f"{self.day(at_ms)} {self.clock_time(at_ms)}"

    def iso(self, at_ms: int) -> str:
        """For the `datetime` attribute of `<time>`."""
        return self._moment(at_ms).isoformat(timespec="seconds")

    def money(self, amount: Decimal | str, currency: str | None = None) -> str:
        """For example `NT$1,280` (no cents where the currency is quoted without)."""
        code = currency or self.currency
        pattern = "#,##0" if code in {"TWD", "JPY", "KRW"} else "#,##0.00"
        symbol = "NT$" if code == "TWD" else numbers.get_currency_symbol(code, locale="en")
        return symbol + numbers.format_decimal(Decimal(amount), format=pattern, locale="en")
