"""How sure the differences are: p-values, what could be shown, and the words for both."""

import csv
from pathlib import Path
from typing import Any

import pytest

from preceptor.report.read.scores import Comparison
from preceptor.report.sections.evidence import blocks
from preceptor.report.sections.findings import limits
from preceptor.report.sections.tables import arms_table
from preceptor.report.words.chance import p_text
from preceptor.report.words.verdict import told, verdicts

from .html import Page
from .test_page import results_of
from .test_verdict import GROUP, fact, plain, results

SURE = {"p": 0.004, "p_holm": 0.024, "family": 6, "effect": 0.31, "detectable": 0.03} | {
    "seeds_needed": 3,
    "items_needed": 150,
}


def judged(arm: str, difference: float, half: float, **changes: Any) -> dict[str, Any]:
    return fact(arm, difference, half, **(SURE | changes))


UNSURE = {"p": 0.2, "p_holm": 0.6, "verdict": "no evidence"}


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.00012, "< 0.001"),
        (0.0341, "0.034"),
        (0.0497, "0.0497"),
        (0.04999, "0.04999"),
        (0.0503, "0.050"),
        (0.417, "0.42"),
        (1.0, "1.00"),
    ],
)
def test_a_p_value_is_never_rounded_over_the_level(p: float, text: str) -> None:
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            judged("rewrite", 0.05, 0.02),
            "better than none by 5.0 points macro-F1 "
            "(95 % interval 3.0 to 7.0, p 0.024 corrected for 6 comparisons, 3 seeds)",
        ),
        (
            judged("rewrite", 0.05, 0.02, family=1, p_holm=0.004),
            "better than none by 5.0 points macro-F1 (95 % interval 3.0 to 7.0, p 0.004, 3 seeds)",
        ),
        (
            judged("rewrite", 0.05, 0.04, p=0.031, p_holm=0.19, verdict="no evidence"),
            "no evidence either way against none (+5.0 points macro-F1, 95 % interval 1.0 to 9.0, "
            "p 0.031 alone and 0.19 corrected for 6 comparisons, 3 seeds): the interval alone "
            "leaves out 0, but among 6 comparisons one such may be chance",
        ),
        (
            judged("rewrite", 0.0, 0.0, p=1.0, p_holm=1.0),
            "no evidence either way against none (no test item is scored otherwise, 3 seeds)",
        ),
        (
            judged("rewrite", 0.05, 0.02, scope="folds (cross-validation)", seeds=5, family=1),
            "better than none by 5.0 points macro-F1 (95 % interval 3.0 to 7.0, p 0.004, "
            "5 folds of a cross-validation)",
        ),
    ],
)  # fmt: skip
def test_a_comparison_in_words(given: dict[str, Any], words: str) -> None:
    assert plain(told(Comparison.model_validate(given))) == words


def ends(**changes: Any) -> str:
    """What the verdict says behind a difference that is not sure."""
    (verdict,) = verdicts(results(judged("rewrite", 0.01, 0.03, **(UNSURE | changes))))
    (_, words), *_ = verdict.arms
    return plain(words).partition(" seeds). " if "3 seeds)" in words else "). ")[2]


def test_without_evidence_it_is_told_what_could_be_shown_and_what_it_would_take() -> None:
    shown = "This study could have shown 3.0 points macro-F1 (80 % power)"
    assert ends(seeds_needed=12, items_needed=900) == (
        f"{shown}; to tell the one found, 12 seeds or 900 test items"
    )
    assert ends(seeds_needed=12, items_needed=None) == (
        f"{shown}; to tell the one found, 12 seeds alone"
    )
    assert ends(seeds_needed=None, items_needed=None) == (
        f"{shown}; neither more seeds alone nor more test items alone would tell the one found"
    )
    one = {"seeds": 1, "scope": "items only (one seed)", "seeds_needed": None}
    assert ends(**one, items_needed=1234).endswith("to tell the one found, 1,234 test items alone")
    assert ends(seeds=5, scope="folds (cross-validation)") == shown
    assert ends(detectable=1.3, items_needed=900, seeds_needed=9) == (
        "So few seeds and items cannot show any difference; to tell the one found, 9 seeds or 900 "
        "test items"
    )


def test_a_sure_difference_and_an_earlier_run_say_no_more() -> None:
    (verdict,) = verdicts(results(judged("rewrite", 0.05, 0.02), fact("create", 0.01, 0.03)))
    assert all(words.endswith("3 seeds)") for _, words in verdict.arms)
    assert "p " not in verdict.arms[1][1]
    assert not list(blocks(results(fact("create", 0.01, 0.03)), GROUP))


def test_the_correction_is_named_where_there_is_one() -> None:
    given = results(judged("rewrite", 0.05, 0.02), judged("create", 0.01, 0.03, **UNSURE))
    text = " ".join(limits(given))
    assert "verdicts and marks follow p-values that are corrected" in text
    notes = " ".join(arms_table(given, GROUP).notes)
    assert "no evidence either way once corrected for the number of comparisons." in notes
    earlier = " ".join(limits(results(*[fact("create", 0.01, 0.03)] * 2)))
    assert "none is widened for the number of them" in earlier


def test_against_the_control_too_a_clear_interval_is_not_told_without_its_p_value() -> None:
    lucky = {"p": 0.02, "p_holm": 0.08, "family": 4, "verdict": "no evidence"}
    facts = (fact("rewrite", 0.05, 0.02), fact("rewrite", 0.05, 0.04, against="repeat", **lucky))
    (verdict,) = verdicts(results(*facts))
    assert verdict.short[0][0] == "partly"
    words = "+5.0 (1.0 to 9.0), p 0.020 alone and 0.080 corrected for 4 comparisons"
    assert words in plain(verdict.more[0])


def test_what_is_not_compared_is_told_with_the_reason() -> None:
    why = "they were tested on other items (seeds 0, 1)"
    apart = [
        {"student": "minilm", "reading": "classifier", "arm": "rewrite", "against": "none"},
        {"student": "llama", "arm": "none", "against": "minilm"},
    ]
    text = limits(results(not_compared=[one | {"why": why} for one in apart]))
    assert f"rewrite is not compared with none (minilm, classifier): {why}." in text
    assert f"llama is not compared with minilm (trained on none): {why}." in text


def test_the_table_has_every_comparison_and_its_csv_those_of_all_metrics(
    run: Path, page: Page
) -> None:
    facts = [one for one in results_of(run)["comparisons"] if one["student"] == "minilm-full"]
    table = next(
        one
        for one in page.root.all("table")
        if "minilm-full: how sure the differences in macro-F1" in one.all("caption")[0].text()
    )
    shown = [[cell.text() for cell in row.all("th", "td")] for row in table.all("tr")[2:]]
    own = [one for one in facts if one["metric"] == "macro_f1"]
    assert [row[:2] for row in shown] == [[one["arm"], one["against"]] for one in own]
    assert [row[5] for row in shown] == [p_text(one["p_holm"]) for one in own]
    assert {row[7] for row in shown} == {"7"}
    with (run / "report/tables/comparisons.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(facts)
    assert [float(row["p"]) for row in rows] == pytest.approx([one["p"] for one in facts])
    assert {row["metric"] for row in rows} == {"macro_f1", "accuracy"}


def test_a_single_seed_shows_its_exact_test_and_why_seeds_are_unknown() -> None:
    one = judged("rewrite", 0.01, 0.03, seeds=1, scope="items only (one seed)", **UNSURE)
    one |= {"mcnemar_p": 0.34, "seeds_needed": None, "effect": None, "detectable": 2.0}
    (table,) = blocks(results(one), GROUP)
    fields = dict(zip([column.key for column in table.columns], table.rows[0].values, strict=True))  # type: ignore[union-attr]
    assert fields["mcnemar_p"].text == "0.34"
    assert fields["seeds_needed"].title == "one seed does not tell how seeds vary"
    assert fields["effect"].title == "no item's difference differs from another's"
    assert fields["detectable"].title == "no two scores are as far apart"
    assert any("McNemar" in note for note in table.notes)  # type: ignore[union-attr]
