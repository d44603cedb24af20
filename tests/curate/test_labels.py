"""Verification of labels: by the teacher's votes, and by a student of the human data."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from curate.material import material
from curate.teacher import teacher_who
from llm.faulty import Reply, completion
from preceptor.curate import CurationSettings, labels
from preceptor.curate.crossfit import STRENGTHS, CrossFit, cross_fit
from preceptor.curate.labels import StudentLabels, TeacherLabels
from preceptor.curate.trial import Trial
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example, Origin
from preceptor.data.files import locate
from shared_data import shared

HUMAN = [Example(f"h{n}", {"text": f"the {label} {n}"}, label) for n in range(20) for label in "ab"]


def made(*told: tuple[str, str]) -> list[Example]:
    return [Example(f"c{n}", {"text": text}, label) for n, (text, label) in enumerate(told)]


def honest(question: str) -> str:
    """Knows that "the a ..." is an a, and answers at some length."""
    found = re.search(r"the (\w) ?", question)
    return f"I would say {found[1] if found else 'nothing'}."


def reasons(verdicts: Sequence[Rejection | None]) -> list[str]:
    return ["" if one is None else one.reason for one in verdicts]


def test_votes_confirm_a_label_or_do_not(tmp_path: Path) -> None:
    with teacher_who(honest, tmp_path) as (teacher, server):
        judge = labels.make(TeacherLabels(by="teacher"), material(HUMAN, ask=teacher.ask))
        verdicts = judge.judge(made(("the a pill", "a"), ("the a bill", "b"), ("the c", "a")))
    assert reasons(verdicts) == ["", "label not confirmed", "label not confirmed"]
    assert verdicts[1] is not None
    assert verdicts[1].figures == {"votes": 0, "of": 2}
    assert verdicts[1].detail == "b; votes: a 2"
    assert verdicts[2] is not None
    assert verdicts[2].detail == "a; votes: no label 2"
    # 2 votes each settle it, and so they do for the 40 human examples of the trial.
    assert server.calls == 2 * (40 + 3)
    (told,) = judge.notes
    assert told.startswith("the teacher's votes find the label of 40 of 40 human examples")


def test_the_teacher_is_asked_the_tasks_question_with_the_studys_parameters(tmp_path: Path) -> None:
    settings = TeacherLabels(by="teacher", trial=0, parameters={"max_tokens": 8})
    with teacher_who(honest, tmp_path) as (teacher, server):
        labels.make(settings, material(HUMAN, ask=teacher.ask)).judge(made(("the a pill", "a")))
    for body in server.bodies:
        assert body["max_tokens"] == 8
        (message,) = body["messages"]
        assert "the a pill" in message["content"]
        assert "Answer with one of these words alone: a, b." in message["content"]


@pytest.mark.parametrize(
    ("said", "agree", "verdict", "calls"),
    [
        ("aba", 2, "", 3),
        ("bab", 2, "label not confirmed", 3),
        ("bb", 2, "label not confirmed", 2),
        ("aaa", 3, "", 3),
        ("aba", 3, "label not confirmed", 3),
        ("bbbba", 1, "", 5),
    ],
)
def test_votes_are_asked_for_while_they_can_change_the_outcome(
    said: str, agree: int, verdict: str, calls: int, tmp_path: Path
) -> None:
    turns = count()
    settings = TeacherLabels(by="teacher", votes=5 if agree == 1 else 3, agree=agree, trial=0)
    with teacher_who(lambda _: said[next(turns)], tmp_path) as (teacher, server):
        judge = labels.make(settings, material(HUMAN, ask=teacher.ask))
        assert reasons(judge.judge(made(("x", "a")))) == [verdict]
    assert server.calls == calls


def test_a_teacher_no_better_than_the_commonest_label_rejects_nothing(tmp_path: Path) -> None:
    with teacher_who(lambda _: "a", tmp_path) as (teacher, server):
        judge = labels.make(TeacherLabels(by="teacher"), material(HUMAN, ask=teacher.ask))
        assert judge.judge(made(("the a pill", "b"))) == [None]
        before = server.calls
        assert judge.judge(made(("the a bill", "b"))) == [None]
        assert server.calls == before
    (told,) = judge.notes
    assert "20 of 40 human examples" in told
    assert "nothing was rejected" in told


def test_a_cut_answer_is_read_and_a_refusal_is_no_vote(tmp_path: Path) -> None:
    settings = TeacherLabels(by="teacher", votes=1, agree=1, trial=0)
    with teacher_who(honest, tmp_path) as (teacher, server):
        server.replies.append(Reply(body=completion("a, because it", finish="length")))
        server.replies.append(Reply(body=completion("", finish="content_filter")))
        judge = labels.make(settings, material(HUMAN, ask=teacher.ask))
        assert judge.judge(made(("x", "a"))) == [None]
        (verdict,) = judge.judge(made(("y", "a")))
    assert verdict is not None
    assert verdict.detail == "a; votes: no label 1"


def test_a_teacher_that_always_says_the_same_is_told_of(tmp_path: Path) -> None:
    with teacher_who(honest, tmp_path) as (teacher, _):
        settings = TeacherLabels(by="teacher", trial=0)
        judge = labels.make(settings, material(HUMAN, ask=teacher.ask))
        judge.judge(HUMAN)
    (told,) = judge.notes
    assert "each of the 40 examples" in told


def test_more_votes_cannot_agree_than_there_are() -> None:
    with pytest.raises(ValidationError, match="3 of 2 votes"):
        TeacherLabels(by="teacher", votes=2, agree=3)


def test_the_filter_is_off_by_default() -> None:
    assert CurationSettings().labels is False


# By a student.


def labelled(rows: Sequence[dict[str, Any]], text: str, label: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row[label], []).append(row[text])
    return found


def clinc() -> dict[str, list[str]]:
    """20 intents of CLINC150, of which 30 texts each are taken."""
    with gzip.open(shared("clinc150") / "train.jsonl.gz", "rt", encoding="utf-8") as file:
        found = labelled([json.loads(line) for line in file], "text", "label")
    return {name: found[name] for name in sorted(found) if name != "oos"}


def quickstart() -> dict[str, list[str]]:
    rows = locate("demo:messages.jsonl", Path()).read_text("utf-8").splitlines()
    return labelled([json.loads(row) for row in rows], "message", "kind")


def noisy(
    texts: dict[str, list[str]], human: int, new: int, share: float = 0.2
) -> tuple[list[Example], list[Example], list[bool]]:
    """Human examples; others as if made, of which a share has another label; which those are."""
    rng = random.Random(0)
    known, others = [], []
    for label, some in texts.items():
        drawn = rng.sample(some, human + new)
        known += [Example(f"h-{text}", {"text": text}, label) for text in drawn[:human]]
        others += [Example(f"c-{text}", {"text": text}, label) for text in drawn[human:]]
    wrong = set(rng.sample(range(len(others)), round(share * len(others))))
    flipped = [
        replace(one, target=rng.choice([label for label in texts if label != one.target]))
        if row in wrong
        else one
        for row, one in enumerate(others)
    ]
    return known, flipped, [row in wrong for row in range(len(flipped))]


def found_and_lost(texts: dict[str, list[str]], human: int, new: int) -> tuple[float, float]:
    """Shares of the wrong labels and of the right ones that are rejected."""
    known, others, wrong = noisy(texts, human, new)
    about = material(known, labels=list(texts))
    verdicts = labels.make(StudentLabels(by="student"), about).judge(others)
    rejected = np.array([one is not None for one in verdicts])
    return float(rejected[wrong].mean()), float(rejected[np.invert(wrong)].mean())


def test_a_student_catches_label_noise() -> None:
    """A fifth of the labels is wrong: most of them are found, and few right ones are lost."""
    caught, lost = found_and_lost(dict(list(clinc().items())[:20]), human=10, new=15)
    assert caught > 0.9
    assert lost < 0.05


def test_a_student_catches_label_noise_in_labels_that_are_easy_to_confuse() -> None:
    caught, lost = found_and_lost(quickstart(), human=15, new=15)
    assert caught > 0.6
    assert lost < 0.12


TWO = {
    "pay": ["Can I pay my bill by card?", "The bill is wrong.", "Why was I charged twice?",
            "I paid the invoice yesterday.", "How much does the visit cost?"],
    "ill": ["My knee hurts.", "I have had a fever since Monday.", "My ear is ringing.",
            "I feel dizzy when I get up.", "There is a rash on my arm."],
}  # fmt: skip


def of_two() -> list[Example]:
    return [
        Example(f"{label}{n}", {"text": text}, label)
        for label, texts in TWO.items()
        for n, text in enumerate(texts)
    ]


def test_a_student_judges_no_example_by_what_it_was_made_from() -> None:
    """A wrong human label must not confirm the copy that a teacher made of it."""
    wrong = Example("wrong", {"text": "The bill for my visit is too high."}, "ill")
    known, _, _ = noisy({"pay": quickstart()["billing"], "ill": quickstart()["new_symptom"]}, 15, 1)
    about = material([*known, wrong], labels=["pay", "ill"])
    copy = {"inputs": {"text": "The bill for the visit is too high."}, "target": "ill"}
    own = Example("c1", **copy, origin=Origin("t", "rewrite", ("wrong",)))
    other = Example("c2", **copy)
    judge = labels.make(StudentLabels(by="student", odds=1e9), about)
    assert judge.judge([own, other]) == [None, None]
    assert judge.figures["c1"]["probability"] < judge.figures["c2"]["probability"] - 0.05


def test_figures_and_the_rival_are_told() -> None:
    about = material(of_two(), labels=["pay", "ill"])
    judge = labels.make(StudentLabels(by="student"), about)
    (good, bad) = judge.judge(made(("My foot hurts.", "ill"), ("My hand hurts.", "pay")))
    assert good is None
    assert bad is not None
    assert bad.reason == "label not believed"
    assert "ill 0." in bad.detail
    assert bad.figures["probability"] + bad.figures["rival"] == pytest.approx(1, abs=1e-3)
    assert judge.figures["c0"]["probability"] > 0.5
    assert judge.notes == [
        "a student of the other human data finds the label of 10 of 10 human examples (always the"
        " commonest label: 50%)"
    ]


def test_a_student_no_better_than_the_commonest_label_rejects_nothing() -> None:
    rng = random.Random(0)
    human = [replace(one, target=rng.choice(["pay", "ill"])) for one in of_two() * 2]
    human = [replace(one, id=f"{one.id}-{n}") for n, one in enumerate(human)]
    judge = labels.make(StudentLabels(by="student"), material(human, labels=["pay", "ill"]))
    assert judge.judge(made(("My hand hurts.", "pay"), ("My hand hurts.", "ill"))) == [None, None]
    (told,) = judge.notes
    assert "nothing was rejected" in told


def test_a_label_without_human_examples_beside_the_parents_is_not_judged() -> None:
    rare = Example("rare", {"text": "Where do I park?"}, "park")
    about = material([*of_two(), rare], labels=["pay", "ill", "park"])
    judge = labels.make(StudentLabels(by="student"), about)
    origin = Origin("t", "rewrite", ("rare",))
    assert judge.judge([replace(rare, id="c", origin=origin)]) == [None]
    assert any("1 passed unjudged" in told for told in judge.notes)


def crossfit(rows: int = 40, folds: int = 5) -> tuple[CrossFit, np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    targets = [("a", "b", "c")[row % 3] for row in range(rows)]
    vectors = rng.normal(size=(rows, 6)).astype(np.float32)
    vectors[:, 0] += [ord(target) - 97 for target in targets]
    fit = CrossFit(vectors, targets, ["a", "b", "c"], folds=folds, seed=3, strength=10.0)
    return fit, vectors, targets


def apart(vectors: np.ndarray, targets: Sequence[str], out: set[int], new: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    rows = [row for row in range(len(targets)) if row not in out]
    model = LogisticRegression(C=10.0, max_iter=1000)
    return model.fit(vectors[rows], [targets[row] for row in rows]).predict_proba(new)


def test_a_model_is_fitted_without_the_folds_of_the_parents() -> None:
    fit, vectors, targets = crossfit()
    new = vectors[:1] + 0.1
    fold = [{row for row in range(40) if fit.fold[row] == f} for f in range(5)]
    assert sorted(map(len, fold)) == [8] * 5
    for parents in ([0], [0, next(iter(fold[(fit.fold[0] + 1) % 5]))]):
        out = set.union(*(fold[fit.fold[parent]] for parent in parents))
        expected = apart(vectors, targets, out, new)
        np.testing.assert_allclose(fit.probabilities(new, [parents]), expected, atol=1e-6)
    everywhere = [next(iter(some)) for some in fold]
    expected = apart(vectors, targets, set(everywhere), new)
    np.testing.assert_allclose(fit.probabilities(new, [everywhere]), expected, atol=1e-6)
    mean = np.mean([apart(vectors, targets, some, new) for some in fold], axis=0)
    np.testing.assert_allclose(fit.probabilities(new, [[]]), mean, atol=1e-6)


def test_every_label_is_dealt_evenly_and_every_human_example_is_judged_unseen() -> None:
    fit, vectors, targets = crossfit()
    for label in "abc":
        dealt = [fit.fold[row] for row in range(40) if targets[row] == label]
        assert max(map(dealt.count, range(5))) - min(map(dealt.count, range(5))) <= 1
    out = {row for row in range(40) if fit.fold[row] == fit.fold[7]}
    expected = apart(vectors, targets, out, vectors[7:8])[0]
    np.testing.assert_allclose(fit.own[7], expected, atol=1e-6)


def test_the_regularisation_is_the_one_under_which_unseen_examples_are_likeliest() -> None:
    from sklearn.metrics import log_loss

    _, vectors, targets = crossfit()
    found = {
        strength: CrossFit(vectors, targets, ["a", "b", "c"], folds=5, seed=3, strength=strength)
        for strength in STRENGTHS
    }
    losses = {
        strength: log_loss(targets, fit.own.astype(np.float64) / fit.own.sum(1, keepdims=True))
        for strength, fit in found.items()
    }
    best = cross_fit(vectors, targets, ["a", "b", "c"], folds=5, seed=3)
    np.testing.assert_array_equal(best.own, found[min(losses, key=losses.__getitem__)].own)
    assert best.log_loss == pytest.approx(min(losses.values()))


@pytest.mark.parametrize(
    ("hits", "n", "commonest", "passed"),
    [(40, 40, 0.5, True), (20, 40, 0.5, False), (25, 40, 0.5, False), (27, 40, 0.5, True),
     (10, 10, 1.0, False), (2, 40, 0.5, False)],
)  # fmt: skip
def test_a_trial_is_passed_where_luck_is_no_explanation(
    hits: int, n: int, commonest: float, passed: bool
) -> None:
    assert Trial(hits, n, commonest).passed is passed
