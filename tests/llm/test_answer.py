"""A teacher's own answers: what is shown before the question."""

from preceptor.data.example import Example
from preceptor.llm.answer import requests
from preceptor.tasks.choice import ChoiceTask

TASK = ChoiceTask.model_validate(
    {"kind": "choice", "labels": ["rare", "common"], "input": "{{ text }}"}
)
UNEVEN = [Example(f"e{n}", {"text": f"text {n}"}, "rare" if n == 0 else "common") for n in range(8)]


def shown(shots: int) -> list[str]:
    (request,) = requests(TASK, [UNEVEN[1]], UNEVEN, shots=shots, seed=0, parameters={})
    return [one.content for one in request.messages if one.role == "assistant"]


def test_as_many_shots_are_shown_as_the_title_says() -> None:
    assert sorted(shown(2)) == ["common", "rare"]
    assert sorted(shown(5)) == ["common"] * 4 + ["rare"]
    assert sorted(shown(8)) == ["common"] * 7 + ["rare"]
