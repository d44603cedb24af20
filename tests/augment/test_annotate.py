"""Annotation by a teacher that is asked, which of it is kept, and known rates of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preceptor.augment import annotate
from preceptor.augment.annotate import Annotation, surest, to_base_rates
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.llm import answer
from preceptor.llm.chat import Answer, Failure, FailureCause
from preceptor.tasks import ChoiceTask, TextTask

HERE = Path(__file__).parent
CHOICE = ChoiceTask.model_validate(
    {"kind": "choice", "labels": ["rare", "common", "odd"], "input": "{{ text }}"}
)
TEXT = TextTask.model_validate(
    {
        "kind": "text",
        "about": "Facts as sentences.",
        "input": "{{ triples }}",
        "answer": "A: {answer}",
    }
)
HUMAN = [Example(f"h{n}", {"text": f"human {n}"}, ["rare", "common"][n % 2]) for n in range(4)]
POOL = [Example(f"p{n}", {"text": f"pool {n}"}) for n in range(2)]


def settings(**changes: object) -> annotate.AnnotateSettings:
    return annotate.AnnotateSettings.model_validate({"operation": "annotate"} | changes)


def said(*texts: str) -> list[Answer | Failure]:
    return [Answer(text, 1, 1, 0.0, False) for text in texts]


def failed(cause: FailureCause, detail: str) -> Failure:
    return Failure(cause, detail)


def test_every_vote_is_another_sample_of_the_same_question() -> None:
    arm = settings(votes=3, shots=2, parameters={"max_tokens": 8})
    asked = annotate.requests(arm, CHOICE, POOL, HUMAN, seed=1, base_dir=HERE)
    assert [len(one) for one in asked] == [3, 3]
    assert len({one.sample for one in asked[0]}) == 3
    assert len({one.messages for one in asked[0]}) == 1
    (plain,) = answer.requests(
        CHOICE, POOL[:1], HUMAN, shots=2, seed=1, parameters={"max_tokens": 8}
    )
    assert (asked[0][0].messages, asked[0][0].parameters) == (plain.messages, plain.parameters)
    assert [one.role for one in plain.messages] == [*["user", "assistant"] * 2, "user"]
    other = annotate.requests(arm, CHOICE, POOL, HUMAN, seed=0, base_dir=HERE)
    samples = {one.sample for group in (*asked, *other) for one in group}
    assert len(samples) == 6, "each seed samples for itself"


def test_a_text_task_asks_for_an_answer() -> None:
    human = [Example("h", {"triples": "A | is | B"}, "A is B.")]
    (asked,) = annotate.requests(
        settings(shots=3),
        TEXT,
        [Example("p", {"triples": "C | is | D"})],
        human,
        seed=0,
        base_dir=HERE,
    )
    contents = [one.content for one in asked[0].messages]
    assert contents[0] == "Facts as sentences."
    assert contents[1].startswith("<text>A | is | B</text>\n")
    assert contents[2] == "A is B."
    assert contents[3].startswith("<text>C | is | D</text>\n")
    assert contents[3].endswith("Write the answer alone.")
    assert "these words" not in contents[3]


def test_a_prompt_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "my.jinja").write_text("{{ labels[0].name }}? {{ fields[0].value }}")
    arm = settings(prompt="my.jinja")
    ((one,), _) = annotate.requests(arm, CHOICE, POOL, HUMAN, seed=0, base_dir=tmp_path)
    assert one.messages[0].content == "rare? pool 0"
    assert annotate.template(arm, CHOICE, tmp_path) == "{{ labels[0].name }}? {{ fields[0].value }}"
    assert annotate.template(settings(), TEXT, HERE) == answer.template("text")
    with pytest.raises(SpecError, match="not there"):
        annotate.template(settings(prompt="other.jinja"), CHOICE, tmp_path)


def test_the_share_of_votes_is_the_probability_of_a_label() -> None:
    found = annotate.read(
        settings(votes=5),
        CHOICE,
        [*said("Common.", "rare", "no idea", "common"), failed("refused", "no")],
    )
    assert found.target == "common"
    assert found.probabilities == {
        "rare": pytest.approx(1 / 3),
        "common": pytest.approx(2 / 3),
        "odd": 0.0,
    }
    assert found.raw == "Common.\nrare\nno idea\ncommon\nno"
    assert found.rejection is None


def test_of_equal_votes_the_label_that_the_task_names_first_wins() -> None:
    found = annotate.read(settings(votes=4), CHOICE, said("odd", "common", "odd", "common"))
    assert found.target == "common"


def test_a_vote_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    found = annotate.read(settings(), CHOICE, [failed("truncated", "It is rare, since")])
    assert found.target == "rare"


def test_what_nobody_can_read_is_rejected_with_its_words() -> None:
    found = annotate.read(settings(votes=2), CHOICE, said("perhaps", "who knows"))
    assert found == Annotation(
        None,
        "perhaps\nwho knows",
        rejection=Rejection("unparseable", "none of 2 answers names a label"),
    )
    called = annotate.read(settings(), CHOICE, [failed("refused", "I will not")])
    assert called.rejection == Rejection("refused", filter="call")
    assert called.raw == "I will not"
    cut = annotate.read(settings(), TEXT, [failed("truncated", "C is")])
    assert cut.rejection == Rejection("truncated", filter="call")


def test_the_first_readable_text_is_the_answer() -> None:
    outcomes = [failed("truncated", "C is"), *said("", "Answer: C is D.", "D is C.")]
    found = annotate.read(settings(votes=4), TEXT, outcomes)
    assert (found.target, found.probabilities, found.log_prob) == ("C is D.", {}, None)
    assert annotate.read(settings(), TEXT, said('"C is D."')).target == "C is D."


def labelled(target: str, probability: float) -> Annotation:
    return Annotation(target, probabilities={target: probability, "other": 1 - probability})


def test_the_surest_of_each_label_are_kept() -> None:
    rows = [
        labelled("easy", 0.99),
        labelled("hard", 0.4),
        labelled("easy", 0.98),
        Annotation(None),
        labelled("hard", 0.6),
        labelled("easy", 0.97),
    ]
    assert surest(rows, 0.5) == [True, False, True, False, True, False]
    assert surest(rows, 0.01) == [True, False, False, False, True, False]
    assert surest(rows, 1.0) == [True, True, True, False, True, True]


def test_of_equally_sure_ones_the_first_are_kept_and_shares_are_rounded_up_once() -> None:
    rows = [labelled("a", 0.5)] * 30
    assert surest(rows, 0.1) == [True] * 3 + [False] * 27, "0.1 * 30 is more than 3 as floats go"
    assert surest(rows, 0.11) == [True] * 4 + [False] * 26


def test_texts_are_ranked_together_by_their_log_probability() -> None:
    rows = [Annotation(f"t{n}", log_prob=value) for n, value in enumerate([-2.0, -0.1, -1.0, -3.0])]
    assert surest(rows, 0.5) == [False, True, True, False]
    with pytest.raises(ValueError, match="cannot be ranked"):
        surest([Annotation("t"), *rows], 0.5)
    assert surest([Annotation("t")], 1.0) == [True]


def test_means_of_probabilities_become_the_base_rates() -> None:
    rng = np.random.default_rng(0)
    given = rng.dirichlet([0.3, 0.2, 0.1], 500)
    rates = [0.2, 0.3, 0.5]
    found = to_base_rates(given, rates)
    assert np.abs(found.mean(0) - rates).max() <= 1e-6
    assert found.sum(1) == pytest.approx(np.ones(500))
    # One factor a label: the odds of two labels change alike in all rows.
    factors = (found[:, 0] / found[:, 1]) / (given[:, 0] / given[:, 1])
    sure = (given > 1e-3).all(1)
    assert sure.sum() > 50
    assert factors[sure] == pytest.approx(np.full(sure.sum(), factors[sure][0]), rel=1e-3)


def test_what_agrees_with_the_rates_is_left_as_it_is() -> None:
    given = [[0.8, 0.2], [0.4, 0.6]]
    assert to_base_rates(given, [6, 4]) == pytest.approx(np.array(given))


def test_a_label_that_never_occurs_gets_nothing_and_no_row_is_lost() -> None:
    found = to_base_rates([[0.0, 0.0, 1.0], [0.5, 0.3, 0.2], [0.1, 0.9, 0.0]], [0.5, 0.5, 0.0])
    assert np.isfinite(found).all()
    assert found[:, 2].tolist() == [0, 0, 0]
    assert found.mean(0) == pytest.approx([0.5, 0.5, 0], abs=1e-6)


def test_hard_votes_can_be_fitted_too() -> None:
    given = np.eye(2)[[0] * 8 + [1] * 2]
    found = to_base_rates(given, [0.5, 0.5])
    assert found.mean(0) == pytest.approx([0.5, 0.5], abs=1e-6)
    assert found[0] == pytest.approx([0.625, 0.375], abs=1e-4)
    assert found[9] == pytest.approx([0, 1], abs=1e-4)


def test_votes_that_are_nearly_right_do_not_take_for_ever() -> None:
    given = np.eye(3)[[0] * 500 + [1] * 300 + [2] * 200]
    found = to_base_rates(given, [0.50001, 0.29999, 0.2])
    assert np.abs(found.mean(0) - [0.50001, 0.29999, 0.2]).max() < 1e-4


@pytest.mark.parametrize(
    ("given", "rates"),
    [([], [1.0]), ([[0.5, 0.5]], [1.0]), ([[0.5, 0.5]], [-1, 2]), ([[0.5, 0.5]], [0, 0])],
)
def test_rates_that_mean_nothing_are_refused(given: list[list[float]], rates: list[float]) -> None:
    with pytest.raises(ValueError, match="rates"):
        to_base_rates(given, rates)


@pytest.mark.parametrize(
    ("sets", "pool", "texts"),
    [
        ({}, 1000, (10, 30)),
        ({"keep": 0.5}, 1000, (20, 60)),
        ({"keep": 0.5}, 25, (20, 25)),
        ({"max_requests": 7}, 1000, (7, 7)),
        ({"max_requests": "1x"}, 4, (4, 4)),
    ],
)
def test_how_many_texts_are_annotated_first_and_at_most(
    sets: dict[str, object], pool: int, texts: tuple[int, int]
) -> None:
    given = {"operation": "annotate", "amount": 10, **sets}
    settings = annotate.AnnotateSettings.model_validate(given)
    assert settings.texts(10, pool) == texts
