"""Missing slots: texts that leave out values of their input, held against what people leave out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from curate.material import nobody
from preceptor.curate import CurationSettings, left_out
from preceptor.curate.filter import Material
from preceptor.curate.slots import SlotsFilter, SlotsSettings, make, problem
from preceptor.data.example import Example
from preceptor.tasks import ChoiceTask, TextTask

TASK = TextTask.model_validate({"kind": "text", "about": "Acts.", "input": "Acts: {{ acts }}"})
VALUES = r"[=|] ([^=|()]+?) (?=[|)])"
HUMAN = [
    Example("h1", {"acts": "offer( food = Thai | Indian )"}, "Thai or Indian?"),
    Example("h2", {"acts": "inform( street = 12_Main_Road )"}, "It is at 12 Main Road."),
    Example("h3", {"acts": "thank( )"}, "You are welcome."),
]


def filter_of(human: list[Example] = HUMAN, **settings: Any) -> SlotsFilter:
    about = Material(TASK, human, [], "create", 10, 0, nobody)
    return make(SlotsSettings(values=VALUES, **settings), about)


def test_it_is_off_unless_asked_for_and_judges_texts_alone() -> None:
    assert CurationSettings().slots is False
    asked = CurationSettings(slots=SlotsSettings(values=VALUES))
    choice = ChoiceTask.model_validate(
        {"kind": "choice", "labels": ["a", "b"], "input": "{{ text }}"}
    )
    assert left_out(asked, choice, "create") == {
        "slots": "the task has labels, and no text says its input"
    }
    assert left_out(asked, TASK, "create") == left_out(asked, TASK, "annotate") == {}


@pytest.mark.parametrize(
    ("acts", "text", "missing"),
    [
        ("offer( food = Thai | Indian )", "How about THAI, or Indian food?", None),
        ("offer( food = Thai | Indian )", "How about Thai food?", "Indian"),
        ("offer( food = Thai )", "How about Thailand?", "Thai"),
        ("confirm( street = 12_Main_Road ), confirm( n = 2 )", "At 12 main road.", "2"),
        ("thank( )", "Bye.", None),
    ],
)
def test_every_value_must_stand_in_the_text_where_people_say_all(
    acts: str, text: str, missing: str | None
) -> None:
    (found,) = filter_of().judge([Example("c", {"acts": acts}, text)])
    if missing is None:
        assert found is None
        return
    assert found is not None
    assert (found.reason, found.detail) == ("slots missing", f"not said: {missing}")
    assert found.figures["said"] < found.figures["least"] == 1.0


def test_as_much_may_be_left_out_as_people_leave_out() -> None:
    acts = "offer( a = one | two | three | four )"
    human = [Example(f"h{n}", {"acts": acts}, "One, two, three, four.") for n in range(8)]
    human += [Example("h8", {"acts": acts}, "One, two."), Example("h9", {"acts": acts}, "Well.")]
    some = Example("c", {"acts": acts}, "One and two, then.")
    few = Example("d", {"acts": acts}, "One.")
    judged = filter_of(human, quantile=0.15)
    assert judged.judge([some])[0] is None
    assert judged.judge([few])[0] is not None
    assert judged.notes == ["human texts say 85% of the values; a made one must say 50%"]
    assert filter_of(human, quantile=0.0).judge([few]) == [None]
    assert filter_of(human, quantile=0.5).judge([some])[0] is not None


def test_without_a_value_in_any_input_nothing_is_asked() -> None:
    judged = filter_of(HUMAN[2:])
    assert judged.judge([Example("c", {"acts": "offer( food = Thai )"}, "Well.")]) == [None]
    assert "no values" in judged.notes[0]
    assert problem(SlotsSettings(values=VALUES), TASK, HUMAN) == ""
    told = problem(SlotsSettings(values="<(.+)>"), TASK, HUMAN)
    assert told == "'<(.+)>' finds nothing in any of the 3 human inputs"


@pytest.mark.parametrize(
    ("values", "why"), [("= (", "no regular expression"), ("= [a-z]+", "no group")]
)
def test_an_expression_without_values_is_refused(values: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        SlotsSettings(values=values)
