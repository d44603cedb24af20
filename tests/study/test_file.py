"""The study file: every problem at once, each with its line and what was probably meant."""

from pathlib import Path

import pytest

from preceptor.errors import SpecError
from preceptor.study.file import load_study, parse_study

GOOD = """\
name: small
seeds: 2
task:
  kind: choice
  labels: [yes, no, maybe]
  input: "{{ text }}"
data:
  reader: table
  path: x.csv
  columns: {target: label, inputs: [text]}
  split: {by: draw, test: 0.5, validation: 0.1}
teachers:
  local: {engine: embedded}
arms:
  none: none
  rewrite: {operation: rewrite, amount: 2x}
  combined: {operation: mix, of: [rewrite]}
students:
  minilm: {kind: encoder, weights: minilm, method: full}
  smollm2:
    kind: decoder
    weights: smollm2
    method: {name: lora, rank: 4}
    grid: {alpha: [32, 64]}
budget: {steps: 10}
"""


def problems(text: str, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_study(text, "s.yaml", overrides)
    return str(caught.value)


def test_a_good_study_is_read() -> None:
    study = parse_study(GOOD, "s.yaml")
    assert study.task.labels == ("yes", "no", "maybe")
    assert study.seeds == (0, 1)
    assert study.students["smollm2"].method.rank == 4  # type: ignore[union-attr]
    assert study.arms["none"].operation == "none"


def test_yes_and_no_are_words_and_true_is_a_truth_value() -> None:
    study = parse_study(GOOD.replace("seeds: 2", "report: {publish_texts: false}"), "s.yaml")
    assert study.report.publish_texts is False
    assert study.task.labels[:2] == ("yes", "no")


@pytest.mark.parametrize("date", ["2024-02-30", "2024-02-28"])
def test_a_date_is_text(date: str) -> None:
    assert parse_study(GOOD.replace("name: small", f"name: {date}"), "s.yaml").name == date
    assert parse_study(GOOD, "s.yaml", [f"name={date}"]).name == date


def test_all_problems_come_at_once_with_line_and_suggestion() -> None:
    bad = (
        GOOD.replace("seeds: 2", "seedz: 2")
        .replace("kind: encoder, weights", "kind: encodr, weights")
        .replace("rank: 4", "rnak: 4")
        .replace("{steps: 10}", "{steps: many}")
        .replace("engine: embedded", "engine: embeded")
    )
    told = problems(bad)
    assert told.startswith("5 problems in the study")
    assert "s.yaml:2: seedz: no such key (did you mean 'seeds'?)" in told
    assert "s.yaml:13: teachers.local: 'embeded' is not one of" in told
    assert "did you mean 'embedded'?" in told
    assert "s.yaml:19: students.minilm: 'encodr' is not one of decoder, encoder" in told
    assert "s.yaml:23: students.smollm2.method.rnak: no such key (did you mean 'rank'?)" in told
    assert "s.yaml:25: budget.steps:" in told


def test_missing_keys_are_named() -> None:
    told = problems(GOOD.replace("budget: {steps: 10}\n", ""))
    assert "budget: is needed and not there" in told


def test_a_key_that_stands_twice_is_refused() -> None:
    assert "s.yaml:26: name: stands there twice" in problems(GOOD + "name: again\n")


def test_overrides_reach_everything() -> None:
    study = parse_study(
        GOOD,
        "s.yaml",
        [
            "seeds=[5]",
            "data.train.limit=60",
            "students.minilm.method.learning_rate=1.0e-3",
            "arms.none={operation: repeat, amount: 3x}",
            "task.labels.2=perhaps",
        ],
    )
    assert study.seeds == (5,)
    assert study.data.train.limit == 60
    assert study.students["minilm"].method.learning_rate == 1e-3
    assert study.arms["none"].operation == "repeat"
    assert study.task.labels == ("yes", "no", "perhaps")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seeds", "key.key=value"),
        ("task.labels.9=x", "not there"),
        ("data.trian.limit=3", "did you mean 'train'?"),
        ("students.smollm2.readings=[]", "at least 1 item"),
        ("students.minilm.arms=[]", "at least 1 item"),
        ("name=!!timestamp x", "not YAML"),
    ],
)
def test_overrides_that_cannot_be(override: str, words: str) -> None:
    assert words in problems(GOOD, override)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("a: !!timestamp x", "not YAML"),
        ("a: !!int x", "not YAML"),
        ("- a", "keys and values"),
        ("", "keys and values"),
    ],
)
def test_what_is_no_study(text: str, words: str) -> None:
    assert words in problems(text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not there"):
        load_study(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(Path("studies").rglob("*.yaml")), ids=str)
def test_every_shipped_study_is_valid(path: Path) -> None:
    assert load_study(path).name
