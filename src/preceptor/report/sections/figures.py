"""The figures of arms: scores, and made and kept rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure, Value
from preceptor.report.frame.canvas import colour, drawn, point, wrap
from preceptor.report.read.groups import Group, arms_of
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import LEVEL, metric, share
from preceptor.report.read.results import Results
from preceptor.report.sections.accounts import asked, reason_title, rejections_of
from preceptor.report.sections.tables import arms_table
from preceptor.report.words.verdict import group_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class _Dot:
    """A point with its interval, in the metric's scale."""

    name: str
    value: float
    low: float
    high: float
    colour: str
    filled: bool = True
    marker: str = "o"


def _dot(name: str, value: Value, scale: float, shade: str, **look: Any) -> _Dot | None:
    if not isinstance(value.raw, int | float):
        return None
    low = value.raw if value.low is None else value.low
    high = value.raw if value.high is None else value.high
    return _Dot(name, value.raw * scale, low * scale, high * scale, shade, **look)


def _draw_dots(axes: Axes, dots: Sequence[_Dot], names: Sequence[str]) -> None:
    for dot in dots:
        y = names.index(dot.name)
        at, ends = (dot.value, y), (dot.low, dot.high)
        point(axes, at, ends, dot.colour, marker=dot.marker, filled=dot.filled)
    axes.set_yticks(range(len(names)), [wrap(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _spoken(dots: Sequence[_Dot], show: Callable[[float], str]) -> str:
    parts = [f"{dot.name} {show(dot.value)}" + _range(dot, show) for dot in dots]
    return "; ".join(parts)


def _range(dot: _Dot, show: Callable[[float], str]) -> str:
    return f" ({show(dot.low)} to {show(dot.high)})" if dot.low < dot.high else ""


def scores_figure(results: Results, group: Group, name: str) -> Figure | None:
    """Every arm's score with its interval, baselines below; None for fewer than two arms."""
    leading = headline(results, group[1])
    table, show = arms_table(results, group), metric(leading)
    column = [c.key for c in table.columns].index(leading)
    dots = []
    for row in table.rows:
        label = row.values[0].text
        baseline = row.kind == "baseline"
        shade = svg.INK if baseline else colour(results, label)
        dots.append(
            _dot(
                label,
                row.values[column],
                show.scale,
                shade,
                filled=not baseline,
                marker="D" if baseline else "o",
            )
        )
    known = [dot for dot in dots if dot]
    if len(arms_of(results, group)) < 2 or not known:
        return None
    names, out = list(dict.fromkeys(dot.name for dot in known)), list[str]()
    alt = f"{show.title} by arm: {_spoken(known, lambda v: f'{v:.{show.decimals}f}')}"
    with drawn(name, 0.75 + 0.34 * len(names), out, alt) as axes:
        _draw_dots(axes, known, names)
        axes.set_xlabel(show.heading)
    caption = (
        f"{group_title(results, group)}: {show.title} by arm ({show.better}); lines are {LEVEL} "
        f"intervals{', hollow diamonds baselines' if results.baselines else ''}."
    )
    return Figure(name, caption, out[0])


def funnel_figure(results: Results, name: str = "made") -> Figure | None:
    """Kept and rejected answers of the teacher, by arm; None if nothing was made."""
    arms = asked(results)
    kept = {arm: sum(seed.kept for seed in part.seeds) for arm, part in arms.items()}
    rejected = {arm: rejections_of(part) for arm, part in arms.items()}
    if not any(kept.values()) and not any(rejected.values()):
        return None
    stacks = {"kept": kept} | _by_reason(rejected)
    out: list[str] = []
    with drawn(name, 1.0 + 0.36 * len(arms) + 0.12 * len(stacks), out, _told(stacks)) as axes:
        _draw_stacks(axes, list(arms), stacks)
    caption = "Made rows by arm, summed over seeds: kept, and rejected by reason."
    return Figure(name, caption, out[0])


def _by_reason(rejected: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """Rejected by reason and arm; beyond what colours tell apart, the rarest reasons together."""
    totals = sum(rejected.values(), Counter[str]())
    told = [reason for reason, _ in totals.most_common()]
    named = told if len(told) < len(svg.SERIES) else told[: len(svg.SERIES) - 2]
    stacks = {r: {arm: counts[r] for arm, counts in rejected.items()} for r in named}
    if rest := told[len(named) :]:
        stacks["other reasons"] = {
            a: sum(counts[r] for r in rest) for a, counts in rejected.items()
        }
    return stacks


def _told(stacks: dict[str, dict[str, int]]) -> str:
    kept = stacks["kept"]
    total = {arm: sum(counts[arm] for counts in stacks.values()) for arm in kept}
    parts = [f"{a}: {kept[a]} of {total[a]} kept" for a in kept if total[a]]
    return f"Made rows by arm. {'; '.join(parts)}"


def _draw_stacks(axes: Axes, arms: list[str], stacks: dict[str, dict[str, int]]) -> None:
    left = dict.fromkeys(arms, 0)
    for index, (name, counts) in enumerate(stacks.items()):
        axes.barh(
            range(len(arms)),
            [counts[arm] for arm in arms],
            left=[left[arm] for arm in arms],
            height=0.62,
            color=svg.SERIES[(2 + index) % len(svg.SERIES)],
            edgecolor=svg.PAPER,
            linewidth=1.2,
            label=reason_title(name),
        )
        left = {arm: left[arm] + counts[arm] for arm in arms}
    for y, arm in enumerate(arms):
        kept = stacks["kept"][arm]
        text = f"{share(kept, left[arm])} kept" if left[arm] else "nothing made"
        axes.annotate(text, (left[arm], y), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(arms)), [wrap(arm) for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlim(0, 1.32 * max(1, *left.values()))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Answers of the teacher")
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(
        handles, labels, loc="outside lower left", ncols=2, handlelength=1.0, columnspacing=1.2
    )
