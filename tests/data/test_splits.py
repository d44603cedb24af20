from collections import Counter

import pytest
from pydantic import ValidationError

from preceptor.data.example import Example
from preceptor.data.sampling import allot, subset
from preceptor.data.splits import DataSettings, Limit, Splits, draw
from preceptor.data.targets import check_labels
from preceptor.errors import DataError


def some(prefix, **counts):
    made = []
    for label, count in counts.items():
        made += [
            Example(f"{prefix}-{label}-{n}", {"text": f"{label} {n}"}, label) for n in range(count)
        ]
    return made


def splits(**parts):
    return Splits(
        **{
            "train": some("train", yes=60, no=30, maybe=10),
            "validation": some("validation", yes=6, no=4),
            "test": some("test", yes=6, no=4),
            **parts,
        }
    )


def labels_of(examples):
    return Counter(example.target for example in examples)


def test_a_limit_keeps_the_proportions():
    drawn = draw(splits(), 1, DataSettings(train=Limit(limit=20)))
    assert labels_of(drawn.train) == {"yes": 12, "no": 6, "maybe": 2}
    assert len(drawn.test) == 10


def test_per_label_is_exact():
    drawn = draw(splits(), 1, DataSettings(train=Limit(per_label=5)))
    assert labels_of(drawn.train) == {"yes": 5, "no": 5, "maybe": 5}


def test_the_seed_draws_train_and_nothing_else():
    settings = DataSettings(
        train=Limit(per_label=3), validation=Limit(limit=5), test=Limit(limit=5)
    )
    first, again, other = (draw(splits(), seed, settings) for seed in (1, 1, 2))
    assert first == again
    assert first.train != other.train
    assert first.validation == other.validation
    assert first.test == other.test


def test_a_draw_does_not_hang_on_the_order_and_a_larger_one_contains_it():
    backwards = splits(train=splits().train[::-1])
    small, large = (
        {e.id for e in draw(given, 3, DataSettings(train=Limit(per_label=each))).train}
        for given, each in ((splits(), 4), (backwards, 8))
    )
    assert len(small) == 12
    assert small < large


def test_no_limit_uses_all():
    assert draw(splits(), 0, DataSettings()) == splits()


def test_more_than_there_is():
    with pytest.raises(DataError) as error:
        draw(splits(), 0, DataSettings(train=Limit(per_label=31)))
    assert error.value.found == "maybe 10, no 30"
    assert "10 or less" in error.value.fix
    with pytest.raises(DataError, match="found: 10 examples\n  expected: at least 11"):
        draw(splits(), 0, DataSettings(test=Limit(limit=11)))
    with pytest.raises(ValidationError, match="limit or per_label"):
        Limit(limit=1, per_label=1)


@pytest.mark.parametrize("total", range(1, 14))
def test_allotment_spends_exactly_the_total_and_never_too_much(total):
    counts = {"a": 7, "b": 5, "c": 1}
    shares = allot(counts, total, "salt")
    assert sum(shares.values()) == total
    assert all(abs(shares[key] - total * counts[key] / 13) < 1 for key in counts)
    assert all(shares[key] <= counts[key] for key in counts)


def test_labels_in_order():
    notes = check_labels(splits(), ("yes", "no", "maybe"))
    assert notes == [
        "No validation example has the label maybe.",
        "No test example has the label maybe.",
    ]
    assert "no validation split" in check_labels(splits(validation=[]), ("yes", "no", "maybe"))[0]


def refused(**parts):
    with pytest.raises(DataError) as error:
        check_labels(splits(**parts), ("yes", "no", "maybe"))
    return error.value


def test_unknown_labels_name_the_row_and_the_nearest_label():
    train = [*splits().train, Example("x1", {}, "Yes"), Example("x2", {}, "Yes")]
    error = refused(train=train, places={"x1": "a.csv:7 (line 8)"}, target_name="kind")
    assert error.what == "unknown label"
    assert error.where == "a.csv:7 (line 8), id x1 and 1 more rows, kind"
    assert (error.found, error.expected) == ("'Yes'", "one of: yes, no, maybe")
    assert error.fix == "did you mean 'yes'?"


@pytest.mark.parametrize("target", ["yes;no", "Yes | maybe", "no,maybe", "yes/no"])
def test_more_than_one_label_is_refused_by_name(target):
    error = refused(test=[*splits().test, Example("x1", {}, target)])
    assert error.what == "more than one label on a row"
    assert "id x1" in error.where


def test_a_label_may_hold_a_separator():
    train = some("train", **{"yes/no": 2, "yes": 2, "no": 2})
    parts = {"train": train, "validation": train, "test": train}
    assert check_labels(Splits(**parts), ("yes/no", "yes", "no")) == []


def test_a_split_with_one_label_or_none_and_a_row_without():
    one = refused(test=some("test", yes=3))
    assert (one.what, one.found) == ("the test split has just one label", "yes (3 rows)")
    assert refused(train=[]).what == "the train split is empty"
    assert refused(train=[*splits().train, Example("x", {}, None)]).found == "no label"


def test_all_label_problems_at_once():
    error = refused(test=some("test", yes=3), validation=some("validation", ja=3, nein=2))
    assert str(error).startswith("the data: 3 problems")


def test_fewer_rows_than_labels_are_refused_with_the_number_needed():
    labels = [f"intent {n}" for n in range(151)]
    whole = [Example(f"{label}-{n}", {"text": label}, label) for label in labels for n in range(9)]
    given = Splits(whole, whole, whole)
    with pytest.raises(DataError) as error:
        check_labels(draw(given, 0, DataSettings(train=Limit(limit=125))), labels)
    assert error.value.what == "fewer labelled rows than labels"
    assert "125 rows for 151 labels: 26 labels have no example (intent " in error.value.found
    assert "at least 151" in error.value.expected
    assert "data.train.per_label: 1" in error.value.fix
    assert check_labels(draw(given, 0, DataSettings(train=Limit(per_label=1))), labels) == []


COUNTS = {"yes": 60, "no": 30, "maybe": 10}


@pytest.mark.parametrize("salt", ["a", "b"])
def test_a_larger_subset_contains_a_smaller_one_and_labels_are_in_proportion(salt):
    examples = some("train", **COUNTS)
    before = set()
    for count in range(1, 101):
        taken = subset(examples, count, salt, "label")
        now = {example.id for example in taken}
        assert len(now) == count
        assert before < now
        counts = labels_of(taken)
        if count >= 10:
            assert all(abs(counts[key] - count * COUNTS[key] / 100) <= 1 for key in COUNTS)
        if count >= 3:
            assert set(counts) == set(COUNTS)
        before = now
    assert labels_of(subset(examples, 20, salt, "label")) == {"yes": 12, "no": 6, "maybe": 2}


def test_a_subset_hangs_on_salt_and_ids_alone():
    examples = some("train", **COUNTS)
    one, again, other = (
        subset(given, 0.2, salt, "text")
        for given, salt in ((examples, "a"), (examples[::-1], "a"), (examples, "b"))
    )
    assert len(one) == 20
    assert one == again[::-1] != other
    assert len(subset(examples, 0.001, "a", "label")) == 1
    assert len(subset(examples, 1.0, "a", "label")) == 100
    assert len(subset(examples, 1, "a", "label")) == 1


@pytest.mark.parametrize("amount", [101, 0, 2.5, -0.1])
def test_subsets_that_cannot_be_taken(amount):
    with pytest.raises(DataError) as error:
        subset(some("train", **COUNTS), amount, "a", "label")
    assert error.value.found == f"{amount} of 100 examples"
    assert "1 to 100" in error.value.expected
