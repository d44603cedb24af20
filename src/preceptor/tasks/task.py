"""What every kind of task has: templates that make an example a prompt and a target an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator

from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.settings import Settings
from preceptor.tasks.template import fields_of, render


class Task(Settings):
    """How an example is shown and a target is written.

    The fields stand in the subclasses, so that each kind names them in an order and with
    defaults of its own.
    """

    SLOT: ClassVar[str]
    """what stands for the target in ``answer``"""
    if TYPE_CHECKING:
        input: str
        prompt: str
        answer: str

    @model_validator(mode="after")
    def _framed(self) -> Task:
        if self.SLOT not in self.answer:
            raise ValueError(f"answer: must contain {self.SLOT}")
        _fields("input", self.input)
        if _fields("prompt", self.prompt) != {"input"}:
            raise ValueError("prompt: must contain {{ input }} and no other field")
        return self

    @property
    def input_fields(self) -> list[str]:
        """The input fields that a model sees, in the order in which it sees them."""
        return sorted(fields_of(self.input), key=self.input.find)

    def show(self, example: Example) -> str:
        """The example as text, without its target."""
        return render(self.input, example.inputs)

    def frame(self, shown: str) -> str:
        """The prompt of a student that writes, around an example's text."""
        return render(self.prompt, {"input": shown})

    def written(self, target: str) -> str:
        """What a student that writes should write for ``target``: a label, or an answer's text."""
        return self.answer.replace(self.SLOT, target)


def _fields(key: str, template: str) -> set[str]:
    try:
        return fields_of(template)
    except SpecError as error:
        raise ValueError(f"{key}: {error.what}") from error
