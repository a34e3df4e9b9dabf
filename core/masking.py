"""Masking: what staff see of personal data until they say why they need more (clause 3(1)).

Pure. Two halves: fields whose kind is known, and free text in which spans are looked for. The server masks; nothing
is sent in the clear to be hidden by a page.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import phonenumbers

REGION = "TW"
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_DISTRICT = re.compile(r"^(?:\d{3,6}\s*)?(.{1,6}?[市縣].{1,5}?[區鄉鎮市])")
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}")
_TW_ID = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][1289A-Da-d]\d{8}(?![A-Za-z0-9])")
_DIGIT = re.compile(r"\d")
_DIGITS = b"0123456789"
_DIGIT_RUN = re.compile(r"(?<![0-9])[0-9](?:[\s.,·/_*‐‑–—-]{0,3}[0-9]){12,63}(?![0-9])")
_ADDRESS = re.compile(
    r"(?:\d{3,6}\s*)?(?:[台臺][北中南東]|新北|桃園|高雄|基隆|新竹|嘉義|苗栗|彰化|南投|雲林|屏東|宜蘭|花蓮|澎湖|金門|連江)[市縣][\u4e00-\u9fff]{1,4}[區鄉鎮市]"
    r"[\u4e00-\u9fff0-9０-９一二三四五六七八九十之\-－]{0,30}?[0-9０-９一二三四五六七八九十]+號"
    r"(?:[0-9０-９一二三四五六七八九十]+樓)?(?:之[0-9０-９一二三四五六七八九十]+)?"
)
_GROUPED = re.compile(
    r"(?<![\w/.#-])(?:(?:\+|00)\d{1,3}[ .-]?)?(?:\(0?\d{1,4}\)[ .-]?)?"
    r"\d{1,4}(?:[ .-]\d{2,5}){1,5}(?:x\d{1,5})?(?![\w/-])"
)
_DATE = re.compile(r"(?:19|20)\d\d[ .-]\d{1,2}[ .-]\d{1,2}(?!\d)|\d{1,2}[ .-]\d{1,2}[ .-](?:19|20)\d\d(?!\d)")
_ID_LETTERS = {letter: 10 + place for place, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}

_BRANDS: tuple[tuple[Callable[[str], bool], frozenset[int]], ...] = (
    (lambda digits: digits[0] == "4", frozenset({13, 16, 19})),  # Visa
    (lambda digits: 51 <= int(digits[:2]) <= 55 or 2221 <= int(digits[:4]) <= 2720, frozenset({16})),  # Mastercard
    (lambda digits: digits[:2] in {"34", "37"}, frozenset({15})),  # American Express
    (lambda digits: 3528 <= int(digits[:4]) <= 3589, frozenset({16, 17, 18, 19})),  # JCB
    (lambda digits: digits[:4] == "6011" or digits[:2] == "65" or 644 <= int(digits[:3]) <= 649, frozenset({16, 19})),
    (lambda digits: digits[:2] in {"36", "38", "39"} or 300 <= int(digits[:3]) <= 305, frozenset({14, 16})),  # Diners
    (lambda digits: digits[:2] in {"62", "81"}, frozenset({16, 17, 18, 19})),  # UnionPay
    (lambda digits: digits[:2] in {"50", "56", "57", "58", "63", "67"}, frozenset({16, 17, 18, 19})),  # Maestro
    (lambda digits: digits[:4] in {"1800", "2131"}, frozenset({15})),  # JCB, older
)


def _(msgid: str) -> str:
    """Mark words for the catalogues; whoever shows them translates them."""
    return msgid


LABELS = {
    "card": _("[card number]"),
    "tw_id": _("[ID number]"),
    "email": _("[e-mail address]"),
    "address": _("[address]"),
    "phone": _("[phone number]"),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text that is of a kind: `text[start:stop]`."""

    start: int
    stop: int
    kind: str


def mask_name(name: str) -> str:
    """王小明 → 王○明, 陳明 → 陳○, John Smith → J*** S."""
    plain = name.strip()
    if not plain:
        return ""
    if _HAN.match(plain):
        signs = plain.replace(" ", "")
        if len(signs) == 1:
            return "○"
        return f"{signs[0]}{'○' * (len(signs) - 2)}{signs[-1]}" if len(signs) > 2 else f"{signs[0]}○"
    words = plain.split()
    first = f"{words[0][0]}***"
    return f"{first} {words[-1][0]}." if len(words) > 1 else first


def mask_phone(number: str) -> str:
    """0912-345-678 → 09**-***-678; what is no phone number of the region keeps its last three digits."""
    digits = [sign for sign in unicodedata.normalize("NFKC", number) if sign.isdigit()]
    if len(digits) < 6:
        return "***"
    last = "".join(digits[-3:])
    is_mobile = len(digits) == 10 and digits[:2] == ["0", "9"]
    return f"09**-***-{last}" if is_mobile else f"***-***-{last}"


def mask_email(address: str) -> str:
    """amy@gmail.com → a***@g***.com"""
    local, _, host = address.rpartition("@")
    name, _, ending = host.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***.{ending}"


def mask_address(address: str) -> str:
    """台北市大安區和平東路一段1號 → 台北市大安區***; an address we cannot read is hidden."""
    plain = unicodedata.normalize("NFKC", address).strip()
    known = _DISTRICT.match(plain)
    return f"{known.group(1)}***" if known else "***"


def mask_tw_id(number: str) -> str:
    """A123456789 → A1*****789"""
    return f"{number[:2]}*****{number[-3:]}" if len(number) == 10 else "***"


def mask_card(number: str) -> str:
    """4242 4242 4242 4242 → **** 4242; more is never shown to anybody."""
    digits = "".join(sign for sign in number if sign.isdigit())
    return f"**** {digits[-4:]}"


def mask_channel_id(identifier: str) -> str:
    """U12345678f → U12…9f-like: the first three and the last two characters."""
    return f"{identifier[:3]}…{identifier[-2:]}" if len(identifier) > 7 else "…"


def mask_text(text: str, label: Callable[[str], str]) -> str:
    """The text with every span replaced by what it is, such as ［電話］; `label` translates an entry of LABELS."""
    return _replace(text, find_spans(text), lambda span: label(LABELS[span.kind]))


def mask_cards(text: str) -> str:
    """The text as it may be stored: card numbers reduced to their last four digits, for everybody and for ever."""
    return _replace(text, find_cards(text), lambda span: mask_card(_plain_digits(text[span.start : span.stop])))


def find_spans(text: str) -> list[Span]:
    """Every piece that looks like a card, a Taiwan ID, an e-mail address, a postal address or a phone number."""
    found = [*find_cards(text), *_tw_ids(text), *_emails(text), *_addresses(text), *_phones(text)]
    apart: list[Span] = []
    for span in found:  # earlier kinds win where two overlap
        if all(span.stop <= other.start or span.start >= other.stop for other in apart):
            apart.append(span)
    return sorted(apart, key=lambda span: span.start)


def find_cards(text: str) -> list[Span]:
    """Payment card numbers: 13 to 19 digits, however spaced, with a known beginning and a right check digit."""
    if not has_digits(text):  # most of what people write
        return []
    plain = _plain_digits(text)
    return [card for run in _DIGIT_RUN.finditer(plain) for card in _cards_in(run.group(), run.start())]


def has_digits(text: str) -> bool:
    """Whether it has a decimal digit, of whatever script; a few times quicker than a search when it is all ASCII."""
    if text.isascii():
        return len(text.encode().translate(None, _DIGITS)) < len(text)
    return _DIGIT.search(text) is not None


def is_tw_id(number: str) -> bool:
    """Whether this is a national or resident number of Taiwan with a right check digit."""
    if not _TW_ID.fullmatch(number):
        return False
    letter = _ID_LETTERS[number[0].upper()]
    second = number[1] if number[1].isdigit() else str(_ID_LETTERS[number[1].upper()] % 10)
    weighted = zip(second + number[2:9], range(8, 0, -1), strict=True)
    total = letter // 10 + letter % 10 * 9 + sum(int(digit) * weight for digit, weight in weighted)
    return (total + int(number[9])) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether the digits begin and count like a card of a known brand and pass the Luhn check."""
    return any(len(digits) in counts and begins(digits) for begins, counts in _BRANDS) and _luhn(digits)


def _cards_in(run: str, offset: int) -> Iterator[Span]:
    """The cards among groups of digits: a card begins and ends where a group does, the longest first."""
    groups = list(re.finditer(r"[0-9]+", run))
    first = 0
    while first < len(groups):
        for last in range(len(groups) - 1, first - 1, -1):
            start, stop = groups[first].start(), groups[last].end()
            if is_card("".join(sign for sign in run[start:stop] if sign.isdigit())):
                yield Span(offset + start, offset + stop, "card")
                first = last
                break
        first += 1


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(int(digit) for digit in digits[::-2]) + sum(two - 9 if two > 9 else two for two in doubled)) % 10 == 0


def _tw_ids(text: str) -> list[Span]:
    plain = _plain_digits(text)
    return [Span(*found.span(), "tw_id") for found in _TW_ID.finditer(plain) if is_tw_id(found.group())]


def _emails(text: str) -> list[Span]:
    return [Span(*found.span(), "email") for found in _EMAIL.finditer(text)]


def _addresses(text: str) -> list[Span]:
    return [Span(*found.span(), "address") for found in _ADDRESS.finditer(text)]


def _phones(text: str) -> list[Span]:
    """Numbers of the region, and whatever is written in groups as numbers of elsewhere are, unless it is a date."""
    plain = _plain_digits(text)
    matches = phonenumbers.PhoneNumberMatcher(plain, REGION)
    known = [Span(match.start, match.end, "phone") for match in matches]
    grouped = [found for found in _GROUPED.finditer(plain) if _may_be_phone(found.group())]
    return [*known, *(Span(*found.span(), "phone") for found in grouped)]


def _may_be_phone(written: str) -> bool:
    digits = sum(sign.isdigit() for sign in written.partition("x")[0])
    groups = len(re.findall(r"\d+", written))
    return 8 <= digits <= 15 and (groups > 2 or written[0] in "+0(") and not _DATE.match(written)


def _plain_digits(text: str) -> str:
    """The text with every decimal digit of any script as ASCII, sign for sign, so that places stay the same."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def _replace(text: str, spans: list[Span], instead: Callable[[Span], str]) -> str:
    parts: list[str] = []
    done = 0
    for span in spans:
        parts += (text[done : span.start], instead(span))
        done = span.stop
    return "".join((*parts, text[done:]))
