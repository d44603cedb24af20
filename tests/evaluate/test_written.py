"""Written texts against references: the libraries' own figures, and leaving one text out."""

import random
from itertools import zip_longest

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import corpus_bleu, corpus_chrf, sentence_bleu, sentence_chrf

from preceptor.errors import PreceptorError
from preceptor.evaluate import corpus
from preceptor.evaluate.jackknife import of_lengths, of_means, of_statistics
from preceptor.evaluate.statistics import mean_interval, paired_difference
from preceptor.evaluate.written import hold

SOME = "the a red green train left old town by sea was built in 1901 , . it is called Ávila"
WORDS = SOME.split()
OFFICIAL = {"bleu": corpus_bleu, "chrf": corpus_chrf}
ALONE = {"bleu": sentence_bleu, "chrf": sentence_chrf}


def text(chance, most=14):
    return " ".join(chance.choices(WORDS, k=chance.randint(1, most)))


def items(count=24, seed=0):
    """Texts, some near a reference and some empty, and one to four references each."""
    chance = random.Random(seed)
    references = [[text(chance) for _ in range(chance.randint(1, 4))] for _ in range(count)]
    texts = [changed(chance, chance.choice(right)) for right in references]
    texts[3], texts[4], texts[5] = "", references[4][-1], "nothing shared"
    return texts, references


def changed(chance, right):
    return " ".join(
        word if chance.random() < 0.8 else chance.choice(WORDS) for word in right.split()
    )


def official(texts, references, metric):
    return OFFICIAL[metric](texts, list(zip_longest(*references))).score


@pytest.mark.parametrize("metric", OFFICIAL)
def test_scores_are_sacrebleus_with_unequal_numbers_of_references(metric):
    texts, references = items()
    assert len({len(right) for right in references}) > 1
    held = hold(texts, references)
    assert getattr(held, metric) == pytest.approx(official(texts, references, metric))
    assert 10 < getattr(held, metric) < 95
    for row, one, right in zip(held.rows, texts, references, strict=True):
        expected = ALONE[metric](one, right).score
        assert getattr(row, f"sentence_{metric}") == pytest.approx(expected)
    assert held.signatures[metric].startswith("nrefs:var|case:mixed|")
    single = hold(texts, [right[:1] for right in references]).signatures
    assert single["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert "stem:porter" in single["rouge"]


def test_a_missing_reference_is_no_empty_one():
    texts, references = ["one two three four five six"] * 2, [["one two three four five six seven"]]
    alone = hold(texts[:1], references).rows[0]
    beside = hold(texts, [references[0], ["x", "y z", "v w x"]]).rows[0]
    assert beside == alone
    assert alone.bleu_counts[:2] == [6, 7], "an empty reference would be the nearest in length"


@pytest.mark.parametrize("metric", OFFICIAL)
def test_every_text_is_left_out_exactly(metric):
    seeds = [items(seed=seed)[0] for seed in (0, 1)]
    references = items()[1]
    counts = [[getattr(r, f"{metric}_counts") for r in hold(t, references).rows] for t in seeds]
    found = of_statistics(counts, metric)
    for row, texts in enumerate(seeds):
        whole = official(texts, references, metric)
        without = [
            official(texts[:n] + texts[n + 1 :], references[:n] + references[n + 1 :], metric)
            for n in range(24)
        ]
        assert found.scores[row] == pytest.approx(whole)
        assert found.pseudo[row] == pytest.approx(24 * whole - 23 * np.array(without))
    assert found.bounds == (0, 100)
    assert found.lower_is_better is False


def test_two_texts_without_one_of_them_are_the_other():
    texts, references = ["a red train left", "zzz"], [["a red train left the town"], ["by the sea"]]
    counts = [[row.bleu_counts for row in hold(texts, references).rows]]
    found = of_statistics(counts, "bleu")
    without = (2 * found.scores[0] - found.pseudo[0]).tolist()
    assert without == pytest.approx(
        [official(texts[1:], references[1:], "bleu"), official(texts[:1], references[:1], "bleu")]
    )
    assert without[0] == 0
    assert not np.isnan(found.pseudo).any()


def test_rouge_is_the_best_references_and_stemmed():
    texts, references = items()
    names = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(names, use_stemmer=True)
    for row, one, right in zip(hold(texts, references).rows, texts, references, strict=True):
        for name in names:
            best = max(scorer.score(reference, one)[name].fmeasure for reference in right)
            assert getattr(row, name) == pytest.approx(best)
    (stemmed,) = hold(["trains leaving towns"], [["the trains leave a town", "x"]]).rows
    assert stemmed.rouge1 == pytest.approx(2 * 3 / (3 + 5))


def test_exact_matches_lengths_and_empty_texts():
    texts = [" a  red\ntrain ", "a red trains", "", "one two three"]
    references = [["x", "a red train"], ["a red train"], ["by", "the sea"], ["one", "a b c d e"]]
    rows = hold(texts, references).rows
    assert [row.exact_match for row in rows] == [True, False, False, False]
    assert [row.words for row in rows] == [3, 3, 0, 3]
    assert [row.reference_words for row in rows] == [3, 3, 1, 1], "of two as near the shorter"
    assert (rows[2].sentence_bleu, rows[2].sentence_chrf, rows[2].rougeL) == (0, 0, 0)
    nothing = hold(["", ""], [["a"], ["b c"]])
    assert (nothing.bleu, nothing.chrf) == (0, 0)
    right = hold(["a red train left the town"] * 2, [["a red train left the town"]] * 2)
    assert (right.bleu, right.chrf) == pytest.approx((100, 100))


def test_means_and_lengths_are_left_out_one_after_the_other():
    values = [[0.1, 0.9, 0.4], [0.0, 1.0, 0.2]]
    means = of_means(values)
    assert means.pseudo == pytest.approx(np.array(values))
    words, reference = [[3, 0, 8]], [[4, 2, 5]]
    found = of_lengths(words, reference)
    assert found.scores == pytest.approx([11 / 11])
    assert found.pseudo[0] == pytest.approx(3 * 1.0 - 2 * np.array([8 / 7, 11 / 9, 3 / 6]))
    assert found.lower_is_better is None
    assert mean_interval(found).low >= 0
    with pytest.raises(ValueError, match="neither more nor less is better"):
        paired_difference(found, found)


@pytest.mark.parametrize("metric", OFFICIAL)
def test_arms_are_compared_in_pairs(metric):
    texts, references = items(60)
    worse = [changed(random.Random(n), one) for n, one in enumerate(texts)]
    good, bad = (
        of_statistics(
            [[getattr(row, f"{metric}_counts") for row in hold(one, references).rows]] * 2, metric
        )
        for one in (texts, worse)
    )
    assert paired_difference(good, bad).verdict() == "better"
    assert paired_difference(bad, good).verdict() == "worse"
    assert paired_difference(good, good).verdict() == "no evidence"


def test_what_cannot_be_held_is_refused():
    with pytest.raises(ValueError, match="none empty"):
        hold(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="2 texts, 1 lists"):
        hold(["a", "b"], [["a"]])
    with pytest.raises(ValueError, match="two items"):
        of_means([[1.0]])
    with pytest.raises(ValueError, match="every seed needs the same"):
        of_means([[1.0, 0.0], [1.0]])


def test_another_way_of_counting_than_sacrebleus_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpus, "_BETA", 3)
    with pytest.raises(PreceptorError, match="sacrebleu counts chrf otherwise"):
        hold(*items())
