import json

import pytest

from preceptor.data.example import Example
from preceptor.data.readers.pubmedqa import PubmedqaSettings, read
from preceptor.errors import DataError
from preceptor.evaluate.submission import score_field, score_file
from shared_data import shared

LABELS = ("yes", "no", "maybe")
TEST = [
    Example(str(n), {"question": "?"}, label, extra={"human": human})
    for n, (label, human) in enumerate(
        [("yes", "Yes "), ("no", "yes"), ("maybe", "?"), ("no", "no")]
    )
]
TEXTS = ["Yes, it does.", "not at all: no", "I cannot tell", "no"]


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refused(path, **settings):
    with pytest.raises(DataError) as error:
        score_file(path, TEST, LABELS, **settings)
    return error.value


def lines_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("kind", ["json", "jsonl", "txt"])
def test_all_three_kinds_of_file_score_alike(tmp_path, kind):
    rows = [{"id": n, "text": text} for n, text in enumerate(TEXTS)][::-1]
    content = {
        "json": {str(row["id"]): row["text"] for row in rows},
        "jsonl": lines_of(rows),
        "txt": "\n".join(TEXTS) + "\n",
    }[kind]
    found = score_file(written(tmp_path / f"answers.{kind}", content), TEST, LABELS)
    assert (found["accuracy"], found["n"], found["unparsed"]) == (0.75, 4, 1)


def test_the_way_of_reading_decides(tmp_path):
    path = written(tmp_path / "a.txt", "\n".join(TEXTS))
    found = score_file(path, TEST, LABELS, "drllama_llm")
    assert (found["accuracy"], found["unparsed"]) == (1.0, 0)


def test_an_empty_line_is_an_answer(tmp_path):
    path = written(tmp_path / "a.txt", "yes\n\nmaybe\n\n")
    assert score_file(path, TEST, LABELS)["unparsed"] == 2


def test_ids_that_are_missing_unknown_or_doubled(tmp_path):
    rows = [{"id": name, "text": "yes"} for name in ("0", "1", "1", "9")]
    text = str(refused(written(tmp_path / "a.jsonl", lines_of(rows))))
    assert text.startswith("a.jsonl: 4 problems")
    assert f"{tmp_path}/a.jsonl:3: a duplicate id; found 1" in text
    assert f"{tmp_path}/a.jsonl:4: an id that the test split lacks; found 9" in text
    assert "2 test items have no answer; found 2 of 4 ids; expected also 2, 3" in text
    doubled = written(tmp_path / "a.json", '{"0": "yes", "0": "no"}')
    assert refused(doubled).found == "0 more than once"


def test_files_of_another_kind(tmp_path):
    assert refused(tmp_path / "none.json").what == "there is no file of answers"
    assert "not an object" in refused(written(tmp_path / "a.json", [1])).what
    assert "not JSON" in str(refused(written(tmp_path / "a.jsonl", "{\n")))
    assert "not an answer" in str(refused(written(tmp_path / "a.jsonl", '{"id": 1}\n')))
    answers = {str(n): text for n, text in enumerate(["yes", None, "no", "no"])}
    assert refused(written(tmp_path / "a.json", answers)).what == "an answer is not text"
    error = refused(written(tmp_path / "a.txt", "yes\nno\n"))
    assert (error.found, error.expected) == ("2 lines", "4, one a test item, in its order")


def test_a_field_of_the_data():
    found = score_field(TEST, "human", LABELS)
    assert (found["accuracy"], found["unparsed"]) == (0.5, 1)
    with pytest.raises(DataError, match="did you mean 'human'"):
        score_field(TEST, "humna", LABELS)
    with pytest.raises(DataError, match="unknown label in the data"):
        score_field(TEST, "human", ("yes", "no"))
    with pytest.raises(DataError, match="nothing to score"):
        score_field([], "human", LABELS)


def test_the_human_row_of_pubmedqa():
    path = shared("pubmedqa/ori_pqal.json")
    settings = PubmedqaSettings(reader="pubmedqa", path=path.name, protocol="official")
    test = read(settings, path.parent).test
    found = score_field(test, "reasoning_required_pred", LABELS)
    assert (found["accuracy"], round(found["macro_f1"], 3)) == (0.780, 0.722)
    truth = score_file(path.parent / "test_ground_truth.json", test, LABELS)
    assert (truth["accuracy"], truth["macro_f1"], truth["n"]) == (1.0, 1.0, 500)
