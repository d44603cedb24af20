"""What all operations share: a call that is to be made, and how its answer becomes an example."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.llm.chat import Request
from preceptor.llm.prompt import shipped_prompt
from preceptor.llm.settings import Parameters
from preceptor.settings import Settings
from preceptor.tasks.template import fields_of


def _check_amount(amount: int | str) -> int | str:
    if isinstance(amount, int) and amount >= 1:
        return amount
    if isinstance(amount, str) and re.fullmatch(r"\d+(\.\d+)?x", amount) and float(amount[:-1]) > 0:
        return amount
    raise ValueError("a number of rows (200) or a multiple of the human training set (1x, 0.5x)")


Amount = Annotated[int | str, AfterValidator(_check_amount)]


def rows_of(amount: int | str, human: int) -> int:
    """How many rows an amount means beside ``human`` human rows."""
    return amount if isinstance(amount, int) else max(1, round(float(amount[:-1]) * human))


def own_prompt(prompt: str, base_dir: Path) -> str:
    """The text of a prompt file of the user's own.

    Raises:
        SpecError: the file is not there, or cannot be read as UTF-8.
    """
    path = base_dir / prompt
    if not path.is_file():
        raise SpecError(
            "the prompt file is not there", where=str(path), fix="give a path beside the study"
        )
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            "the prompt file cannot be read",
            where=str(path),
            found=error,
            expected="text in UTF-8",
        ) from error


class OperationSettings(Settings):
    """What every operation of a teacher has."""

    amount: Amount = "1x"
    """how many made rows are wanted after curation: a number, or a multiple of the human
    training set (`1x`)"""
    max_requests: Amount = "3x"
    """calls at most, a number or a multiple of the rows wanted, every try counted: rejected
    rows are made anew until the amount is there or this is spent; a shortfall is reported"""
    tries: int = Field(2, ge=1)
    """how often the same is asked at most, where the answer is refused, cut off, empty or not
    readable: each try is a fresh sample, and the last one's failure rejects the row"""
    teacher: str | None = None
    """the name of the teacher that is called; not needed where there is one"""
    parameters: Parameters = Field({})
    """sent with this arm's calls beside the teacher's own parameters ({temperature: 0.7})"""
    prompt: str | None = None
    """a Jinja file to use in place of the shipped prompt, relative to the study file"""
    structured: Literal["auto", "on", "off"] = "auto"
    """whether the teacher's server shall hold it to a JSON object, by a schema: `auto` where
    more than one thing is to be read (a prompt of your own must ask for it, by `structured`)
    and a small call shows that the server can; `on` refuses a server that cannot"""
    operation: str

    @model_validator(mode="after")
    def _one_format(self) -> OperationSettings:
        if self.structured == "on" and "response_format" in self.parameters:
            raise ValueError("structured: on sets response_format; remove it from parameters")
        return self

    def may_ask_by_schema(self, base_dir: Path) -> bool:
        """Whether `auto` may send a schema: the prompt knows of it, the study sends no other.

        Raises:
            SpecError: the prompt is not there, or is no template.
        """
        knows = "structured" in fields_of(self.template(base_dir))
        return knows and "response_format" not in self.parameters

    def template(self, base_dir: Path, tuned: bool = False) -> str:
        """The text of the prompt's template: the user's file, or the shipped one.

        Args:
            base_dir: the study's folder.
            tuned: the prompt of a teacher that was tuned on it (only `create` ships one).

        Raises:
            SpecError: the user's file is not there, or cannot be read as UTF-8.
        """
        if self.prompt is None:
            name = f"{self.operation}_tuned" if tuned else self.operation
            return shipped_prompt("preceptor.augment", f"{name}.jinja")
        return own_prompt(self.prompt, base_dir)


@dataclass(frozen=True, slots=True)
class Call:
    """One example that is to be made.

    Attributes:
        request: what the teacher is asked.
        source: the human example that it starts from, if any.
        parents: ids of all human examples that the request shows.
        label: the label that the made example gets; None where the teacher decides.
    """

    request: Request
    source: Example | None
    parents: tuple[str, ...]
    label: str | None

    def again(self, turn: int) -> Call:
        """The same call for a fresh sample, after ``turn`` tries."""
        sample = self.request.sample + turn * _FRESH
        return replace(self, request=replace(self.request, sample=sample))


_FRESH = 10**12
"""far above the samples that operations count by themselves, so that no two are the same"""
