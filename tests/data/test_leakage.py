import random
import time

import pytest

from preceptor.data.example import Example
from preceptor.data.leakage import leakage, summary
from preceptor.data.overlap import NgramIndex
from preceptor.data.readers.pubmedqa import PubmedqaSettings, read
from preceptor.data.splits import Splits
from preceptor.data.words import normalise, words_of
from shared_data import shared

LONG = "the patients of this ward were asked twice a day how they slept and what they ate"


def one(name, text, target="yes", **inputs):
    return Example(name, {"text": text, **inputs}, target)


def show(example):
    return f"Decide what the following message of a patient is about: {example.inputs['text']}"


def found(train=(), validation=(), test=(), by=show):
    leaks = leakage(Splits(list(train), list(validation), list(test)), by)
    return [(x.split_a, x.id_a, x.split_b, x.id_b, x.kind) for x in leaks]


def test_exact_repeats_aside_from_case_space_and_punctuation():
    leaks = found([one("a", "Where is my bill?")], test=[one("b", "  where is MY bill")])
    assert leaks == [("train", "a", "test", "b", "exact")]


def test_the_same_text_with_another_label():
    pair = [one("a", "Where is my bill?", "yes")], [one("b", "Where is my bill", "no")]
    assert found(pair[0], pair[1]) == [("train", "a", "validation", "b", "other_label")]
    within = found([*pair[0], *pair[1]])
    assert within == [("train", "a", "train", "b", "other_label")]


def test_texts_without_words_are_the_same_only_if_they_are():
    assert found([one("a", "👍", "good")], test=[one("b", "👎", "bad")]) == []
    assert found([one("a", "👍", "good"), one("b", ":-)", "bad")]) == []
    assert found([one("a", "👍")], test=[one("b", " 👍\ufe0f ")]) == [
        ("train", "a", "test", "b", "exact")
    ]


@pytest.mark.parametrize(
    ("one", "other"), [("की", "का"), ("மீ", "மா"), ("مَلِك", "مُلْك"), ("ค่า", "ค้า"), ("👍", "👎")]
)
def test_marks_are_part_of_their_words(one, other):
    assert normalise(one) != normalise(other)


def test_words():
    assert words_of("मैं बीमार हूँ।") == ["मैं", "बीमार", "हूँ"]
    assert words_of("Cafe\u0301, İzmir! 1\ufe0f\u20e3 ❤\ufe0f") == ["café", "i\u0307zmir", "1"]
    assert words_of("头疼 ひざ ok") == ["头", "疼", "ひ", "ざ", "ok"]
    assert words_of("น้อย") == ["น้", "อ", "ย"]
    assert normalise(" \n") == ""


def test_near_duplicates_and_how_near():
    changed = LONG.replace("ate", "drank at night")
    splits = Splits([one("a", LONG)], [], [one("b", changed)])
    (leak,) = leakage(splits, show)
    assert (leak.kind, leak.id_a, leak.id_b) == ("near", "a", "b")
    assert leak.share == pytest.approx(16 / 17)
    assert found([one("a", LONG)], test=[one("b", LONG[:40] + " and nothing else at all")]) == []


def test_the_words_of_a_template_are_no_leak():
    assert found([one("a", "pay it")], test=[one("b", "see her")]) == []


def test_a_context_under_another_question():
    train = [Example("a", {"question": "Did they sleep?", "context": LONG}, "yes")]
    test = [Example("b", {"question": "And did they eat?", "context": LONG.upper()}, "no")]
    leaks = found(train, test=test, by=lambda e: f"{e.inputs['question']} {e.inputs['context']}")
    assert leaks == [("train", "a", "test", "b", "field")]


def test_short_fields_repeat_freely():
    train = [Example("a", {"question": "Is it so?", "context": "one two three"}, "yes")]
    test = [Example("b", {"question": "Is it so?", "context": "four five six"}, "yes")]
    assert found(train, test=test, by=lambda e: " ".join(e.inputs.values())) == []


def test_a_row_counts_once_for_each_earlier_split_by_its_worst_leak():
    same = [one("a", LONG)], [one("b", LONG)], [one("c", LONG)]
    leaks = found(*same)
    assert [leak[:1] + leak[2:3] for leak in leaks] == [
        ("train", "validation"),
        ("train", "test"),
        ("validation", "test"),
    ]
    twice = found([one("a", LONG), one("a2", LONG)], test=[one("c", LONG)])
    assert twice == [("train", "a", "test", "c", "exact")]


def test_summary_counts_by_pair_and_kind():
    leaks = leakage(Splits([one("a", LONG)], [], [one("b", LONG), one("c", LONG, "no")]), show)
    assert summary(leaks) == [
        {"between": "within test", "kind": "the same text, another label", "count": 1},
        {"between": "train and test", "kind": "the same text", "count": 1},
        {"between": "train and test", "kind": "the same text, another label", "count": 1},
    ]


def test_normalise_knows_unicode_forms_and_scripts_without_spaces():
    assert normalise("Café —  NAÏVE!") == normalise("café naïve") == "café naïve"
    assert normalise("今日は。") == "今 日 は"


def test_the_index_gives_share_and_shared_words():
    index = NgramIndex(4)
    index.add("x", "a completely different text of no interest here")
    index.add("y", "one two three four five six seven eight")
    hit = index.overlap("zero one two three four five end and more words than the other has")
    assert (hit.id, hit.words) == ("y", "one two three four five")
    assert hit.share == pytest.approx(5 / 8)
    assert index.overlap("one two three") is None
    assert index.overlap("") is None


def test_a_short_known_text_within_a_longer_one():
    index = NgramIndex(8)
    index.add("short", "what is my bank balance")
    index.add("shorter", "my balance")
    hit = index.overlap("Please tell me: what is my bank balance today?")
    assert (hit.id, hit.share, hit.words) == ("short", 1.0, "what is my bank balance")
    assert index.overlap("tell me my balance please if you can do it now") is None


def test_one_id_with_several_texts():
    index = NgramIndex(3)
    index.add("x", "alpha beta gamma delta")
    index.add("x", "one two three four")
    assert index.overlap("one two three").id == "x"


def test_the_index_agrees_with_a_plain_comparison_of_all_pairs():
    rng = random.Random(0)
    known = [[rng.choice("abc") for _ in range(rng.randint(5, 12))] for _ in range(30)]
    index = NgramIndex(4)
    for number, words in enumerate(known):
        index.add(str(number), " ".join(words))
    for _ in range(50):
        words = [rng.choice("abc") for _ in range(rng.randint(4, 15))]
        hit = index.overlap(" ".join(words))
        assert (hit.share if hit else 0.0) == max(plain(words, other) for other in known)


def plain(words, other, n=4):
    runs = {tuple(other[i : i + n]) for i in range(len(other) - n + 1)}
    inside = set()
    for i in range(len(words) - n + 1):
        if tuple(words[i : i + n]) in runs:
            inside |= set(range(i, i + n))
    return min(1.0, len(inside) / min(len(words), len(other)))


def test_ten_thousand_against_a_thousand_rows_takes_seconds():
    rng = random.Random(0)
    words = [f"w{n}" for n in range(5000)]
    rows = [one(str(n), " ".join(rng.choices(words, k=60))) for n in range(11_000)]
    rows[10_500] = one("copy", rows[77].inputs["text"] + " and more")
    begin = time.process_time()
    leaks = found(rows[:10_000], test=rows[10_000:])
    assert leaks == [("train", "77", "test", "copy", "near")]
    assert time.process_time() - begin < 15


def test_pubmedqa_has_no_leaks():
    path = shared("pubmedqa/ori_pqal.json")
    settings = PubmedqaSettings(reader="pubmedqa", path=path.name, protocol="official")
    splits = read(settings, path.parent)
    assert leakage(splits, lambda e: e.inputs["question"] + e.inputs["context"]) == []
