"""The pool: what a teacher may annotate, its order, what is taken out, and hidden labels."""

import json
import random

import pytest

from preceptor.data.example import Example, to_row
from preceptor.data.pool import PoolSettings
from preceptor.data.readers.table import TableSettings, read
from preceptor.data.splits import DataSettings, Limit, Splits, draw
from preceptor.errors import DataError
from shared_data import shared

LABELS = ("LABELONE", "LABELTWO", "LABELTHREE")
WORDS = [f"{a}{b}{c}" for a in "bdgklmnprst" for b in "aeiou" for c in ("n", "r", "st", "mp")]


def text(seed, words=12):
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def some(prefix, count, **changes):
    made = []
    for n in range(count):
        given = {
            "inputs": {"text": text(f"{prefix}{n}")},
            "target": LABELS[n % 3],
            "references": (LABELS[n % 3], "REFERENCE"),
            "extra": {"why": LABELS[n % 3]},
            "soft": {LABELS[n % 3]: 1.0},
        }
        made.append(Example(f"{prefix}{n}", **{**given, **changes}))
    return made


def splits(**parts):
    given = {"train": some("t", 90), "validation": some("v", 9), "test": some("e", 9)}
    return Splits(**{**given, **parts})


def settings(of="rest", limit=None, train=15, **more):
    pool = PoolSettings(of=of, limit=limit)
    return DataSettings(train=Limit(limit=train), pool=pool, **more)


def ids(examples):
    return [one.id for one in examples]


def refused(data, wanted):
    with pytest.raises(DataError) as error:
        draw(data, 0, wanted)
    return error.value


def test_the_rest_of_train_without_what_would_tell_its_labels():
    data = splits()
    drawn = draw(data, 3, settings())
    assert len(drawn.train) == 15
    assert {*ids(drawn.train), *ids(drawn.unlabelled)} == set(ids(data.train))
    assert len(drawn.unlabelled) == 75
    kept = {one.id: one for one in data.train}
    assert all(one.inputs == kept[one.id].inputs for one in drawn.unlabelled)
    told = "".join(json.dumps(to_row(one)) for one in drawn.unlabelled) + repr(drawn.unlabelled)
    assert not any(word in told for word in (*LABELS, "REFERENCE"))
    assert dict(drawn.hidden) == {id: kept[id].target for id in ids(drawn.unlabelled)}


def test_the_order_is_the_seeds_and_a_limit_takes_its_beginning():
    whole, backwards = splits(), splits(train=some("t", 90)[::-1])
    one, other = (draw(each, 1, settings()).unlabelled for each in (whole, backwards))
    assert ids(one) == ids(other)
    assert ids(one) != ids(whole.train)
    few = draw(whole, 1, settings(limit=20))
    assert ids(few.unlabelled) == ids(one)[:20]
    assert set(few.hidden) == set(ids(few.unlabelled))
    again = draw(whole, 2, settings()).unlabelled
    common = set(ids(one)) & set(ids(again))
    assert [id for id in ids(one) if id in common] != [id for id in ids(again) if id in common]


def test_rows_that_stand_elsewhere_are_taken_out_and_kept_with_their_reason():
    data = splits()
    words = data.test[1].inputs["text"].split()
    near = " ".join([*words[:6], f"{words[6]}s", *words[7:]])  # no 8 words in a row are the same
    longer = text("long", 30) + " " + data.validation[0].inputs["text"] + " " + text("more", 30)
    repeats = {
        "again": data.test[0].inputs["text"].upper(),
        "near": near,
        "within": longer,
        "pool1": "a text of its own",
        "pool2": "A text of its own!",
        "train": data.train[0].inputs["text"],
    }
    rows = [Example(id, {"text": shown}) for id, shown in repeats.items()]
    more = splits(unlabelled=rows, places={"again": "pool.csv:1"})
    wanted = DataSettings(pool=PoolSettings(of="unlabelled"))
    drawn = draw(more, 0, wanted)
    assert {(one.where, one.reason, one.detail) for one in drawn.pool_dropped} >= {
        ("pool.csv:1, id again", "the text of a test example", "id e0"),
        ("id near", "nearly the text of a test example", "id e1"),
        ("id within", "nearly the text of a validation example", "id v0"),
        ("id train", "the text of a training example", "id t0"),
    }
    (kept,) = drawn.unlabelled
    other = {"pool1": "pool2", "pool2": "pool1"}[kept.id]
    last = next(one for one in drawn.pool_dropped if one.where == f"id {other}")
    assert (last.reason, last.detail) == ("the text of another row of the pool", f"id {kept.id}")
    assert len(drawn.pool_dropped) == 5
    same_alone = DataSettings(pool=PoolSettings(of="unlabelled", near=False))
    assert {"near", "within"} < set(ids(draw(more, 0, same_alone).unlabelled))


def test_what_is_shown_decides_and_not_the_fields_apart():
    data = splits(
        test=[Example("e", {"text": "Yes.", "place": "Rome"}, "LABELONE")],
        train=[
            Example("t1", {"text": "Yes.", "place": "Paris"}, "LABELONE"),
            Example("t2", {"text": "yes", "place": "rome"}, "LABELTWO"),
            Example("t3", {"text": "No.", "place": "Oslo"}, "LABELTWO"),
        ],
    )
    rows = splits(train=[], validation=[], test=data.test, unlabelled=data.train)
    wanted = DataSettings(pool=PoolSettings(of="unlabelled"))
    by_text = draw(rows, 0, wanted, lambda one: one.inputs["text"])
    assert set(ids(by_text.unlabelled)) == {"t3"}
    both = draw(rows, 0, wanted, lambda one: f"{one.inputs['text']} in {one.inputs['place']}?")
    assert set(ids(both.unlabelled)) == {"t1", "t3"}


def test_held_out_examples_that_are_not_used_take_nothing_out():
    data = splits(unlabelled=[Example("u", {"text": splits().test[n].inputs["text"]}) for n in [5]])
    wanted = PoolSettings(of="both")
    drawn = draw(data, 0, DataSettings(train=Limit(limit=15), pool=wanted, test=Limit(limit=3)))
    used = {one.inputs["text"] for one in drawn.test}
    assert ("u" in ids(drawn.unlabelled)) == (data.unlabelled[0].inputs["text"] not in used)
    assert "u" not in ids(draw(data, 0, settings("both")).unlabelled)


def test_without_a_pool_the_unlabelled_texts_are_it_and_their_labels_are_hidden():
    rows = some("u", 4, target=None, references=(), extra={"gold": "LABELTWO"}, soft={})
    drawn = draw(splits(unlabelled=rows), 0, DataSettings())
    assert set(ids(drawn.unlabelled)) == {"u0", "u1", "u2", "u3"}
    assert dict(drawn.hidden) == dict.fromkeys(ids(rows), "LABELTWO")
    assert not any(one.extra for one in drawn.unlabelled)
    assert not draw(splits(), 0, DataSettings()).unlabelled


def test_both_kinds_of_rows():
    data = splits(unlabelled=some("u", 4, target=None, extra={}))
    drawn = draw(data, 0, settings("both"))
    assert len(drawn.unlabelled) == 79
    assert set(drawn.hidden) == {id for id in ids(drawn.unlabelled) if id.startswith("t")}


def test_a_pool_without_rows_is_refused():
    error = refused(splits(), DataSettings(pool=PoolSettings(of="rest")))
    assert error.what == "nothing is left for the pool"
    assert "all 90 train examples" in error.found
    assert "data.train.limit" in error.fix
    error = refused(splits(), settings("unlabelled"))
    assert error.what == "a pool of unlabelled texts, and the data has none"
    error = refused(splits(), settings(limit=76))
    assert (error.found, error.expected) == ("75 rows for the pool (rest)", "at least 76")
    data = splits()
    error = refused(splits(unlabelled=[Example("u", data.test[0].inputs)]), settings("unlabelled"))
    assert error.what == "every row of the pool stands elsewhere too"
    assert "the text of a test example (id e0)" in error.found


def test_a_draw_is_made_once_for_each_seed_settings_and_task():
    data, shown = splits(), []

    def show(one):
        shown.append(one.id)
        return one.inputs["text"]

    first = draw(data, 0, settings(), show)
    looked_at = len(shown)
    assert draw(data, 0, settings(), show) is first
    other = draw(data, 1, settings(), show)
    assert len(shown) == looked_at
    assert other.train != first.train
    assert len(draw(data, 0, settings(limit=5), show).unlabelled) == 5
    assert draw(splits(), 0, settings(), show) == first


@pytest.mark.parametrize("name", ["clinc150", "scicite", "medical_abstracts"])
def test_published_tables_and_their_pools(name):
    base = shared(name)
    files = {"train": "train.jsonl.gz", "validation": "dev.jsonl.gz", "test": "test.jsonl.gz"}
    columns = {"target": "label", "inputs": ["text"]}
    data = read(TableSettings(reader="table", files=files, columns=columns), base)
    sizes = {"clinc150": (5000, 500, 2000), "scicite": (5000, 500, 1857)}
    assert tuple(map(len, data.labelled().values())) == sizes.get(name, (1757, 200, 700))
    drawn = draw(data, 0, settings(train=125, limit=1000))
    assert len(drawn.unlabelled) == len(drawn.hidden) == 1000
    assert all(one.target is None and not one.extra for one in drawn.unlabelled)
    counts = {"clinc150": 104, "scicite": 98, "medical_abstracts": 0}
    assert len(drawn.pool_dropped) == counts[name]
    truth = {one.id: one.target for one in data.train}
    assert all(drawn.hidden[one.id] == truth[one.id] for one in drawn.unlabelled)
