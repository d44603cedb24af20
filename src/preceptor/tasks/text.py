"""The text task: a free answer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from preceptor.tasks.task import Task


class TextTask(Task):
    """A free answer.

    A decoder reads `prompt` and writes `answer`. What ends the prompt is the separator between
    the two: a line break, or a token of the student's tokenizer, as in
    `prompt: "{{ input }}<|sep|>"`. It belongs to the prompt, so the first token of the answer
    is the answer's own, and a model is never scored for foreseeing the separator.
    """

    SLOT: ClassVar[str] = "{answer}"
    labels: ClassVar[tuple[str, ...]] = ()
    kind: Literal["text"]
    about: str = ""
    """what the examples are, in a sentence, for teachers"""
    input: str
    """how an example is shown, a Jinja template of its input fields"""
    prompt: str = "{{ input }}\n"
    """what a decoder or seq2seq student reads, around `input`; its end is the separator between
    question and answer (the second paper names a separator token and does not say which)"""
    answer: str = "{answer}"
    """what a decoder or seq2seq student writes; `{answer}` stands for the answer"""
    loss: Literal["answer", "all"] = "answer"
    """train a decoder on the answer's tokens alone, or on all tokens"""
    score_by: Annotated[tuple[Literal["next_token", "generation"], ...], Field(min_length=1)] = (
        "next_token",
    )
    """how a student is scored: how well it foresees the answers (`next_token`: perplexity and
    next-token accuracy), or what it writes, held against the references (`generation`: BLEU,
    chrF, ROUGE, exact match). The first is the one that comparisons rest on"""

    @field_validator("answer")
    @classmethod
    def _once(cls, answer: str) -> str:
        if answer.count(cls.SLOT) > 1:
            raise ValueError(f"must contain {cls.SLOT} just once, to be read back")
        return answer

    def read(self, text: str) -> str | None:
        """The answer that a text gives, or None if it gives none.

        What stands around `{answer}` in the template is taken off, as far as it is there, and
        so is white space at both ends.
        """
        before, _, after = self.answer.partition(self.SLOT)
        inner = text.strip().removeprefix(before.strip())
        if after.strip():
            inner = inner.removesuffix(after.strip())
        return inner.strip() or None
