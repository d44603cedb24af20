import json
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter
from table_files import ROWS, write

from preceptor.data.inspect import guess, starter_study
from preceptor.data.readers import READERS, ReaderSettings
from preceptor.errors import DataError
from preceptor.study.spec import Study
from preceptor.tasks.text import TextTask
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


MESSAGES = [f"{n};Café, number {n}: is it ready;{('a', 'b')[n % 2]}" for n in range(10)]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_seen_and_written(tmp_path, delimiter):
    lines = ["id;message;kind", *MESSAGES]
    (tmp_path / "a.csv").write_text("\n".join(line.replace(";", delimiter) for line in lines))
    guessed = guess(tmp_path / "a.csv", tmp_path)
    assert roles(guessed) == {"id": "id", "message": "input", "kind": "target"}
    study, splits = started(guessed, tmp_path)
    assert study.data.delimiter == delimiter
    assert len(splits.test) == 5


def test_commas_stay_where_other_marks_stand_in_texts(tmp_path):
    lines = [f'"{n}; or, rather; {n}",{("a", "b")[n % 2]}' for n in range(10)]
    (tmp_path / "a.csv").write_text("\n".join(["text; words|all,kind", *lines]))
    assert "delimiter" not in starter_study(guess(tmp_path / "a.csv", tmp_path))


@pytest.mark.parametrize(("encoding", "said"), [("cp1252", "# not UTF-8"), ("utf-16", "")])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_another_encoding_is_seen_and_written(tmp_path, encoding, said, name):
    rows = [{"message": f"Café “{n}” is late", "kind": ("a", "b")[n % 2]} for n in range(10)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    if name == "a.csv":
        lines = ["message,kind", *(",".join(row.values()) for row in rows)]
    (tmp_path / name).write_bytes("\n".join(lines).encode(encoding))
    guessed = guess(tmp_path / name, tmp_path)
    study, splits = started(guessed, tmp_path)
    assert study.data.encoding == encoding
    assert said in starter_study(guessed)
    assert splits.test[0].inputs["message"].startswith("Café “")


def test_the_encoding_of_a_part_that_tells_it(tmp_path):
    write(
        tmp_path / "train.csv", [{"message": row["message"], "kind": row["kind"]} for row in ROWS]
    )
    (tmp_path / "test.csv").write_bytes("message,kind\ncafé,x\n".encode("cp1252"))
    _, splits = started(guess(tmp_path, tmp_path), tmp_path)
    assert splits.test[0].inputs["message"] == "café"


def test_a_damaged_utf_8_file_is_not_taken_for_another_encoding(tmp_path):
    text = "message,kind\n" + "é ü ö,x\n" * 9
    (tmp_path / "a.csv").write_bytes(text.encode() + b"\xe9,y\n")
    with pytest.raises(DataError, match="not in utf-8") as error:
        guess(tmp_path / "a.csv")
    assert "line 11" in error.value.where


def test_columns_that_a_spreadsheet_left_behind(tmp_path):
    lines = [f"some text {n},{('a', 'b')[n % 2]},," for n in range(10)]
    (tmp_path / "a.csv").write_text("\n".join(["message,kind,,", *lines]))
    guessed = guess(tmp_path / "a.csv", tmp_path)
    assert roles(guessed) == {"message": "input", "kind": "target"}
    assert "# a.csv: columns with neither a name nor a value, ignored: 2." in starter_study(guessed)
    started(guessed, tmp_path)


def test_columns_whose_field_names_collide_are_numbered(tmp_path):
    names = ["my text", "my-text", "my_text_2", "2 m²", ""]
    rows = [
        {**{name: f"the {place} text of {n}" for place, name in enumerate(names)}, "kind": kind}
        for n, kind in enumerate("abababab")
    ]
    write(tmp_path / "a.csv", rows)
    study, splits = started(guess(tmp_path / "a.csv", tmp_path), tmp_path)
    fields = study.data.columns.fields()
    assert fields == {
        "my_text": "my text",
        "my_text_2": "my-text",
        "my_text_2_2": "my_text_2",
        "_2_m_": "2 m²",
        "_": "",
    }
    assert all(f"{{{{ {name} }}}}" in study.task.input for name in fields)
    assert len(set(splits.train[0].inputs.values())) == 5


@pytest.mark.parametrize("odd", ["Date\n(local)", "a\u2028b", "a\x85b", "a\x07\x7fb: #"])
def test_names_and_labels_that_would_break_the_file(tmp_path, odd):
    rows = [
        {"text": f"a longer text {n}", odd: "" if n else "x", "label": f"{odd}{n % 2}"}
        for n in range(10)
    ]
    write(tmp_path / "a.jsonl", rows)
    text = starter_study(guess(tmp_path / "a.jsonl", tmp_path))
    study = yaml.safe_load(text)
    assert study["task"]["labels"] == [f"{odd}0", f"{odd}1"]
    assert study["data"]["split"] == {"by": "draw", "test": 0.5, "validation": 0.1}


QUESTIONS = [
    {
        "question": f"what are the symptoms of illness number {n}",
        "answer": f"people with illness {n} mostly have a fever and a cough",
        "source": f"site {n % 3}",
    }
    for n in range(20)
]


def test_answers_that_differ_become_a_text_study(tmp_path):
    write(tmp_path / "a.csv", QUESTIONS)
    guessed = guess(tmp_path / "a.csv", tmp_path)
    assert roles(guessed) == {"question": "input", "answer": "target", "source": "other"}
    assert (guessed.targets, dict(guessed.labels)) == ("text", {})
    text = starter_study(guessed)
    study = yaml.safe_load(text)
    assert TextTask.model_validate(study["task"]).input == "{{ question }}"
    assert "20 different texts of 11 words on average" in text
    assert study["data"]["reader"] == "table"
    assert study["arms"] == {"none": "none"}
    assert [one["kind"] for one in study["students"].values()] == ["decoder"]
    settings = TypeAdapter(ReaderSettings).validate_python(study["data"])
    splits = READERS["table"].read(settings, tmp_path, "text")
    assert [len(part) for part in splits.labelled().values()] == [8, 2, 10]


def test_a_label_by_its_name_comes_before_an_answer(tmp_path):
    rows = [{**row, "label": ("yes", "no")[n % 2]} for n, row in enumerate(QUESTIONS)]
    write(tmp_path / "a.csv", rows)
    guessed = guess(tmp_path / "a.csv", tmp_path)
    assert (guessed.targets, guessed.of_role("target")) == ("label", ["label"])
    assert guessed.of_role("input") == ["question", "answer"]


def test_real_answers():
    path = shared("medquad/medquad.csv.gz")
    guessed = guess(path, path.parent)
    assert (guessed.targets, guessed.of_role("target")) == ("text", ["answer"])
    assert guessed.of_role("input") == ["question"]
    assert yaml.safe_load(starter_study(guessed))["task"]["kind"] == "text"


def test_files_that_cannot_be_guessed(tmp_path):
    (tmp_path / "b.json").write_text(
        '{"1": {"QUESTION": "", "CONTEXTS": [], "final_decision": ""}, "2": 3}'
    )
    with pytest.raises(DataError, match="not PubMedQA"):
        guess(tmp_path / "b.json")
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
