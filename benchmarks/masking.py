"""How well personal data are found in free text, by kind: `python -m benchmarks.masking FILE`.

FILE holds labelled texts: a JSON list of `{"full_text", "spans": [{"entity_type", "start_position", "end_position"}]}`.
Without it only the texts of Taiwan are scored, which are made here from a seed, with numbers among them that look
like personal data and are none. Recall is the share of labelled characters that were covered, by kind; precision the
share of found spans that touch a label of their kind.
"""

import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from core import masking
from core.masking import Span

SEED = 20231011
TEXTS = 2_000
KINDS = {"CREDIT_CARD": "card", "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "STREET_ADDRESS": "address"}
LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


@dataclass(frozen=True)
class Labelled:
    """A text and where personal data stand in it."""

    text: str
    labels: Sequence[Span]


@dataclass
class Score:
    """Of one kind: labelled, found and true, in spans, and the labelled characters that were covered."""

    labels: int = 0
    covered: int = 0
    signs: int = 0
    found: int = 0
    right: int = 0

    @property
    def recall(self) -> float | None:
        return self.covered / self.signs if self.signs else None

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None


def score(texts: Sequence[Labelled]) -> dict[str, Score]:
    """The scores by kind; what is found counts against the labels of its own kind, what is covered by any kind."""
    scores = {kind: Score() for kind in masking.LABELS}
    for text in texts:
        found = masking.find_spans(text.text)
        hidden = {place for span in found for place in range(span.start, span.stop)}
        for label in text.labels:
            mine = scores[label.kind]
            mine.labels += 1
            mine.signs += label.stop - label.start
            mine.covered += len(hidden & set(range(label.start, label.stop)))
        for span in found:
            scores[span.kind].found += 1
            scores[span.kind].right += any(_touches(span, label) for label in text.labels)
    return scores


def _touches(span: Span, label: Span) -> bool:
    return span.kind == label.kind and span.start < label.stop and label.start < span.stop


def labelled(path: Path) -> list[Labelled]:
    """The texts of a file, with the labels of our kinds; a number that fails its own check is no card."""
    texts = json.loads(path.read_text())
    return [Labelled(text["full_text"], list(_labels(text["spans"]))) for text in texts]


def _labels(spans: Sequence[dict[str, object]]) -> Iterator[Span]:
    for span in spans:
        kind = KINDS.get(str(span["entity_type"]))
        digits = "".join(sign for sign in str(span["entity_value"]) if sign.isdigit())
        if kind is not None and (kind != "card" or masking.is_card(digits)):
            yield Span(int(str(span["start_position"])), int(str(span["end_position"])), kind)


# ---------------------------------------------------------------- texts of Taiwan, made from a seed


def taiwanese(count: int, seed: int = SEED) -> list[Labelled]:
    """Messages as shoppers in Taiwan write them, each with one piece of personal data and one number that is none."""
    source = random.Random(seed)
    return [_message(source) for _ in range(count)]


def _message(source: random.Random) -> Labelled:
    kind, value = source.choice(MAKERS)(source)
    before, after = source.choice(FRAMES)
    text = f"{before}{value}{after}{_distraction(source)}"
    return Labelled(text, [Span(len(before), len(before) + len(value), kind)])


FRAMES = (
    ("你好,我的資料是", ",謝謝。"),
    ("請改成 ", " 這個,麻煩了 "),
    ("Please use ", " instead. "),
    ("聯絡方式：", "\n"),
    ("", " 可以嗎?"),
)


def _distraction(source: random.Random) -> str:
    return source.choice(
        (
            f"訂單 ML-{source.randint(1000, 9999)}",
            f"2026/{source.randint(1, 12):02}/{source.randint(1, 28):02} 下午{source.randint(1, 9)}點到貨",
            f"金額 NT${source.randint(1, 99)},{source.randint(0, 999):03}",
            f"物流單號 {source.randint(10**11, 10**12 - 1)}",
            f"商品編號 SKU{source.randint(10000, 99999)}",
            f"Tracking {source.choice('RX')}{source.choice('AE')}{source.randint(10**8, 10**9 - 1)}TW",
        )
    )


def _digits(source: random.Random, count: int) -> str:
    return "".join(source.choice("0123456789") for _ in range(count))


def _mobile(source: random.Random) -> tuple[str, str]:
    digits = "09" + _digits(source, 8)
    shapes = (
        digits,
        f"{digits[:4]}-{digits[4:7]}-{digits[7:]}",
        f"{digits[:4]} {digits[4:]}",
        f"+886 {digits[1:4]} {digits[4:]}",
    )
    return "phone", source.choice(shapes)


def _landline(source: random.Random) -> tuple[str, str]:
    local = source.choice("2345678") + _digits(source, 7)
    return "phone", source.choice((f"02-{local[:4]}-{local[4:]}", f"(02){local}", f"02 {local}", f"+886-2-{local}"))


def _identity(source: random.Random) -> tuple[str, str]:
    """A national number (1, 2) or a resident's of either form (8, 9 or a second letter), with a right check digit."""
    second = source.choice(("1", "2", "8", "9", "A", "B", "C", "D"))
    body = source.choice(LETTERS) + second + _digits(source, 7)
    return "tw_id", next(body + check for check in "0123456789" if masking.is_tw_id(body + check))


def _address(source: random.Random) -> tuple[str, str]:
    place = source.choice(
        ("台北市大安區", "新北市板橋區", "高雄市前鎮區", "臺中市西屯區", "花蓮縣花蓮市", "新竹縣竹北市")
    )
    road = source.choice(("和平東路一段", "中山路二段", "民生路", "文化三街", "光明六路東一段"))
    house = f"{source.randint(1, 300)}號"
    return "address", place + road + house + source.choice(("", "3樓", "12樓之2"))


def _email(source: random.Random) -> tuple[str, str]:
    name = "".join(source.choice("abcdefghijklmnopqrstuvwxyz.") for _ in range(8)).strip(".") or "a"
    return "email", f"{name}{source.randint(1, 99)}@{source.choice(('gmail.com', 'yahoo.com.tw', 'ntu.edu.tw'))}"


def _card(source: random.Random) -> tuple[str, str]:
    body = source.choice(("4", "51", "3528", "62")) + _digits(source, 15)
    body = body[:15]
    number = next((body + check for check in "0123456789" if masking.is_card(body + check)), "4242424242424242")
    between = source.choice(("", " ", "-"))
    return "card", between.join(number[at : at + 4] for at in range(0, 16, 4))


MAKERS = (_mobile, _landline, _identity, _address, _email, _card)


def table(title: str, scores: dict[str, Score]) -> Table:
    """The scores, a row for each kind that has labels or finds."""
    drawn = Table("kind", "labelled", "recall", "precision", title=title)
    for kind, each in scores.items():
        if each.labels or each.found:
            drawn.add_row(kind, str(each.labels), _share(each.recall), _share(each.precision))
    return drawn


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    """Print a table for the texts of Taiwan and, when a file is named, for its texts; then both as a line of JSON."""
    console, results = Console(), {"taiwan": score(taiwanese(TEXTS))}
    for name in sys.argv[1:]:
        results[Path(name).stem] = score(labelled(Path(name)))
    for title, scores in results.items():
        console.print(table(title, scores))
    shown = {title: {kind: (s.recall, s.precision) for kind, s in scores.items()} for title, scores in results.items()}
    print(msgspec.json.encode(shown).decode())


if __name__ == "__main__":
    main()
