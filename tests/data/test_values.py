"""A value becomes the same text wherever one is made of it."""

import pytest
import yaml
from table_files import write

from preceptor.data.columns import Columns, Converter
from preceptor.data.dividing import ByColumn, divide_by_column
from preceptor.data.inspect import guess, starter_study
from preceptor.data.problems import Problems
from preceptor.data.rows import Row
from preceptor.data.values import text_of
from preceptor.study.predict import _example


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), (True, "true"), (1.0, "1.0"), (3, "3"), (" a ", " a ")],
)
def test_a_value_as_text(value, text):
    assert text_of(value) == text


def test_a_student_is_shown_the_same_when_it_trains_and_when_it_predicts():
    row = Row(1, "f:1", {"urgent": True, "message": "help", "kind": "a"})
    columns = Columns(target="kind", inputs=("urgent", "message"))
    (trained,) = Converter(columns, "refuse", Problems("f")).convert([row], "f", labelled=True)
    predicted = _example(row, {"urgent": "urgent", "message": "message"})
    assert predicted.inputs == trained.inputs == {"urgent": "true", "message": "help"}


def test_a_row_whose_only_text_is_not_a_number_is_empty_when_predicting():
    with pytest.raises(Exception, match="nothing to read"):
        _example(Row(1, "f:1", {"m": float("nan")}), {"m": "m"})


def test_the_labels_of_a_boolean_column_are_those_that_are_read(tmp_path):
    rows = [{"message": f"a longer text {n}", "spam": n % 2 == 0} for n in range(10)]
    rows.append({"message": "a text without", "spam": float("nan")})
    write(tmp_path / "a.jsonl", rows)
    study = yaml.safe_load(starter_study(guess(tmp_path / "a.jsonl", tmp_path)))
    assert study["task"]["labels"] == ["true", "false"]
    assert study["data"]["empty_rows"] == "refuse"


def test_nothing_in_a_column_of_parts_is_not_the_word_none():
    problems = Problems("f")
    split = ByColumn(by="column", column="split", values={"train": ("true",), "test": ("false",)})
    rows = [Row(1, "f:1", {"split": True}), Row(2, "f:2", {"split": None}), Row(3, "f:3", {})]
    parts = divide_by_column(rows, split, problems)
    assert [row.number for row in parts["train"]] == [1]
    assert [one.found for one in problems.found] == ["nothing", "nothing"]
