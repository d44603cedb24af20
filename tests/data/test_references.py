"""Several right answers in a table, and a first look at tables that have lists."""

import json

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError
from table_files import table, write

from preceptor.data.columns import Columns
from preceptor.data.inspect import guess, starter_study
from preceptor.data.readers import READERS, ReaderSettings
from preceptor.errors import DataError
from preceptor.study.spec import Study
from shared_data import shared

COLUMNS = {"id": "key", "target": "best", "inputs": ["question"], "references": ["answers"]}
ROWS = [
    {
        "key": f"k{n}",
        "question": f"What is number {n} of all of them?",
        "best": f"It is {n} and no other.",
        "answers": [f"It is {n} and no other.", f"Number {n}. "],
    }
    for n in range(20)
]


def opened(folder, rows=ROWS, name="a.jsonl", **settings):
    write(folder / name, rows)
    return table(folder, path=name, columns={**COLUMNS, **settings.pop("columns", {})}, **settings)


def everything(splits):
    return {one.id: one for part in splits.labelled().values() for one in part}


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.jsonl.gz"])
def test_a_column_of_lists_holds_further_answers(tmp_path, name):
    found = everything(opened(tmp_path, name=name))
    assert found["k3"].target == "It is 3 and no other."
    assert found["k3"].references == ("It is 3 and no other.", "Number 3.")


def test_columns_of_text_are_further_answers_too(tmp_path):
    rows = [{**row, "answers": "", "other": f"Other {row['key']}"} for row in ROWS]
    found = everything(
        opened(tmp_path, rows, "a.csv", columns={"references": ["answers", "other"]})
    )
    assert found["k3"].references == ("It is 3 and no other.", "Other k3")


def test_nothing_is_no_further_answer_and_no_column_is_no_references(tmp_path):
    rows = [{**row, "answers": None} for row in ROWS]
    assert everything(opened(tmp_path, rows))["k3"].references == ("It is 3 and no other.",)
    assert everything(opened(tmp_path, columns={"references": []}))["k3"].references == ()


def test_lists_that_are_wrong(tmp_path):
    wrong = [[], ["x", " "], ["x", 7], {"a": 1}]
    rows = [{**row, "answers": answers} for row, answers in zip(ROWS, wrong, strict=False)]
    with pytest.raises(DataError) as error:
        opened(tmp_path, [*rows, *ROWS[4:]])
    lines = str(error.value).splitlines()
    assert lines[0] == "a.jsonl: 4 problems"
    for line, row, said in zip(
        lines[1:],
        range(1, 5),
        [
            "an example without references; found an empty list",
            "a reference is empty text; found ' '",
            "a reference is not text; found 7",
            "a value is not text; found {'a': 1}",
        ],
        strict=True,
    ):
        assert f"{tmp_path}/a.jsonl:{row}, answers: {said}" in line
    splits = opened(tmp_path, [rows[0], *ROWS[1:]], empty_rows="drop")
    assert [one.reason for one in splits.dropped] == ["empty: answers"]


def test_the_column_must_be_there_where_there_are_labels(tmp_path):
    with pytest.raises(DataError, match="a column 'answer'") as error:
        opened(tmp_path, columns={"references": ["answer"]})
    assert error.value.fix == "did you mean 'answers'?"
    write(tmp_path / "pool.jsonl", [{"key": f"u{n}", "question": "What?"} for n in range(3)])
    write(tmp_path / "train.jsonl", ROWS)
    files = {"train": "train.jsonl", "unlabelled": "pool.jsonl"}
    splits = table(tmp_path, files=files, columns=COLUMNS, split={"by": "draw", "test": 3})
    assert [one.references for one in splits.unlabelled] == [()] * 3
    with pytest.raises(ValidationError, match="held back at once"):
        Columns(target="a", inputs=("b",), references=("b",))


def test_a_starter_study_names_the_references(tmp_path):
    rows = [{**row, "category": ("one", "two")[n % 2]} for n, row in enumerate(ROWS)]
    rows = [{**row, "answer": row.pop("best"), "numbers": [1, 2]} for row in rows]
    write(tmp_path / "qa.jsonl", rows)
    guessed = guess(tmp_path / "qa.jsonl", tmp_path)
    roles = {each.name: each.role for each in guessed.columns}
    assert roles["answer"] == "target"
    assert roles["answers"] == "references"
    assert roles["numbers"] == roles["category"] == "other"
    study = Study.model_validate(yaml.safe_load(starter_study(guessed)))
    settings = TypeAdapter(ReaderSettings).validate_python(study.data)
    splits = READERS["table"].read(settings, tmp_path, "text")
    assert len(splits.train[0].references) == 2


@pytest.mark.parametrize("name", ["webnlg", "sgd"])
def test_published_lists_are_looked_at(name):
    guessed = guess(shared(name), shared(name))
    assert guessed.targets == "text"
    assert guessed.of_role("target") == ["target"]
    assert guessed.of_role("references") == ["references"]
    assert "reader: table" in starter_study(guessed)


@pytest.mark.parametrize(
    ("name", "labels"), [("clinc150", 151), ("scicite", 3), ("medical_abstracts", 5)]
)
def test_published_labels_are_looked_at(name, labels):
    guessed = guess(shared(name), shared(name))
    assert (len(guessed.labels), guessed.of_role("target")) == (labels, ["label"])
    assert json.loads(json.dumps(list(guessed.files))) == ["train", "validation", "test"]
