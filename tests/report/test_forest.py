"""The forest plot, and how figures tell arms apart."""

import re
from pathlib import Path

import pytest

from preceptor.report.frame import svg
from preceptor.report.frame.canvas import colour, dashes, drawn, marker
from preceptor.report.read.numbers import metric
from preceptor.report.read.results import Results, load
from preceptor.report.sections.forest import forest_figures
from preceptor.report.words.verdict import change, compared


def text_of(markup: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", markup)


def test_every_comparison_stands_with_its_numbers(run: Path) -> None:
    results = load(run)
    (figure,) = forest_figures(results)
    shown = text_of(figure.svg)
    group = ("minilm-full", "classifier")
    facts = [
        fact
        for against in ("none", "repeat")
        for fact in compared(results, group, against, "macro_f1").values()
    ]
    assert len(facts) > 6
    for fact in facts:
        mark = {"better": " ▲", "worse": " ▼"}.get(fact.outcome, "")
        assert f"{change(fact, metric('macro_f1'))}{mark}" in shown
    assert "combined" in shown
    assert "minilm-full" in shown
    assert "● against none, □ against repeat" in figure.caption


def test_students_stand_below_each_other_and_metrics_apart(run: Path) -> None:
    value = load(run).model_dump(mode="json")
    value["comparisons"] += [
        fact | {"student": "smollm2-lora", "reading": "generation", "low": None, "high": None}
        for fact in value["comparisons"]
        if fact["arm"] == "rewrite"
    ]
    (figure,) = forest_figures(Results.model_validate(value))
    shown = text_of(figure.svg)
    heads = [text for text in shown if text.startswith(("minilm", "smollm2"))]
    assert len(heads) == 2
    assert figure.caption.startswith("Differences in macro-F1")
    assert "(95" not in [text for text in shown if text.startswith("+")][-1]
    value["comparisons"] = []
    assert list(forest_figures(Results.model_validate(value))) == []


def test_no_two_of_many_arms_look_alike() -> None:
    arms = {f"arm {n}": {"operation": "create"} for n in range(64)}
    results = Results.model_validate({"format": 1, "study": "x", "arms": arms})
    points = {(colour(results, arm), marker(results, arm)) for arm in arms}
    lines = {(colour(results, arm), dashes(results, arm)) for arm in list(arms)[:32]}
    assert (len(points), len(lines)) == (64, 32)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True])
def test_series_stand_out_from_the_page(dark: bool) -> None:
    """WCAG 2.2, 1.4.11: 3:1 for what one must see to understand a figure."""
    theme = dict(re.findall(r"(--[\w-]+): (#\w+)", svg.theme(dark)))
    paper = luminance(theme["--paper"])
    for name, shade in theme.items():
        if name.startswith("--series"):
            lighter, darker = sorted((luminance(shade), paper), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 3, name


def test_a_drawing_has_no_inline_style_and_a_file_of_its_own_has_plain_colours() -> None:
    out: list[str] = []
    with drawn("d", 2.0, out, "a line") as axes:
        axes.plot([0, 1], [0, 1], color=svg.SERIES[2])
        axes.set_xlabel("<b>&x")
    (drawing,) = out
    assert "style=" not in drawing
    assert 'stroke="var(--series-2)"' in drawing
    assert "&lt;b&gt;&amp;x" in drawing
    alone = svg.standalone(drawing)
    assert "var(" not in alone
    assert f'stroke="{svg.SERIES[2]}"' in alone
    assert "prefers-color-scheme: dark" in alone
    assert isinstance(drawing, svg.Drawing)
    assert drawing.png.startswith(b"\x89PNG")
    width = int.from_bytes(drawing.png[16:20])
    assert width == int(4.9 * svg.SHARP)
