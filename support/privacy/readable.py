"""The readable copy: records in, pages out; no input or output here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.holdings import CopyFile, Holding, Record
from core.services import Core
from core.web import i18n
from core.web.rendering import environment

PAGE = "index.html"


@dataclass(frozen=True)
class Thread:
    """One conversation: what it was about, and its lines in order."""

    head: Record
    lines: Sequence[Record]


@dataclass(frozen=True)
class Section:
    """One holding's part: conversations, or else rows."""

    holding: Holding
    threads: Sequence[Thread]
    rows: Sequence[Record]
    columns: Sequence[str]


class Copied(Protocol):
    """What a page is drawn from."""

    @property
    def sections(self) -> Sequence[tuple[Holding, Sequence[Record]]]: ...

    @property
    def files(self) -> Sequence[CopyFile]: ...


def pages(core: Core, contents: Copied, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Every page of a copy with its name: `index.html` in the person's language, and the same in each other one."""
    own = "zh-Hant" if str(facts["locale"]).lower().startswith("zh") else "en"
    names = {lang: PAGE if lang == own else f"index.{lang}.html" for lang in i18n.LANGUAGES}
    return [(name, _page(core, contents, facts, lang, names)) for lang, name in names.items()]


def _page(core: Core, contents: Copied, facts: dict[str, Any], lang: str, names: Mapping[str, str]) -> str:
    """One page; it needs nothing but the files beside it."""
    return (
        environment(lang)
        .get_template("export/copy.html")
        .render(
            lang=lang,
            others={name: i18n.NAMES[code] for code, name in names.items() if code != lang},
            facts=facts,
            policy=core.policy,
            sections=[_section(holding, records) for holding, records in contents.sections],
            files={file.name: file for file in contents.files},
            formats=i18n.Formats(lang, core.settings.time_zone, core.settings.currency),
        )
    )


def _section(holding: Holding, records: Sequence[Record]) -> Section:
    threaded = {record.thread for record in records if record.thread}
    heads = [record for record in records if record.thread is None and record.id in threaded]
    rows = [record for record in records if record.thread is None and record.id not in threaded]
    threads = [Thread(head, [line for line in records if line.thread == head.id]) for head in heads]
    columns = list(dict.fromkeys(name for row in rows for name in row.fields))
    return Section(holding, threads, rows, columns)
