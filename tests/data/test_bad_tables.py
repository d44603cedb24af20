"""Every bad input ends in an error that names file, row, field, found, expected and a fix."""

import gzip
import json

import pytest
from table_files import COLUMNS, ROWS, table, write

from preceptor.errors import DataError


def refused(folder, **settings):
    with pytest.raises(DataError) as error:
        table(folder, **settings)
    return error.value


def changed(which, **values):
    return [{**row, **values} if row["key"] == which else row for row in ROWS]


def test_missing_file_names_the_nearest(tmp_path):
    write(tmp_path / "messages.csv")
    error = refused(tmp_path, path="mesages.csv")
    assert error.where == f"{tmp_path}/mesages.csv"
    assert error.fix == "did you mean messages.csv?"
    assert "there is no folder" in refused(tmp_path, path="nowhere/messages.csv").fix
    assert refused(tmp_path.parent, path=tmp_path.name).found == "a folder"


def test_all_missing_files_at_once(tmp_path):
    error = refused(tmp_path, files={"train": "a.csv", "test": "b.csv"})
    assert "a.csv" in str(error)
    assert "b.csv" in str(error)


@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_empty_file(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    error = refused(tmp_path, path="a.csv")
    assert (error.what, error.where) == ("a data file is empty", f"{tmp_path}/a.csv")


def test_header_without_rows(tmp_path):
    (tmp_path / "a.csv").write_text("key,message,kind\n")
    assert refused(tmp_path, path="a.csv").what == "a data file has no rows"


def test_wrong_encoding_names_line_byte_and_fix(tmp_path):
    (tmp_path / "a.csv").write_bytes("key,message,kind\nk,caf\xe9,bill\n".encode("latin-1"))
    error = refused(tmp_path, path="a.csv")
    assert "line 2, byte 22" in error.where
    assert "encoding: latin-1" in error.fix
    (tmp_path / "b.csv").write_bytes("key,message,kind\nk,x,bill\n".encode("utf-16"))
    assert "encoding: utf-16" in refused(tmp_path, path="b.csv").fix
    assert refused(tmp_path, path="a.csv", encoding="utf-9").found == "utf-9"


def test_broken_json_lines(tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    lines[4] = lines[4][:-3]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    error = refused(tmp_path, path="a.jsonl")
    assert error.where == f"{tmp_path}/a.jsonl:5"
    assert error.what.startswith("a line is not JSON")
    lines[4] = "[1, 2]"
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert refused(tmp_path, path="a.jsonl").what == "a line is not an object"


def test_half_a_character_names_row_and_field(tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    lines[3] = json.dumps({**ROWS[3], "message": "thanks \ud83d", "more": {"notes": ["\udc4d"]}})
    lines[4] = json.dumps({**ROWS[4], "message": "a whole one: \U0001f44d"})
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    error = refused(tmp_path, path="a.jsonl")
    assert error.what == "half a character"
    assert error.where == f"{tmp_path}/a.jsonl:4, message, more/notes"
    assert "\\ud83d" in error.found
    assert error.expected is not None
    assert error.fix is not None


def test_a_key_twice_on_a_line_a_number_and_a_depth_that_python_refuses(tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    lines[2] = '{"key": "k2", "message": "one", "kind": "bill", "message": "two"}'
    lines[3] = f'{{"key": {"9" * 5000}, "message": "one", "kind": "bill"}}'
    lines[4] = "[" * 100_000
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    said = str(refused(tmp_path, path="a.jsonl")).splitlines()
    assert said[0] == "a.jsonl: 3 problems"
    for number, (line, what) in enumerate(
        [(3, "a key stands twice"), (4, "a number has too many digits"), (5, "nested too deeply")]
    ):
        assert f"a.jsonl:{line}: " in said[number + 1]
        assert what in said[number + 1]


def test_missing_column_names_those_that_are_there(tmp_path):
    write(tmp_path / "a.csv")
    error = refused(tmp_path, path="a.csv", columns={**COLUMNS, "inputs": ["mesage"]})
    assert (error.where, error.expected) == ("a.csv", "a column 'mesage'")
    assert "key, message, kind" in error.found
    assert error.fix == "did you mean 'message'?"


def test_a_csv_with_another_delimiter_says_so(tmp_path):
    (tmp_path / "a.csv").write_text("key;message;kind\nk;x;bill\n")
    assert "delimiter: ';'" in str(refused(tmp_path, path="a.csv"))


def test_duplicate_id_names_both_rows(tmp_path):
    write(tmp_path / "a.csv", changed("k5", key="k2"))
    error = refused(tmp_path, path="a.csv")
    assert error.what == "a duplicate id"
    assert error.where == f"{tmp_path}/a.csv:6 (line 7), key"
    assert error.found == f"k2, as in {tmp_path}/a.csv:3 (line 4)"


def test_duplicate_id_over_two_files(tmp_path):
    write(tmp_path / "a.csv", ROWS[:10])
    write(tmp_path / "b.csv", ROWS[9:])
    error = refused(tmp_path, files={"train": "a.csv", "test": "b.csv"})
    assert (error.what, "k9" in error.found) == ("a duplicate id", True)


def test_empty_id(tmp_path):
    write(tmp_path / "a.csv", changed("k5", key=" "))
    assert refused(tmp_path, path="a.csv").what == "an id is empty"


def test_example_without_context(tmp_path):
    write(tmp_path / "a.csv", changed("k5", message="  "))
    error = refused(tmp_path, path="a.csv")
    assert error.what == "an example without message"
    assert (error.found, "empty_rows: drop" in error.fix) == ("nothing", True)


def test_labelled_row_without_target(tmp_path):
    write(tmp_path / "a.csv", changed("k5", kind=""))
    assert refused(tmp_path, path="a.csv").what == "an example without a target"


def test_a_list_of_labels(tmp_path):
    write(tmp_path / "a.jsonl", changed("k5", kind=["bill", "visit"]))
    error = refused(tmp_path, path="a.jsonl")
    assert error.what == "more than one label on a row"
    assert error.where == f"{tmp_path}/a.jsonl:6, kind"


def test_an_input_that_is_no_text(tmp_path):
    write(tmp_path / "a.jsonl", changed("k5", message={"a": 1}))
    assert refused(tmp_path, path="a.jsonl").what == "a value is not text"


def test_a_row_without_group(tmp_path):
    rows = [{**row, "patient": "" if row["key"] == "k5" else row["key"]} for row in ROWS]
    write(tmp_path / "a.csv", rows)
    split = {"by": "group", "column": "patient", "test": 3}
    error = refused(tmp_path, path="a.csv", split=split)
    assert error.what == "an example without a group"
    assert len(table(tmp_path, path="a.csv", split=split, empty_rows="drop").dropped) == 1


def test_ragged_rows_and_open_quotes(tmp_path):
    (tmp_path / "a.csv").write_text("key,message,kind\nk1,hello, world,bill\nk2,x,visit\n")
    error = refused(tmp_path, path="a.csv")
    assert (error.found, error.where) == ("4 values", f"{tmp_path}/a.csv:1 (line 2)")
    (tmp_path / "a.csv").write_text('key,message,kind\nk1,x,bill\nk2,"open,visit\nk3,y,bill\n')
    error = refused(tmp_path, path="a.csv")
    assert error.where == f"{tmp_path}/a.csv:2 (line 3)"
    assert "quotes: false" in error.fix


def test_columns_of_one_name(tmp_path):
    (tmp_path / "a.csv").write_text("key,kind,kind\nk1,x,bill\n")
    assert refused(tmp_path, path="a.csv").what == "columns of the same name"
    (tmp_path / "a.csv").write_text("key,message,kind,,\nk1,x,bill,1,2\n")
    assert refused(tmp_path, path="a.csv").found == "''"


def test_columns_with_neither_name_nor_value_are_ignored_with_a_note(tmp_path):
    lines = [f"{row['key']},,{row['message']},{row['kind']},, " for row in ROWS]
    (tmp_path / "a.csv").write_text("\n".join(["key,,message,kind,,", *lines]))
    splits = table(tmp_path, path="a.csv")
    assert len(splits.train) == 10
    assert "a.csv: columns with neither a name nor a value, ignored: 3." in splits.notes


def test_one_column_without_a_name_may_hold_values(tmp_path):
    lines = [f"{n},{row['key']},{row['message']},{row['kind']}" for n, row in enumerate(ROWS)]
    (tmp_path / "a.csv").write_text("\n".join([",key,message,kind", *lines]))
    assert len(table(tmp_path, path="a.csv", columns={**COLUMNS, "id": ""}).train) == 10


def test_unknown_format_and_broken_files(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    assert "ends in .csv, .tsv, .jsonl, .parquet" in refused(tmp_path, path="a.xlsx").expected
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    assert refused(tmp_path, path="a.parquet").what.startswith("a file is not Parquet")
    write(tmp_path / "b.parquet", [{**row, "message": row["message"] * 99} for row in ROWS])
    whole = bytearray((tmp_path / "b.parquet").read_bytes())
    whole[30:200] = bytes(170)
    (tmp_path / "b.parquet").write_bytes(whole)
    error = refused(tmp_path, path="b.parquet")
    assert error.what.startswith("a Parquet file is damaged")
    assert error.where == f"{tmp_path}/b.parquet"
    (tmp_path / "a.csv.gz").write_bytes(b"key,message")
    assert refused(tmp_path, path="a.csv.gz").what.startswith("a .gz file cannot be unpacked")
    cut = gzip.compress(b"key,message,kind\n" * 999)[:-20]
    (tmp_path / "b.csv.gz").write_bytes(cut)
    assert refused(tmp_path, path="b.csv.gz").what.startswith("a .gz file cannot be unpacked")


def test_problems_come_all_at_once_up_to_twenty(tmp_path):
    rows = [{**row, "message": ""} for row in ROWS] + [{**ROWS[0]}, {**ROWS[1]}]
    rows[2] = {**ROWS[2], "key": ""}
    write(tmp_path / "a.csv", rows)
    lines = str(refused(tmp_path, path="a.csv")).splitlines()
    assert lines[0] == "a.csv: 20 problems"
    rows += [{**row, "message": "", "key": f"more {row['key']}"} for row in ROWS]
    write(tmp_path / "a.csv", rows)
    lines = str(refused(tmp_path, path="a.csv")).splitlines()
    assert lines[0] == "a.csv: 40 problems"
    assert lines[-1] == "  and 20 more"
    assert len(lines) == 22


def test_nothing_left_to_train_on(tmp_path):
    write(tmp_path / "a.csv")
    error = refused(tmp_path, path="a.csv", split={"by": "draw", "test": 20})
    assert error.found == "20 rows: test 20, train 0"
