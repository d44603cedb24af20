"""The choice task: one of a fixed set of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from preceptor.tasks.answers import READERS, AnswersSetting, fold
from preceptor.tasks.task import Task


class ChoiceTask(Task):
    """One of a fixed set of labels."""

    SLOT: ClassVar[str] = "{label}"
    kind: Literal["choice"]
    labels: tuple[str, ...] = Field(min_length=2)
    """the labels, as they stand in the data"""
    descriptions: Mapping[str, str] = {}
    """what a label means, for teachers; labels without one are shown by their name"""
    about: str = ""
    """what the examples are, in a sentence, for teachers"""
    input: str
    """how an example is shown, a Jinja template of its input fields"""
    prompt: str = "{{ input }}\nAnswer:"
    """what a decoder or seq2seq student reads, around `input`"""
    answer: str = " {label}"
    """what a decoder or seq2seq student writes; `{label}` stands for the label. White space
    in front joins it to a decoder's prompt, and falls away for seq2seq"""
    answers: AnswersSetting = "strict"
    """how a label is read from a model's text: `strict` takes the first whole-word label and
    counts the rest as unparsed; `drllama_llm` and `drllama_student` are Dr. LLaMA's ways"""
    loss: Literal["answer", "all"] = "answer"
    """train a decoder on the answer's tokens alone, or on all tokens (Dr. LLaMA, equation 1)"""

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        folded = [fold(label) for label in labels]
        if len(set(folded)) != len(folded) or "" in folded:
            raise ValueError(
                "labels must differ (case, and _ and - between words, aside) and must not be empty"
            )
        return labels

    @model_validator(mode="after")
    def _labelled(self) -> ChoiceTask:
        unknown = set(self.descriptions) - set(self.labels)
        if unknown:
            raise ValueError(f"descriptions: not a label: {', '.join(sorted(unknown))}")
        if self.answers.startswith("drllama") and set(self.labels) != {"yes", "no", "maybe"}:
            raise ValueError(f"answers: {self.answers} reads yes, no and maybe only")
        return self

    def read(self, text: str) -> str | None:
        """The label that a text gives, or None if it gives none."""
        return READERS[self.answers](text, self.labels)

    def describe(self) -> list[tuple[str, str]]:
        """Every label with what it means."""
        return [(label, self.descriptions.get(label, "")) for label in self.labels]
