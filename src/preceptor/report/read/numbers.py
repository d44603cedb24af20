"""How numbers stand on the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MINUS = "−"
GAP = "\u00a0"
"""a blank at which no line breaks, between a number and its unit"""
LEVEL = f"95{GAP}%"
"""the level of every interval, as the study computes them"""
DASH = "–"


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is shown.

    Attributes:
        title: its name in a sentence.
        unit: what differences are called ("points"); empty for a bare number.
        scale: what the stored value is multiplied by.
        decimals: places behind the point; a bare number has one less from ten
            on, and two less from a hundred on.
        over: what it is counted over where a task has several such things ("all tokens").
        lower_is_better: its direction.
    """

    title: str
    unit: str = ""
    scale: float = 1.0
    decimals: int = 3
    over: str = ""
    lower_is_better: bool = False

    def show(self, value: float) -> str:
        """A value of the metric, as ``63.6``."""
        scaled = value * self.scale
        spare = 0 if self.unit else (abs(scaled) >= 10) + (abs(scaled) >= 100)
        return _signless(scaled, max(0, self.decimals - spare))

    def change(self, value: float) -> str:
        """A difference with its sign, as ``+2.3``."""
        text = self.show(value)
        return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"

    def span(self, low: float, high: float) -> str:
        """An interval, as ``0.4 to 4.2``."""
        return f"{self.show(low)} to {self.show(high)}"

    def amount(self, value: float) -> str:
        """A difference in words, as ``2.3 points macro-F1``."""
        return " ".join(part for part in (self.show(value), self.unit, self.title) if part)

    @property
    def lead(self) -> str:
        """The name at the start of a line; chrF has no capital there either."""
        return self.title if self.title == "chrF" else self.title[:1].upper() + self.title[1:]

    @property
    def heading(self) -> str:
        """The name with its unit, for a column or an axis."""
        return f"{self.lead}, %" if self.unit == "points" else self.lead

    @property
    def column(self) -> str:
        """The heading under a shared one that says what it is counted over."""
        return self.heading.replace(f" over {self.over}", "")

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "lower is better" if self.lower_is_better else "higher is better"


ANSWER, ALL = "the answers", "all tokens"
"""what a text task's figures are counted over"""
_METRICS = {
    "macro_f1": Metric("macro-F1", "points", 100.0, 1),
    "accuracy": Metric("accuracy", "points", 100.0, 1),
    "log_loss": Metric("log-loss", lower_is_better=True),
    "perplexity": Metric("perplexity", over=ANSWER, lower_is_better=True),
    "next_token_accuracy": Metric("next-token accuracy", "points", 100.0, 1, ANSWER),
    "perplexity_all": Metric(f"perplexity over {ALL}", over=ALL, lower_is_better=True),
    "next_token_accuracy_all": Metric(
        f"next-token accuracy over {ALL}", "points", 100.0, 1, over=ALL
    ),
    "bleu": Metric("BLEU", decimals=2),
    "chrf": Metric("chrF", decimals=2),
    "rouge1": Metric("ROUGE-1", scale=100.0, decimals=2),
    "rouge2": Metric("ROUGE-2", scale=100.0, decimals=2),
    "rougeL": Metric("ROUGE-L", scale=100.0, decimals=2),
    "exact_match": Metric("exact match", "points", 100.0, 1),
    "length_ratio": Metric("length ratio", decimals=2),
}


def metric(name: str) -> Metric:
    """How the metric of this name is shown; an unknown one as a bare number."""
    return _METRICS.get(name, Metric(name.replace("_", " ")))


def _signless(value: float, decimals: int) -> str:
    """Fixed places, a typographic minus, and never a minus before zero."""
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", MINUS)


def count(value: float) -> str:
    """A count with thousands set apart: ``12,345``; a mean of counts keeps one place."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def share(part: float, whole: float) -> str:
    """A share as ``12.5 %``."""
    return f"{100 * part / whole:.1f}{GAP}%"


def duration(seconds: float) -> str:
    """A time in the two units that matter: ``0.4 s``, ``2 min 13 s``, ``1 h 04 min``."""
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02d} min"


def _scaled(value: float, base: float, units: tuple[str, ...]) -> str:
    index = 0
    while round(value) >= base and index < len(units) - 1:
        value /= base
        index += 1
    places = 0 if index == 0 or value >= 100 else 1
    return f"{value:,.{places}f} {units[index]}".strip()


def size(value: float) -> str:
    """Bytes as ``1.2 GB`` (decimal units)."""
    return _scaled(value, 1000, ("B", "kB", "MB", "GB", "TB"))


def short(value: float) -> str:
    """A large count as ``22.7 M``."""
    return _scaled(value, 1000, ("", "k", "M", "G"))


def money(cost: float, currency: str | None) -> str:
    """A cost as ``0.12 USD``; small ones keep four places."""
    places = 2 if cost == 0 or cost >= 1 else 4
    return f"{cost:,.{places}f} {currency or ''}".strip()


def plural(number: float, one: str, many: str | None = None) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{count(number)} {one if number == 1 else many or f'{one}s'}"


def listed(names: list[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def date(iso: str) -> str:
    """An ISO time as ``20 November 2026, 10:12``; other text as it stands."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when.day} {when:%B %Y, %H:%M}" + (f" {when:%Z}" if when.tzinfo else "")


def setting(value: object) -> str:
    """A method's setting in words: ``alpha 32, rank 4``."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items()) or "as given"
    return "as given" if value in (None, "") else str(value)
