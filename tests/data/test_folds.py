"""Cross-validation: every row is a test row once, and a seed's own splits share nothing."""

import json
from collections import Counter

import pytest
from pydantic import ValidationError
from table_files import COLUMNS, ids, table, write

from preceptor.data.dividing import CrossValidation
from preceptor.data.example import Example
from preceptor.data.folds import Folds
from preceptor.data.pool import PoolSettings
from preceptor.data.readers.medquad import MedquadSettings
from preceptor.data.readers.medquad import read as read_medquad
from preceptor.data.readers.pubmedqa import PubmedqaSettings
from preceptor.data.readers.pubmedqa import read as read_pubmedqa
from preceptor.data.splits import DataSettings, Limit, draw
from preceptor.errors import DataError

BY_FOLDS = {"by": "cross_validation"}


def some(**counts):
    return [
        Example(f"{label}{n}", {"text": f"{label} {n}"}, label)
        for label, count in counts.items()
        for n in range(count)
    ]


def folds(examples=None, groups=None, targets="label", **settings):
    examples = some(yes=55, no=31, maybe=12) if examples is None else examples
    given = CrossValidation(by="cross_validation", **settings)
    return Folds(examples, given, targets, groups or {})


def parts_of(given, seeds):
    return [given.parts(seed) for seed in seeds]


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("first", [0, 2])
def test_every_row_is_a_test_row_once_in_a_round_of_seeds(count, first):
    given = folds(folds=count)
    found = parts_of(given, range(first * count, first * count + count))
    tested = [one.id for parts in found for one in parts["test"]]
    assert sorted(tested) == sorted(one.id for one in given.examples)
    for parts in found:
        named = [one.id for part in parts.values() for one in part]
        assert sorted(named) == sorted(tested), "nothing is lost, nothing stands on two sides"


@pytest.mark.parametrize("count", [3, 5])
def test_folds_differ_by_one_row_at_most_in_all_and_of_every_label(count):
    tests = [parts["test"] for parts in parts_of(folds(folds=count), range(count))]
    for label in (None, "yes", "no", "maybe"):
        sizes = [sum(label in (None, one.target) for one in test) for test in tests]
        assert max(sizes) - min(sizes) <= 1


def test_validation_is_a_share_of_the_rest_in_proportion():
    for parts in parts_of(folds(some(yes=60, no=40), validation=0.25), range(5)):
        assert Counter(one.target for one in parts["validation"]) == {"yes": 12, "no": 8}
        assert Counter(one.target for one in parts["train"]) == {"yes": 36, "no": 24}
    held = [set(ids(parts["validation"])) for parts in parts_of(folds(), range(5))]
    assert len(set.union(*held)) > 2 * len(held[0]), "each fold holds out rows of its own"
    assert len(folds(validation=7).parts(0)["validation"]) == 7
    assert "validation" not in folds(validation=None).parts(0)


def test_a_division_hangs_on_ids_and_seeds_alone():
    def tests(given, seeds=range(5)):
        return [set(ids(parts["test"])) for parts in parts_of(given, seeds)]

    backwards = folds(folds().examples[::-1])
    assert tests(folds()) == tests(backwards)
    held, same = (one.parts(3)["validation"] for one in (folds(), backwards))
    assert set(ids(held)) == set(ids(same))
    again, other = tests(folds(), range(5, 10)), tests(folds(seed=1))
    assert not [one for one in tests(folds()) if one in again or one in other]


def test_whole_groups_share_a_fold_and_further_seeds_divide_them_anew():
    examples = some(yes=40, no=20)
    groups = {one.id: f"p{n // 3 if n < 50 else 99}" for n, one in enumerate(examples)}
    given = folds(examples, groups, folds=4)
    found = parts_of(given, range(8))
    for parts in found:
        sides = [{groups[one.id] for one in part} for part in parts.values()]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 18
    sizes = [len(parts["test"]) for parts in found[:4]]
    assert sum(sizes) == 60
    assert max(sizes) - min(sizes) <= 10, "no more than the largest group"
    tests = [{*ids(parts["test"])} for parts in found]
    assert not [one for one in tests[4:] if one in tests[:4]]


def test_what_cannot_be_divided():
    with pytest.raises(DataError, match=r"fewer rows than folds\n.*\n  found: 4 for 5 folds"):
        folds(some(yes=2, no=2)).parts(0)
    with pytest.raises(DataError, match="fewer groups than folds"):
        folds(some(yes=9), dict.fromkeys(ids(some(yes=9)), "one")).parts(0)
    with pytest.raises(DataError, match="validation 78, train 0"):
        folds(validation=99).parts(0)
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        folds(folds=1)


def test_a_label_rarer_than_folds_is_told():
    told = folds(some(yes=20, no=10, maybe=3)).notes()
    assert "33 rows dealt into 5 folds as rows, labels in proportion, by seed 0" in told[0]
    assert "Under seed 0: test 7, validation 3, train 23" in told[0]
    assert told[1:] == [
        "Of these labels there are fewer rows than the 5 folds: maybe (3). A test fold without a"
        " label counts its F1 as 0."
    ]
    assert len(folds(some(yes=20, no=10), targets="text").notes()) == 1


def test_a_table_is_dealt_out_and_a_seed_draws_from_its_own_fold(tmp_path):
    write(tmp_path / "a.csv")
    splits = table(tmp_path, path="a.csv", split={**BY_FOLDS, "folds": 4, "validation": 3})
    settings = DataSettings(train=Limit(per_label=2), pool=PoolSettings(of="rest", near=False))
    drawn = [draw(splits, seed, settings) for seed in range(4)]
    assert sorted(name for one in drawn for name in ids(one.test)) == sorted(
        f"k{n}" for n in range(20)
    )
    for one in drawn:
        sides = [*one.train, *one.validation, *one.test, *one.unlabelled]
        assert len(set(ids(sides))) == len(sides) == 20
        assert [len(one.train), len(one.validation), len(one.test)] == [4, 3, 5]
    assert draw(splits, 0, settings) is drawn[0]
    assert ids(splits.test) == ids(drawn[0].test)


def test_a_table_keeps_groups_and_files_of_their_own_together(tmp_path):
    rows = [{"key": f"k{n}", "message": f"m{n}", "kind": "ab"[n % 2]} for n in range(24)]
    write(tmp_path / "a.csv", [{**row, "patient": f"p{n // 4}"} for n, row in enumerate(rows)])
    write(tmp_path / "dev.csv", [{**row, "key": f"d{row['key']}"} for row in rows[:4]])
    split = {**BY_FOLDS, "folds": 3, "column": "patient", "validation": None}
    files = {"train": "a.csv", "validation": "dev.csv"}
    splits = table(tmp_path, files=files, split=split)
    for seed in range(3):
        one = draw(splits, seed, DataSettings())
        patients = [{int(name[1:]) // 4 for name in ids(part)} for part in (one.train, one.test)]
        assert patients[0].isdisjoint(patients[1])
        assert ids(one.validation) == ["dk0", "dk1", "dk2", "dk3"]
    with pytest.raises(DataError, match="did you mean 'patient'"):
        table(tmp_path, files=files, split={**split, "column": "patents"})
    with pytest.raises(ValidationError, match="split draws validation, which is given already"):
        table(tmp_path, files=files, split=BY_FOLDS)


def item(n):
    return {
        "QUESTION": f"Does treatment {n} help?",
        "CONTEXTS": [f"We treated {n} people."],
        "final_decision": ("yes", "no", "maybe")[n % 3],
        "LONG_ANSWER": f"Treatment {n} may help.",
    }


def test_pubmedqa_takes_a_protocol_or_folds(tmp_path):
    (tmp_path / "ori_pqal.json").write_text(json.dumps({str(n): item(n) for n in range(30)}))
    given = {"reader": "pubmedqa", "path": "ori_pqal.json"}
    splits = read_pubmedqa(PubmedqaSettings(**given, split=BY_FOLDS), tmp_path)
    tested = [draw(splits, seed, DataSettings()).test for seed in range(5)]
    assert [Counter(one.target for one in test) for test in tested] == [
        {"yes": 2, "no": 2, "maybe": 2}
    ] * 5
    assert len({name for test in tested for name in ids(test)}) == 30
    assert splits.notes[0].startswith("Cross-validation: 30 rows dealt into 5 folds")
    assert splits.place(splits.test[0]).startswith(f"{tmp_path}/ori_pqal.json:")
    for wrong in ({}, {"protocol": "official", "split": BY_FOLDS}):
        with pytest.raises(ValidationError, match="give protocol or split, one of the two"):
            PubmedqaSettings(**given, **wrong)
    with pytest.raises(ValidationError, match="sizes and test_ids are a protocol's"):
        PubmedqaSettings(**given, split=BY_FOLDS, sizes=(10, 5))


def test_a_study_of_a_protocol_is_told_by_what_it_always_was():
    told = PubmedqaSettings(reader="pubmedqa", path="p", protocol="official").model_dump()
    assert "split" not in told, "else runs made before there were folds would be of another study"


@pytest.mark.parametrize("grouped", [False, True])
def test_medquad_is_dealt_out_by_rows_or_by_what_hangs_together(tmp_path, grouped):
    head = "question,answer,source,focus_area\n"
    lines = [f"What is it{n} ?,{f'word{n} ' * 20},GARD,focus{n // 3}\n" for n in range(30)]
    (tmp_path / "medquad.csv").write_text(head + "".join(lines))
    split = {**BY_FOLDS, "grouped": grouped, "validation": 0.2}
    splits = read_medquad(
        MedquadSettings(reader="medquad", path="medquad.csv", split=split), tmp_path
    )
    drawn = [draw(splits, seed, DataSettings()) for seed in range(5)]
    assert len({name for one in drawn for name in ids(one.test)}) == 30
    sides = [[{one.extra["focus"] for one in p} for p in one.labelled().values()] for one in drawn]
    apart = all(not train & (held | test) for train, held, test in sides)
    assert apart == grouped
    how = "whole groups" if grouped else "rows"
    assert splits.notes[0].startswith(f"Cross-validation: 30 rows dealt into 5 folds as {how}, by")
    assert any("What leaks into test" in note for note in splits.notes)


def test_the_columns_of_a_table_are_still_checked(tmp_path):
    write(tmp_path / "a.csv")
    with pytest.raises(DataError, match="did you mean 'kind'"):
        table(tmp_path, path="a.csv", columns={**COLUMNS, "target": "knd"}, split=BY_FOLDS)
