"""The readable copy: records in, one page out; no input or output here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.holdings import CopyFile, Holding, Record
from core.services import Core
from core.web import i18n
from core.web.rendering import environment


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


def page(
    core: Core, sections: Sequence[tuple[Holding, Sequence[Record]]], files: Sequence[CopyFile], facts: dict[str, Any]
) -> str:
    """The page `index.html` of a copy, in the person's language; it needs nothing but the files beside it."""
    lang = "zh-Hant" if str(facts["locale"]).lower().startswith("zh") else "en"
    return (
        environment(lang)
        .get_template("export/copy.html")
        .render(
            lang=lang,
            facts=facts,
            policy=core.policy,
            sections=[_section(holding, records) for holding, records in sections],
            files={file.name: file for file in files},
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
