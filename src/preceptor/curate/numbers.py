"""The numbers of a text, so that 5.0, "five" and 5 mg can be compared. Words are English."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


def _words(text: str) -> list[str]:
    return text.split()


_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_CARDINALS = {word: value for value, word in enumerate(_ONES)}
_CARDINALS |= {word: 20 + 10 * place for place, word in enumerate(_TENS)}
_ORDINALS = _words(
    "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_PARTS = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "tenth": 1 / 10}
_VAGUE = {
    0: "zero no none nil nothing",
    1: "one once single another each per every daily weekly monthly yearly annually hourly nightly",
    2: "both couple pair double doubled doubling",
    3: "triple tripled",
    12: "noon midnight",
}
_SPELT = {
    ("mg", 1e-3): "mcg ug µg μg microgram micrograms",
    ("mg", 1.0): "mg mgs milligram milligrams",
    ("mg", 1e3): "g gm gram grams",
    ("mg", 1e6): "kg kgs kilo kilos kilogram kilograms",
    ("lb", 1.0): "lb lbs pound pounds £",
    ("ml", 1.0): "ml mls cc milliliter milliliters millilitre millilitres",
    ("ml", 100.0): "dl deciliter deciliters decilitre decilitres",
    ("ml", 1e3): "l liter liters litre litres",
    ("mm", 1.0): "mm millimeter millimeters millimetre millimetres",
    ("mm", 10.0): "cm centimeter centimeters centimetre centimetres",
    ("mm", 1e3): "meter meters metre metres",
    ("mm", 1e6): "km kilometer kilometers kilometre kilometres",
    ("inch", 1.0): "inch inches",
    ("inch", 12.0): "ft foot feet",
    ("mile", 1.0): "mile miles",
    ("minute", 1 / 60): "sec secs second seconds",
    ("minute", 1.0): "min mins minute minutes",
    ("minute", 60.0): "h hr hrs hour hours",
    ("minute", 1440.0): "day days",
    ("minute", 10080.0): "wk wks week weeks",
    ("month", 1.0): "mo mos month months",
    ("month", 12.0): "yr yrs year years",
    ("month", 120.0): "decade decades",
    ("share", 0.01): "% percent pct",
    ("dollar", 1.0): "$ dollar dollars buck bucks usd",
    ("euro", 1.0): "€ euro euros eur",
    ("degree", 1.0): "° degree degrees",
    ("unit", 1.0): "unit units iu",
    ("am", 1.0): "am",
    ("pm", 1.0): "pm",
}
_UNITS = {word: unit for unit, words in _SPELT.items() for word in words.split()}
_COUNTED = "minute hour day week month year decade"
"""units that "a" may count ("a week"); "a second" may be a moment"""
_ROUNDED = 0.015
"""a third is 33 %, and 2 in 3 are 67 %"""


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_SMALL = rf"(?:(?:{_any(_TENS)})(?:[\s-](?:{_any(_ONES[1:10])}))?|(?:{_any(_ONES)}))(?![a-z])"  # 25
_SCALE = rf"(?:{_any(_SCALES)})\b"
_RUN = re.compile(
    rf"\b(?:an?\s+{_SCALE}|{_SMALL})"
    rf"(?:[\s-]{_SCALE}|(?:(?<=hundred)|(?<=thousand)|(?<=million))\s(?:and\s)?{_SMALL})*"
)
_ORDINAL = re.compile(rf"(?<!\ba )(?<!\bone )\b({_any(_ORDINALS)})\b(?!\s(?:of|party)\b)")
_ONE_UNIT = re.compile(rf"\bone(?=[\s-](?:{_any(set(_UNITS) - set(_COUNTED.split()))})\b)")
_CODE = re.compile(r"\b(?:[A-Za-z]+\d\w*|(?:[A-Z]|[A-Za-z]*[A-Z][a-z]?[A-Z]\w*|[Cc]ovid)-\d\w*)")
"""B12, A1c, IL-6, COVID-19: names, of which the digits are a part"""
_NOISE = re.compile(r"\b24/7\b|^\s*\d{1,2}[.)]\s", re.MULTILINE)
"""an idiom, and the numbers of a list"""
_UNIT = rf"(?:[\s-]?(?P<unit>(?:{_any(word for word in _UNITS if word.isalpha())})\b|[%$€£°]))"
_MEASURED = re.compile(
    rf"""(?P<money>[$€£]\s?)?(?<![\w.])
    (?: (?P<hours>\d{{1,2}}):(?P<minutes>\d\d)(?!\d)
      | (?P<above>\d)/(?P<below>[2-9]|10)\b (?![/\d])
      | (?P<digits>(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?|\.\d+) (?:st|nd|rd|th)?
        (?:\s?(?P<scale>k|{_any(_SCALES)})\b)?
        (?:[\s-]?(?P<part>halves|(?:{_any(_PARTS)})s)\b)?
    )
    {_UNIT}? (?P<joint>\s?(?:-|to|or|and)\s?(?=[\d.]))?""",
    re.VERBOSE,
)
_HALF_UNIT = re.compile(rf"\bhalf[\s-](?:an?\s)?(?P<unit>{_COUNTED.replace(' ', '|')})\b")
_A_UNIT = re.compile(
    rf"\b(?:an?|one|each|per|every|this|last|next)[\s-](?P<unit>{_COUNTED.replace(' ', '|')})\b"
)
_PART = re.compile(rf"\b(?:(?:an?|one)[\s-])?({_any(_PARTS)})\b(?:\s+of\b)?")
_ORDER = re.compile(r"(?<!\d )(?<!\d-)\b(first|second)(?:ly)?\b")
_VAGUE_WORD = re.compile(rf"\b({_any(' '.join(_VAGUE.values()).split())})\b")
_VAGUE_VALUES = {word: value for value, words in _VAGUE.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is compared.

    Attributes:
        value: as it stands there.
        kind: what it counts (mg, minute, share); empty where there is no known unit.
        size: the value in the kind's base unit.
        shown: its words.
        swaps: set for words such as "first" or "half", which may come or go, but not one for
            the other: numbers of the same kind of such words share it.
    """

    value: float
    kind: str = ""
    size: float = 0.0
    shown: str = ""
    swaps: str = ""

    def equals(self, other: Number) -> bool:
        """Whether both mean the same; any unit but that of a share may be left out."""
        if self.kind and other.kind and self.kind != other.kind:
            return False
        if "share" in (self.kind, other.kind):
            return math.isclose(self.size, other.size, rel_tol=_ROUNDED)
        if self.kind == other.kind:
            return math.isclose(self.size, other.size)
        return math.isclose(self.value, other.value)


@dataclass(frozen=True, slots=True)
class Numbers:
    """All of a text.

    Attributes:
        sure: what must not come or go.
        vague: words that may mean a number ("a week", "both", "first"): they can stand for one
            of ``sure`` on the other side.
        codes: digits by letters: {"b": {"12"}}.
    """

    sure: list[Number] = field(default_factory=list)
    vague: list[Number] = field(default_factory=list)
    codes: dict[str, set[str]] = field(default_factory=dict)


def number_changes(before: Numbers, after: Numbers) -> tuple[list[str], list[str]]:
    """What is lost and what is new, as it stood in the texts, number words as digits."""
    lost, new = _lacking(before.sure, after), _lacking(after.sure, before)
    gone = _lacking([one for one in before.vague if one.swaps], after)
    come = _lacking([one for one in after.vague if one.swaps], before)
    lost += [one for one in gone if one.swaps in {other.swaps for other in come}]
    new += [one for one in come if one.swaps in {other.swaps for other in gone}]
    return (
        [one.shown for one in lost] + _recoded(before.codes, after.codes),
        [one.shown for one in new] + _recoded(after.codes, before.codes),
    )


def _lacking(sought: Iterable[Number], there: Numbers) -> list[Number]:
    known = [*there.sure, *there.vague]
    missing = [one for one in sought if not any(one.equals(other) for other in known)]
    return list({one.shown: one for one in missing}.values())


def _recoded(here: dict[str, set[str]], there: dict[str, set[str]]) -> list[str]:
    """Codes whose letters have other digits on the other side: B12 where B6 stood."""
    both = [letters for letters in here if there.get(letters, set()) - here[letters]]
    return [letters + digits for letters in both for digits in here[letters] - there[letters]]


def numbers_of(text: str) -> Numbers:
    """Find digits, number words, fractions, percentages and times with their units."""
    found = Numbers()
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/").replace("–", "-")
    text = _CODE.sub(lambda match: _keep_code(match[0], found), text).casefold()
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", _NOISE.sub(" ", text))
    text = _in_digits(text.replace("per cent", "percent"))
    found.sure.extend(_sure(text))
    found.vague.extend(_vague(text))
    return found


def _keep_code(code: str, found: Numbers) -> str:
    letters, *digits = re.findall(r"[A-Za-z]+|\d+", code)
    found.codes.setdefault(letters.casefold(), set()).add(digits[0])
    found.vague.extend(Number(float(one), size=float(one)) for one in digits if one.isdigit())
    return " "


def _in_digits(text: str) -> str:
    """Number words as digits; "one" and "zero" stay but before a unit, for they mean too much."""
    text = _RUN.sub(_run_in_digits, _ONE_UNIT.sub("1", text))
    text = _ORDINAL.sub(lambda match: _ordinal(_ORDINALS.index(match[1]) + 3), text)
    return re.sub(r"\bthrice\b", "3", re.sub(r"\btwice\b", "2", text))


def _ordinal(value: int) -> str:
    return f"{value}rd" if value == 3 else f"{value}th"


def _run_in_digits(run: re.Match[str]) -> str:
    if run[0] in ("zero", "one"):
        return run[0]
    whole = part = 0
    for word in re.findall(r"[a-z]+", run[0]):
        if word in ("dozen", "hundred"):
            part *= _SCALES[word]
        elif word in _SCALES:
            whole, part = whole + part * _SCALES[word], 0
        else:
            part += 1 if word in ("a", "an") else _CARDINALS.get(word, 0)
    return str(whole + part)


def _sure(text: str) -> Iterator[Number]:
    """Numbers in digits; the first of a range ("80 to 90 %") has the second's unit."""
    waiting: list[float] = []
    for match in _MEASURED.finditer(text):
        number = _number(match)
        if match["joint"] and not number.kind:
            waiting.append(number.value)
            continue
        ratio = number.size / number.value if number.value else 1.0
        for value in waiting:
            yield Number(value, number.kind, value * ratio, f"{value:g}")
        waiting = []
        yield number


def _number(match: re.Match[str]) -> Number:
    shown = match[0].removesuffix(match["joint"] or "").strip()
    if match["hours"]:
        return _time(int(match["hours"]), int(match["minutes"]), match["unit"] or "", shown)
    if match["above"]:
        share = int(match["above"]) / int(match["below"])
        return Number(share, "share", share, shown)
    value = float(match["digits"].replace(",", ""))
    value *= {"k": 1000, None: 1}.get(match["scale"]) or _SCALES[match["scale"]]
    if match["part"]:
        share = value * _PARTS["half" if match["part"] == "halves" else match["part"][:-1]]
        return Number(share, "share", share, shown)
    kind, factor = _UNITS.get((match["unit"] or match["money"] or "").strip(), ("", 1.0))
    return Number(value, kind, value * factor, shown)


def _time(hours: int, minutes: int, half: str, shown: str) -> Number:
    """A time of day, afternoons by 12 hours: 15:30 is 3:30 pm."""
    is_late = 13 <= hours < 24
    value = (hours - 12 if is_late else hours) + minutes / 100
    return Number(value, "pm" if is_late else half if half in ("am", "pm") else "", value, shown)


def _vague(text: str) -> Iterator[Number]:
    for match in _HALF_UNIT.finditer(text):
        kind, factor = _UNITS[match["unit"]]
        yield Number(0.5, kind, 0.5 * factor, match[0])
    for match in _A_UNIT.finditer(text):
        yield Number(1.0, *_UNITS[match["unit"]], match[0])
    for match in _PART.finditer(_HALF_UNIT.sub(" ", text)):
        yield Number(_PARTS[match[1]], "share", _PARTS[match[1]], match[1], "part")
    for match in _ORDER.finditer(text):
        value = 1.0 if match[1] == "first" else 2.0
        yield Number(value, "", value, match[1], "order")
    for match in _VAGUE_WORD.finditer(text):
        value = float(_VAGUE_VALUES[match[1]])
        yield Number(value, "", value, match[1])
