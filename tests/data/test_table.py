import json

import pytest
from pydantic import TypeAdapter, ValidationError
from table_files import COLUMNS, DRAW, ROWS, ids, table, write

from preceptor.data.readers import READERS, ReaderSettings
from preceptor.data.readers.table import TableSettings
from preceptor.errors import DataError
from shared_data import shared

FORMATS = ["csv", "tsv", "jsonl", "parquet"]


@pytest.mark.parametrize("ending", FORMATS + [f"{each}.gz" for each in FORMATS])
def test_every_format_gives_the_same_examples(tmp_path, ending):
    write(tmp_path / f"data.{ending}")
    splits = table(tmp_path, path=f"data.{ending}")
    everything = [*splits.train, *splits.validation, *splits.test]
    assert {(e.id, e.inputs["message"], e.target) for e in everything} == {
        (row["key"], row["message"], row["kind"]) for row in ROWS
    }
    assert splits.files == [tmp_path / f"data.{ending}"]


def test_a_draw_keeps_proportions_and_does_not_hang_on_the_order_of_rows(tmp_path):
    write(tmp_path / "a.csv")
    write(tmp_path / "b.csv", ROWS[::-1])
    first, second = table(tmp_path, path="a.csv"), table(tmp_path, path="b.csv")
    assert [len(first.train), len(first.validation), len(first.test)] == [10, 4, 6]
    assert sorted(e.target for e in first.test) == ["bill"] * 3 + ["visit"] * 3
    assert set(ids(first.test)) == set(ids(second.test))
    assert "test 6, validation 4, train 10" in first.notes[0]


def test_shares_are_of_all_rows_and_another_seed_draws_otherwise(tmp_path):
    write(tmp_path / "a.csv")
    split = {"by": "draw", "test": 0.5, "validation": 0.1}
    first = table(tmp_path, path="a.csv", split=split)
    second = table(tmp_path, path="a.csv", split={**split, "seed": 1})
    assert [len(first.test), len(first.validation), len(first.train)] == [10, 2, 8]
    assert set(ids(first.test)) != set(ids(second.test))


def test_a_column_divides(tmp_path):
    parts = ["tr", "tr", "dev", "test", "pool"] * 4
    rows = [{**row, "part": part} for row, part in zip(ROWS, parts, strict=True)]
    write(tmp_path / "a.csv", rows)
    values = {"train": ["tr"], "validation": ["dev"], "test": ["test"], "unlabelled": ["pool"]}
    split = {"by": "column", "column": "part", "values": values}
    splits = table(tmp_path, path="a.csv", split=split)
    assert ids(splits.test) == [row["key"] for row in rows if row["part"] == "test"]
    assert len(splits.train) == 8
    assert splits.unlabelled[0].target is None
    assert splits.unlabelled[0].extra["gold"] == "bill"


def test_a_value_that_names_no_part_is_refused(tmp_path):
    rows = [{**row, "part": "trian" if row["key"] == "k7" else "train"} for row in ROWS]
    write(tmp_path / "a.csv", rows)
    with pytest.raises(DataError, match="did you mean 'train'") as error:
        table(tmp_path, path="a.csv", split={"by": "column", "column": "part"})
    assert f"{tmp_path}/a.csv:8 (line 9), part" in str(error.value)


def test_no_group_stands_on_two_sides(tmp_path):
    rows = [{**row, "patient": f"p{n // 3}"} for n, row in enumerate(ROWS)]
    write(tmp_path / "a.csv", rows)
    group = {row["key"]: row["patient"] for row in rows}
    split = {"by": "group", "column": "patient", "test": 0.3, "validation": 3}
    splits = table(tmp_path, path="a.csv", split=split)
    sides = [
        {group[example.id] for example in part}
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert all(sides)
    assert sum(map(len, sides)) == len(set().union(*sides)) == 7
    assert len(splits.test) in (5, 6, 7)


def test_files_with_a_validation_part_drawn_from_train(tmp_path):
    write(tmp_path / "train.csv", ROWS[:12])
    write(tmp_path / "test.jsonl", ROWS[12:])
    pool = [{"key": f"u{n}", "message": f"unlabelled {n}"} for n in range(3)]
    write(tmp_path / "pool.jsonl", pool)
    splits = table(
        tmp_path,
        files={"train": "train.csv", "test": "test.jsonl", "unlabelled": "pool.jsonl"},
        split={"by": "draw", "validation": 0.5},
    )
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [6, 6, 8]
    assert not set(ids(splits.train)) & set(ids(splits.validation))
    first = splits.unlabelled[0]
    assert (first.id, first.target, dict(first.extra)) == ("u0", None, {})


def test_ids_are_made_from_file_and_row_and_differ_between_files_of_one_name(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "data.csv")
    columns = {**COLUMNS, "id": None}
    files = {"train": "one/data.csv", "test": "two/data.csv"}
    splits = table(tmp_path, files=files, columns=columns)
    assert splits.train[0].id == "train/data:1"
    assert splits.test[19].id == "test/data:20"
    write(tmp_path / "alone.csv.gz")
    assert "alone:1" in splits_ids(table(tmp_path, path="alone.csv.gz", columns=columns))


def splits_ids(splits):
    return {example.id for part in splits.labelled().values() for example in part}


def test_columns_are_renamed_and_extra_is_never_an_input(tmp_path):
    rows = [{**row, "The text": "abc", "why": "because"} for row in ROWS]
    write(tmp_path / "a.csv", rows)
    columns = {"target": "kind", "inputs": {"text": "The text"}, "extra": ["why"]}
    example = table(tmp_path, path="a.csv", columns=columns).train[0]
    assert dict(example.inputs) == {"text": "abc"}
    assert dict(example.extra) == {"why": "because"}


def test_values_other_than_text_become_text(tmp_path):
    rows = [{"text": n, "label": n % 2 == 0} for n in range(10)]
    write(tmp_path / "a.jsonl", rows)
    columns = {"target": "label", "inputs": ["text"]}
    splits = table(tmp_path, path="a.jsonl", columns=columns, split={"by": "draw", "test": 2})
    assert {e.target for e in splits.train} == {"true", "false"}
    assert splits.train[0].inputs["text"].isdigit()


def test_byte_order_mark_quotes_and_line_breaks_in_a_csv(tmp_path):
    lines = ["text,label"] + [f'"one ""{n}"",\nand more",{"ab"[n % 2]}' for n in range(4)]
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    columns = {"target": "label", "inputs": ["text"]}
    splits = table(tmp_path, path="a.csv", columns=columns, split={"by": "draw", "test": 2})
    assert {e.inputs["text"] for e in [*splits.train, *splits.test]} == {
        f'one "{n}",\nand more' for n in range(4)
    }
    assert splits.places["a:2"] == f"{tmp_path}/a.csv:2 (line 4)"


def test_other_encodings_delimiters_and_plain_quotes(tmp_path):
    text = "text;label\n" + "".join(f'"caf\xe9 {n};{"ab"[n % 2]}\n' for n in range(4))
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    splits = table(
        tmp_path,
        path="a.csv",
        columns={"target": "label", "inputs": ["text"]},
        split={"by": "draw", "test": 2},
        encoding="latin-1",
        delimiter=";",
        quotes=False,
    )
    assert splits.train[0].inputs["text"].startswith('"caf\xe9')


def test_rows_are_dropped_only_on_request_and_counted(tmp_path):
    rows = [{**row, "kind": "" if row["key"] in ("k3", "k4") else row["kind"]} for row in ROWS]
    write(tmp_path / "a.csv", rows)
    with pytest.raises(DataError, match="2 problems"):
        table(tmp_path, path="a.csv")
    splits = table(tmp_path, path="a.csv", empty_rows="drop")
    assert [(d.where.split("/")[-1], d.reason) for d in splits.dropped] == [
        ("a.csv:4 (line 5)", "empty: kind"),
        ("a.csv:5 (line 6)", "empty: kind"),
    ]
    assert len(splits_ids(splits)) == 18
    assert "2 rows" in splits.notes[-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give path or files"),
        ({"path": "a", "files": {"train": "b"}, "split": DRAW}, "give path or files"),
        ({"path": "a"}, "path needs split"),
        ({"path": "a", "split": {"by": "draw", "validation": 2}}, "no test part"),
        ({"files": {"train": "a"}}, "no test part"),
        ({"files": {"train": "a", "test": "a"}}, "one file stands for two"),
        ({"files": {"train": "a", "test": "b"}, "split": DRAW}, "split draws test"),
        (
            {"files": {"train": "a", "test": "b"}, "split": {"by": "column", "column": "c"}},
            "there are several",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_before_a_file_is_read(settings, message):
    with pytest.raises(ValidationError, match=message):
        TableSettings(reader="table", columns=COLUMNS, **settings)


def test_a_field_must_be_a_name_that_a_template_can_use():
    with pytest.raises(ValidationError, match=r"inputs: \{text: The text\}"):
        TableSettings(
            reader="table", path="a", split=DRAW, columns={"target": "t", "inputs": ["The text"]}
        )
    with pytest.raises(ValidationError, match="held back at once: kind"):
        TableSettings(
            reader="table", path="a", split=DRAW, columns={"target": "kind", "inputs": ["kind"]}
        )


def test_a_study_names_its_reader():
    given = {"reader": "table", "path": "a.csv", "columns": COLUMNS, "split": DRAW}
    settings = TypeAdapter(ReaderSettings).validate_python(given)
    assert READERS[settings.reader].read.__module__.endswith("readers.table")
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        TypeAdapter(ReaderSettings).validate_python({**given, "reader": "tabel"})


def test_shipped_questions(tmp_path):
    columns = {"id": "id", "target": "label", "inputs": ["question", "context"]}
    split = {"by": "draw", "test": 0.5, "validation": 0.1}
    splits = table(tmp_path, path="demo:questions.jsonl", columns=columns, split=split)
    assert len(splits_ids(splits)) == 40
    with pytest.raises(DataError, match=r"did you mean demo:questions\.jsonl"):
        table(tmp_path, path="demo:question.jsonl", columns=columns, split=split)


def test_scicite_counts():
    folder = shared("scicite")
    names = {"train": "train", "validation": "dev", "test": "test"}
    files = {part: f"scicite/{name}.jsonl.gz" for part, name in names.items()}
    columns = {"target": "label", "inputs": ["text"]}
    splits = table(folder.parent, files=files, columns=columns)
    assert [len(part) for part in splits.labelled().values()] == [5000, 500, 1857]


def test_medquad_drops_the_five_rows_without_answer():
    path = shared("medquad/medquad.csv.gz")
    columns = {"target": "answer", "inputs": ["question"]}
    with pytest.raises(DataError, match="5 problems"):
        table(path.parent, path=path.name, columns=columns)
    splits = table(path.parent, path=path.name, columns=columns, empty_rows="drop")
    assert len(splits_ids(splits)) == 16412 - 5 == 16412 - len(splits.dropped)


def test_json_lines_keep_their_line_as_row(tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    lines.insert(3, "")
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    splits = table(tmp_path, path="a.jsonl", columns={**COLUMNS, "id": None})
    assert "a:21" in splits_ids(splits)
    assert "a:4" not in splits_ids(splits)
