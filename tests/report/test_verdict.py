"""Sentences follow from the comparisons and from nothing else."""

from typing import Any

import pytest

from preceptor.report.read.results import Results
from preceptor.report.read.scores import Comparison
from preceptor.report.sections.findings import data_notes, limits, shown
from preceptor.report.sections.forest import forest_figures
from preceptor.report.sections.tables import arms_table, budget_words, score_of
from preceptor.report.words.verdict import told, verdicts

GROUP = ("minilm", "classifier")


def fact(arm: str, difference: float, half: float, **changes: Any) -> dict[str, Any]:
    low, high = difference - half, difference + half
    verdict = "helped" if low > 0 else "hurt" if high < 0 else "no evidence"
    return {
        "student": "minilm",
        "reading": "classifier",
        "arm": arm,
        "against": "none",
        "metric": "macro_f1",
        "difference": difference,
        "low": low,
        "high": high,
        "seeds": 3,
        "items": 200,
        "verdict": verdict,
    } | changes


def results(
    *facts: dict[str, Any], arms: str = "none repeat rewrite create", **more: Any
) -> Results:
    names = arms.split()
    scored = {"classifier": {"accuracy": 0.6, "macro_f1": 0.5, "n": 200}}
    size = {"rows": 28, "updates": 100}
    cells = [
        {"id": f"{arm}-{k}", "arm": arm, "student": "minilm", "seed": k, "splits": {"test": scored}}
        | size
        for arm in names
        for k in range(3)
    ]
    value = {
        "format": 1,
        "study": "s",
        "arms": {arm: {"operation": arm} for arm in names},
        "cells": cells,
        "comparisons": list(facts),
    }
    return Results.model_validate(value | more)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            fact("rewrite", 0.023, 0.019),
            "better than none by 2.3 points macro-F1 (95 % interval 0.4 to 4.2, 3 seeds)",
        ),
        (
            fact("create", -0.07, 0.03),
            "worse than none by 7.0 points macro-F1 (95 % interval 4.0 to 10.0, 3 seeds)",
        ),
        (
            fact("create", -0.0004, 0.03),
            "no evidence either way against none "
            "(0.0 points macro-F1, 95 % interval −3.0 to 3.0, 3 seeds)",
        ),
        (
            fact("rewrite", 0.05, 0.02, seeds=1, scope="items only (one seed)"),
            "better than none by 5.0 points macro-F1 "
            "(95 % interval 3.0 to 7.0, 1 seed, over test items only)",
        ),
        (
            fact("rewrite", -0.05, 0.02, metric="perplexity", verdict="better"),
            "better than none by 0.050 perplexity (95 % interval 0.030 to 0.070, 3 seeds)",
        ),
        (fact("rewrite", 0.05, 0.02, low=None), "better than none by 5.0 points macro-F1 "
         "(no interval, 3 seeds)"),
        (fact("rewrite", 0, 0) | {"difference": None}, "no evidence either way against none "
         "(no difference known)"),
        (fact("rewrite", 0.01, 0.01, verdict="too few items"), "too few items against none "
         "(+1.0 points macro-F1, 95 % interval 0.0 to 2.0, 3 seeds)"),
    ],
)  # fmt: skip
def test_a_comparison_in_words(given: dict[str, Any], words: str) -> None:
    assert plain(told(Comparison.model_validate(given))) == words


@pytest.mark.parametrize(
    ("metric", "kind", "ends"),
    [("macro_f1", "choice", "← worse"), ("perplexity", "text", "← better")],
)
def test_the_axis_of_differences_points_the_right_way(metric: str, kind: str, ends: str) -> None:
    given = results(fact("rewrite", -0.05, 0.02, metric=metric), task={"kind": kind})
    (drawn,) = forest_figures(given)
    assert ends in drawn.svg


def test_every_made_arm_stands_under_the_words_that_hold_for_it() -> None:
    (verdict,) = verdicts(
        results(
            fact("rewrite", 0.05, 0.02),
            fact("create", -0.05, 0.02),
            fact("mix", 0.05, 0.02),
            fact("annotate", 0.01, 0.02),
            fact("repeat", 0.03, 0.02),
            fact("rewrite", 0.04, 0.02, against="repeat"),
            fact("mix", 0.01, 0.02, against="repeat"),
            arms="none repeat rewrite create mix annotate",
        )
    )
    assert verdict.short == (
        ("better", "Helped: rewrite"),
        ("partly", "Better than no made data, not shown to beat repetition: mix"),
        ("worse", "Hurt: create"),
        ("unclear", "No evidence either way: annotate"),
    )
    assert [arm for arm, _ in verdict.arms] == ["rewrite", "create", "mix", "annotate"]
    assert verdict.more == (
        "Against repeat, the human data repeated to the same size: rewrite better, "
        "+4.0 (2.0 to 6.0), mix no evidence either way, +1.0 (−1.0 to 3.0).",
    )


def resized(given: Results, **sizes: tuple[int | None, int | None]) -> Results:
    """With other rows and updates for some arms; the last seed of each is as it was."""
    cells = [
        cell.model_copy(update=dict(zip(("rows", "updates"), sizes[cell.arm], strict=True)))
        if cell.arm in sizes and cell.seed < 2
        else cell
        for cell in given.cells
    ]
    return given.model_copy(update={"cells": cells})


BEATS = (
    fact("rewrite", 0.05, 0.02),
    fact("create", 0.05, 0.02),
    fact("rewrite", 0.04, 0.02, against="repeat"),
    fact("create", 0.01, 0.02, against="repeat"),
)


def test_the_control_speaks_for_the_made_data_where_the_sizes_match() -> None:
    assert shown(results(*BEATS))[-1] == (
        "The arm repeat repeats the human data. rewrite and create have the same size and as many "
        "updates: what beats repeat is due to the made data, not to the larger training set."
    )


def test_the_control_names_the_sizes_where_they_differ() -> None:
    given = resized(results(*BEATS), create=(46, 150), rewrite=(40, 100))
    text = shown(given)[-1]
    assert "rewrite has 28 to 40 rows to its 28 and as many updates" in text
    assert "due to the made data, not to more training." in text
    assert text.endswith(
        "create has 28 to 46 rows to its 28, and 100 to 150 updates to its 100: a difference may "
        "come from the length of training."
    )
    assert "create has the same size" not in text
    (verdict,) = verdicts(given)
    assert verdict.more == (
        "Against repeat, the human data repeated: rewrite better, +4.0 (2.0 to 6.0) with 28 to 40 "
        "rows to its 28, create no evidence either way, +1.0 (−1.0 to 3.0) with 28 to 46 rows to "
        "its 28 and 100 to 150 updates to its 100.",
    )


def test_the_control_claims_nothing_of_what_is_not_there() -> None:
    text = " ".join(shown(resized(results(*BEATS), repeat=(None, None))))
    assert "due to" not in text
    assert "a size that is not recorded; the number of updates is not recorded." in text
    unscored = results(*BEATS)
    cells = [cell for cell in unscored.cells if cell.arm != "repeat"]
    unscored = unscored.model_copy(update={"cells": cells})
    assert "repeat" not in " ".join(shown(unscored))
    assert "repeat" not in " ".join(shown(results(arms="none repeat")))


def test_the_control_is_told_of_the_students_that_have_it() -> None:
    given = results(*BEATS)
    alone = [
        cell.model_copy(update={"student": "llama", "id": f"llama-{cell.id}"})
        for cell in given.cells
        if cell.arm != "repeat"
    ]
    text = shown(given.model_copy(update={"cells": [*given.cells, *alone]}))[-1]
    assert text.startswith("minilm: the arm repeat repeats the human data.")


def test_nothing_is_claimed_without_evidence() -> None:
    (verdict,) = verdicts(results(fact("rewrite", 0.01, 0.02), fact("create", 0.02, 0.03)))
    assert verdict.short == (("unclear", "No evidence either way"),)


def test_another_metric_that_disagrees_is_told() -> None:
    facts = (fact("rewrite", 0.05, 0.02), fact("rewrite", 0.01, 0.02, metric="accuracy"))
    (verdict,) = verdicts(results(*facts))
    assert plain(verdict.more[-1]) == (
        "In accuracy it reads otherwise for rewrite: no evidence either way against none "
        "(+1.0 points accuracy, 95 % interval −1.0 to 3.0, 3 seeds)."
    )


def test_an_arm_without_its_opposite_is_not_judged() -> None:
    (verdict,) = verdicts(results(arms="rewrite"))
    assert verdict.short == (("nothing", "Nothing to compare"),)
    assert "Without the arm none" in verdict.more[0]
    (verdict,) = verdicts(results(arms="none repeat"))
    assert verdict.more == ("No arm with made data was scored, so there is nothing to compare.",)


def test_the_arm_without_made_data_is_known_by_its_operation() -> None:
    arms = {"human only": {"operation": "none"}, "rewrite": {"operation": "rewrite"}}
    given = results(fact("rewrite", 0.05, 0.02, against="human only"), arms="rewrite").model_dump()
    (verdict,) = verdicts(Results.model_validate(given | {"arms": arms}))
    assert verdict.short == (("better", "Helped: rewrite"),)
    assert "better than human only by 5.0 points" in verdict.arms[0][1]


def test_limits_name_seeds_comparisons_and_weak_arms() -> None:
    base = {"name": "majority", "metrics": {"accuracy": 0.65, "n": 200}}
    text = " ".join(limits(results(*[fact("rewrite", 0.1, 0.2)] * 2, baselines=[base])))
    assert "3 seeds are few" in text
    assert "2 comparisons are made in macro-F1" in text
    assert "none, repeat, rewrite and create did not beat the accuracy of always" in text
    single = results()
    one_seed = single.model_copy(update={"cells": [c for c in single.cells if c.seed == 0]})
    text = " ".join(limits(one_seed))
    assert "One seed only for minilm: an interval there covers the test items alone" in text
    assert "seeds are few" not in text


def test_a_shared_made_set_is_named() -> None:
    text = " ".join(limits(results(data={"draw_seeds": [0], "labelled_per_seed": 24})))
    assert "All seeds share 1 labelled subset" in text
    assert "the intervals hold for that set alone" in text
    given = results(data={"draw_seeds": [0], "labelled_per_seed": 24}, budget={"steps": 9})
    assert "each seed on 24 labelled examples." in shown(given)[1]
    own = results(data={"draw_seeds": [0, 1, 2], "labelled_per_seed": 24}, budget={"steps": 9})
    assert "each seed on 24 labelled examples of its own." in shown(own)[1]
    assert "share" not in " ".join(limits(own))


def test_a_substitute_and_its_weights_are_named() -> None:
    value = results(budget={"steps": 9}).model_dump()
    weights = {"ref": "smollm2", "note": "rounded to 4 bits", "stands_for": "LLaMA-7b"}
    for cell in value["cells"]:
        cell |= {"weights": weights, "budget": {"epochs": 2}, "cut": {"train": cell["seed"]}}
    given = Results.model_validate(value)
    table = arms_table(given, GROUP)
    assert "all arms at equal epochs (2)" in table.caption, "the student's own budget"
    assert "minilm started from smollm2: rounded to 4 bits." in table.notes
    assert "minilm stands for LLaMA-7b." in table.notes
    assert data_notes(given) == ["2 inputs of train cut to fit minilm."]


def test_the_budget_is_named() -> None:
    assert budget_words(results(budget={"steps": 1200})) == "all arms at equal updates (1,200)"
    epochs = budget_words(results(budget={"epochs": 3}))
    assert epochs == "all arms at equal epochs (3), so larger arms get more updates"
    assert "All arms at equal epochs (3)" in " ".join(shown(results(budget={"epochs": 3})))


def test_the_interval_is_that_of_the_chosen_setting() -> None:
    where = {"student": "minilm", "reading": "classifier", "arm": "none", "metric": "macro_f1"}
    scores = [
        where | {"setting": {"alpha": alpha}, "mean": alpha / 100, "low": 0.1, "high": 0.9}
        for alpha in (32, 64)
    ]
    given = results(scores=scores)
    cells = [c.model_copy(update={"setting": {"alpha": 64}}) for c in given.cells]
    value = score_of(given.model_copy(update={"cells": cells}), GROUP, "none", "macro_f1")
    assert (value.text, value.under) == ("64.0", "10.0 to 90.0")
    mixed = [*cells[1:], given.cells[0].model_copy(update={"setting": {"alpha": 32}})]
    value = score_of(given.model_copy(update={"cells": mixed}), GROUP, "none", "macro_f1")
    assert (value.text, value.under) == ("50.0", ""), "the mean of the chosen cells"
    chosen = [*scores, where | {"setting": "chosen", "mean": 0.47, "low": 0.4, "high": 0.5}]
    value = score_of(results(scores=chosen), GROUP, "none", "macro_f1")
    assert (value.text, value.under) == ("47.0", "40.0 to 50.0")


def test_every_arm_is_told_against_the_control_of_as_many_human_rows() -> None:
    few = {"against": "none-5"}
    run = results(
        fact("create-5", 0.10, 0.04, **few),
        fact("create-5", 0.08, 0.04, against="repeat-5"),
        fact("create", 0.01, 0.04),
        fact("create", -0.02, 0.04, against="repeat"),
        arms="none-5 repeat-5 create-5 none repeat create",
    )
    kinds = {name: {"operation": name.partition("-")[0]} for name in run.arms}
    run = Results.model_validate(run.model_dump() | {"arms": kinds})
    (verdict,) = verdicts(run)
    assert verdict.short == (
        ("better", "Helped: create-5"),
        ("unclear", "No evidence either way: create"),
    )
    lines = dict(verdict.arms)
    assert "better than none-5 by 10.0 points" in plain(lines["create-5"])
    assert "no evidence either way against none " in lines["create"]
    first, second, *_ = map(plain, verdict.more)
    assert first.startswith("Against repeat-5")
    assert "create-5 better, +8.0" in first
    assert second.startswith("Against repeat,")
    assert "create \u22122.0" in second
    table = arms_table(run, GROUP)
    titles = [column.title for column in table.columns if column.key.startswith("minus")]
    assert titles == ["to none", "to repeat"]
    rows = {row.values[0].text: row.values for row in table.rows}
    at = [column.key for column in table.columns].index("minus_none")
    assert rows["create-5"][at].raw == 0.10
    assert rows["create"][at].raw == 0.01
    assert rows["none-5"][at].text == rows["none"][at].text == ""
    (pairs,) = [note for note in table.notes if "held against" in note]
    assert "create-5 against none-5; create against none;" in pairs
    (figure,) = forest_figures(run)
    assert "● against none, □ against repeat" in figure.caption
