from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter
from table_files import ROWS, write

from preceptor.data.inspect import guess, starter_study
from preceptor.data.readers import READERS, ReaderSettings
from preceptor.errors import DataError
from preceptor.study.spec import Study
from shared_data import shared

DEMO = Path(__file__).parents[2] / "src" / "preceptor" / "demo"


def roles(guessed):
    return {column.name: column.role for column in guessed.columns}


def started(guessed, base_dir):
    """The study as a user's file would give it, and what its reader reads."""
    study = Study.model_validate(yaml.safe_load(starter_study(guessed)))
    settings = TypeAdapter(ReaderSettings).validate_python(study.data)
    return study, READERS[settings.reader].read(settings, base_dir)


def test_a_csv_becomes_a_study_that_reads_it(tmp_path):
    write(tmp_path / "my messages.csv")
    guessed = guess(tmp_path / "my messages.csv", tmp_path)
    assert roles(guessed) == {"key": "other", "message": "input", "kind": "target"}
    assert guessed.rows == 20
    assert dict(guessed.labels) == {"bill": 10, "visit": 10}
    study, splits = started(guessed, tmp_path)
    assert study.name == "my-messages-study"
    assert study.task.labels == ("bill", "visit")
    assert study.task.input == "{{ message }}"
    assert [len(part) for part in splits.labelled().values()] == [8, 2, 10]


def test_the_study_may_lie_in_another_folder(tmp_path):
    (tmp_path / "studies").mkdir()
    write(tmp_path / "a.csv")
    _, splits = started(guess(tmp_path / "a.csv", tmp_path / "studies"), tmp_path / "studies")
    assert splits.files == [tmp_path / "a.csv"]


def test_several_inputs_ids_groups_and_odd_column_names(tmp_path):
    rows = [
        {
            "pmid": str(n),
            "patient id": f"p{n // 2}",
            "The question": f"is number {n} the right one",
            "abstract": f"we looked at number {n} " + "and at more " * 10,
            "long_answer": f"number {n} is not the right one after all",
            "final_decision": ("yes", "no")[n % 2],
            "note": "",
        }
        for n in range(20)
    ]
    write(tmp_path / "a.jsonl", rows)
    guessed = guess(tmp_path / "a.jsonl", tmp_path)
    assert roles(guessed) == {
        "pmid": "id",
        "patient id": "group",
        "The question": "input",
        "abstract": "input",
        "long_answer": "held",
        "final_decision": "target",
        "note": "other",
    }
    study, splits = started(guessed, tmp_path)
    assert study.task.labels == ("yes", "no")
    assert "Question: {{ The_question }}" not in study.task.input
    assert "{{ The_question }}\nAbstract: {{ abstract }}" in study.task.input
    assert study.arms["rewrite"].fields == ("The_question",)
    assert study.arms["create"].keep == ("abstract",)
    assert set(splits.train[0].extra) == {"long_answer"}
    assert "whole groups (patient id)" in splits.notes[0]


def test_a_column_of_splits_is_used(tmp_path):
    parts = ["train", "train", "dev", "test"] * 5
    write(tmp_path / "a.csv", [{**row, "split": p} for row, p in zip(ROWS, parts, strict=True)])
    _, splits = started(guess(tmp_path / "a.csv", tmp_path), tmp_path)
    assert [len(part) for part in splits.labelled().values()] == [10, 5, 5]


def test_a_folder_of_parts_and_a_train_file_beside_others(tmp_path):
    write(tmp_path / "train.csv", ROWS[:14])
    write(tmp_path / "test.csv", ROWS[14:])
    for path in (tmp_path, tmp_path / "train.csv"):
        guessed = guess(path, tmp_path)
        assert set(guessed.files) == {"train", "test"}
        _, splits = started(guessed, tmp_path)
        assert len(splits.test) == 6
        assert len(splits.validation) == 1


def test_empty_values_are_pointed_out(tmp_path):
    write(tmp_path / "a.csv", [{**ROWS[0], "message": ""}, *ROWS[1:]])
    text = starter_study(guess(tmp_path / "a.csv", tmp_path))
    assert "empty_rows: refuse  # or drop; rows: 1 lack message" in text


def test_without_a_label_the_study_says_what_to_fill_in(tmp_path):
    write(tmp_path / "a.csv", [{"text": f"some text {n}", "answer": f"{n}"} for n in range(9)])
    text = starter_study(guess(tmp_path / "a.csv", tmp_path))
    assert "no column has few distinct values" in text
    assert yaml.safe_load(text)["data"]["columns"]["target"] == "CHANGE_ME"


def test_labels_that_yaml_would_misread_stay_text(tmp_path):
    rows = [{"text": f"a longer text {n}", "label": ("no", "1")[n % 2]} for n in range(10)]
    write(tmp_path / "a.csv", rows)
    study, _ = started(guess(tmp_path / "a.csv", tmp_path), tmp_path)
    assert set(study.task.labels) == {"no", "1"}


def test_files_that_cannot_be_guessed(tmp_path):
    (tmp_path / "a.json").write_text('{"rows": []}')
    with pytest.raises(DataError, match="not PubMedQA"):
        guess(tmp_path / "a.json")
    with pytest.raises(DataError, match="folder without a file of training"):
        guess(tmp_path)
    with pytest.raises(DataError, match="missing"):
        guess(tmp_path / "b.csv")


def test_the_shipped_questions():
    guessed = guess(DEMO / "questions.jsonl", DEMO)
    assert guessed.of_role("input") == ["question", "context"]
    assert set(guessed.labels) == {"yes", "no", "maybe"}
    started(guessed, DEMO)


def test_real_data():
    path = shared("pubmedqa/ori_pqal.json")
    study, splits = started(guess(path, path.parent), path.parent)
    assert study.data.protocol == "official"
    assert len(splits.test) == 500
    folder = shared("clinc150")
    study, splits = started(guess(folder, folder), folder)
    assert len(study.task.labels) == 151
    assert study.name == "clinc150-study"
    assert len(splits.test) == 2000
