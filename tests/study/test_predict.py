"""Tables of predictions, whatever stands in the rows."""

from __future__ import annotations

import json

from preceptor.store.tables import read_rows

from .conftest import Cli, Place

SETS = (
    "students={bert: {kind: encoder, weights: bert, method: full, arms: [none]}}",
    "students.bert.fit={max_length: 100}",
    "baselines.teacher=[]",
    "budget.steps=1",
    "seeds=1",
)


def test_a_parquet_table_has_the_columns_of_all_rows_and_takes_mixed_ones(
    place: Place, cli: Cli
) -> None:
    sets = [word for override in SETS for word in ("--set", override)]
    assert cli("run", place.study, "--out", "run", *sets) == 0
    new = [
        {"text": "yes one", "mixed": 1, "whole": 1, "empty": {}},
        {"text": "no two", "mixed": "two", "whole": 2, "late": "here", "empty": {}},
        {"text": "no three", "mixed": [True], "empty": {}},
    ]
    (place.folder / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new))
    assert cli("predict", "run", "new.jsonl", "--out", "out.parquet") == 0
    found = read_rows(place.folder / "out.parquet")
    assert [row["late"] for row in found] == [None, "here", None]
    assert [row["mixed"] for row in found] == ["1", "two", "[true]"]
    assert [row["whole"] for row in found] == [1, 2, None]
    assert {row["prediction"] for row in found} <= {"yes", "no", "maybe"}
