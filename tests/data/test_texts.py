"""Free text as the target: draws, division, checks and leaks without labels."""

import pytest
from table_files import table as labelled
from table_files import write

from preceptor.data.example import Example
from preceptor.data.leakage import leakage
from preceptor.data.readers.pubmedqa import PubmedqaSettings
from preceptor.data.readers.pubmedqa import read as read_pubmedqa
from preceptor.data.readers.table import TableSettings, read
from preceptor.data.splits import DataSettings, Limit, Splits, draw
from preceptor.data.targets import check_texts
from preceptor.errors import DataError


def some(prefix, count):
    """Examples of which half have one and the same answer."""
    answer = ("it depends", "that is {}")
    return [
        Example(f"{prefix}{n}", {"q": f"what is {prefix}{n}"}, answer[n % 2].format(n))
        for n in range(count)
    ]


def splits(**parts):
    given = {"train": some("a", 60), "validation": some("b", 10), "test": some("c", 10), **parts}
    return Splits(**given, targets="text")


def ids(examples):
    return [one.id for one in examples]


def test_a_limit_draws_by_the_seed_and_a_larger_one_contains_it():
    small, large, other = (
        draw(splits(), seed, DataSettings(train=Limit(limit=limit)))
        for seed, limit in ((1, 20), (1, 31), (2, 20))
    )
    assert len(small.train) == 20
    assert set(ids(small.train)) < set(ids(large.train))
    assert ids(small.train) != ids(other.train)
    assert small.targets == "text"
    # 30 of 60 answers are the same one: labels in proportion would give exactly 10 of 20.
    repeats = [
        sum(one.target == "it depends" for one in draw(splits(), seed, SMALL).train)
        for seed in range(10)
    ]
    assert len(set(repeats)) > 1


SMALL = DataSettings(train=Limit(limit=20))


def test_per_label_is_refused_with_what_to_set_instead():
    with pytest.raises(DataError) as error:
        draw(splits(), 0, DataSettings(validation=Limit(per_label=3)))
    assert error.value.where == "data.validation.per_label"
    assert "data.validation.limit" in error.value.fix


def test_a_limit_beyond_the_split_is_refused():
    with pytest.raises(DataError, match="asks for more"):
        draw(splits(), 0, DataSettings(test=Limit(limit=11)))


def test_check_texts():
    assert check_texts(splits()) == []
    assert check_texts(splits(validation=[])) == [
        "There is no validation split: nothing can be chosen on it."
    ]
    with pytest.raises(DataError) as error:
        check_texts(splits(train=[], test=[Example("t", {"q": "x"}, " ")]))
    lines = str(error.value).splitlines()
    assert lines[0] == "the data: 2 problems"
    assert "the train split is empty" in lines[1]
    assert "id t, target: an example without an answer" in lines[2]


def test_the_same_question_with_another_answer_is_no_contradiction():
    one, other = (
        Example("1", {"q": "what is it"}, "this"),
        Example("2", {"q": "what is it"}, "that"),
    )
    given = splits(train=[one, other], validation=[], test=[Example("3", one.inputs, "neither")])
    (leak,) = leakage(given, lambda example: example.inputs["q"])
    assert (leak.kind, leak.id_b) == ("exact", "3")


def test_a_table_with_free_text(tmp_path):
    rows = [{"q": f"question {n}", "a": ("the same", f"answer {n}")[n % 2]} for n in range(20)]
    write(tmp_path / "a.csv", rows)
    settings = TableSettings(
        reader="table",
        path="a.csv",
        columns={"target": "a", "inputs": ["q"]},
        split={"by": "draw", "test": 6, "validation": 4},
    )
    read_as = {targets: read(settings, tmp_path, targets) for targets in ("label", "text")}
    texts = read_as["text"]
    assert [len(part) for part in texts.labelled().values()] == [10, 4, 6]
    assert texts.targets == "text"
    assert texts.notes[0].startswith("Drawn by seed 0 from 20 rows as rows: test 6")
    assert "labels in proportion" in read_as["label"].notes[0]
    assert check_texts(texts) == []
    assert labelled(tmp_path, path="a.csv", columns={"target": "a", "inputs": ["q"]}).targets == (
        "label"
    )


def test_pubmedqa_has_labels_alone(tmp_path):
    settings = PubmedqaSettings(reader="pubmedqa", path="a.json", protocol="drllama")
    with pytest.raises(DataError, match="targets are labels"):
        read_pubmedqa(settings, tmp_path, "text")
