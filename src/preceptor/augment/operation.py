"""What all operations share: a call that is to be made, and how its answer becomes an example."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field

from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.llm.chat import Message, Request
from preceptor.llm.settings import Parameters
from preceptor.settings import Settings
from preceptor.tasks.choice import ChoiceTask
from preceptor.tasks.template import render


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


class OperationSettings(Settings):
    """What every operation of a teacher has."""

    amount: Amount = "1x"
    """how many made rows are wanted after curation: a number, or a multiple of the human
    training set (`1x`)"""
    max_requests: Amount = "3x"
    """calls at most, a number or a multiple of the rows wanted: rejected rows are made anew
    until the amount is there or this is spent; a shortfall is reported"""
    teacher: str | None = None
    """the name of the teacher that is called; not needed where there is one"""
    parameters: Parameters = Field({})
    """sent with this arm's calls beside the teacher's own parameters ({temperature: 0.7})"""
    prompt: str | None = None
    """a Jinja file to use in place of the shipped prompt, relative to the study file"""
    operation: str

    def template(self, base_dir: Path) -> str:
        """The text of the prompt's template: the user's file, or the shipped one.

        Raises:
            SpecError: the user's file is not there, or cannot be read as UTF-8.
        """
        if self.prompt is None:
            return shipped_prompt(f"{self.operation}.jinja")
        path = base_dir / self.prompt
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


def shipped_prompt(name: str) -> str:
    """The text of a prompt template that comes with the package."""
    return files("preceptor.augment").joinpath("prompts", name).read_text("utf-8")


_TURN = re.compile(r"^=== (system|user|assistant)[ \t]*\n", re.MULTILINE)
Role = Literal["system", "user", "assistant"]


def ask(
    template: str,
    sample: int,
    task: ChoiceTask,
    fields: Mapping[str, Any],
    shown: Sequence[tuple[Mapping[str, Any], str]] = (),
) -> Request:
    """Render a prompt template into a request; data goes in as values, never as template.

    Args:
        template: Jinja text. Lines ``=== system``, ``=== user`` and ``=== assistant`` begin a
            message; without any, all of it is one user message. They are looked for before
            anything is filled in, so text of the data cannot begin a message. Messages that
            come out empty are left out.
        sample: tells apart requests that are otherwise the same.
        task: for ``about`` and ``labels``.
        fields: the other values of the template.
        shown: solved examples, as turns of the conversation before the last message: the
            values that the last message has for them, and the answer.
    """
    labels = [{"name": name, "meaning": meaning} for name, meaning in task.describe()]
    common = {"about": task.about, "labels": labels, **fields}
    *before, (role, last) = _turns(template)
    messages = [Message(role, render(text, common).strip()) for role, text in before]
    for values, answer in shown:
        question = render(last, {**common, **values}).strip()
        messages += [Message("user", question), Message("assistant", answer)]
    messages.append(Message(role, render(last, common).strip()))
    return Request(messages=tuple(one for one in messages if one.content), sample=sample)


def _turns(template: str) -> list[tuple[Role, str]]:
    head, *rest = _TURN.split(template)
    turns: list[tuple[Role, str]] = [("user", head)] if head.strip() else []
    turns += zip(cast(list[Role], rest[::2]), rest[1::2], strict=True)
    if not turns:
        raise SpecError("a prompt is empty", expected="text, or messages begun by === user")
    return turns


def spoken(field: str) -> str:
    """A field's name as a teacher sees it: ``long_answer`` is "Long answer"."""
    return field.replace("_", " ").capitalize()


def read_fields(text: str, fields: Sequence[str]) -> dict[str, str] | Rejection:
    """Read ``Name: value`` parts; a lone field may come without its name.

    Reading is tolerant about case, bold marks and line breaks within a value, and strict about
    meaning: every field must be there, once, and not empty.
    """
    names = {spoken(field).casefold(): field for field in fields}
    marker = "|".join(re.escape(name) for name in names)
    pattern = rf"^[\s*#>-]*({marker})[\s*]*:[\s*]*"
    pieces = re.split(pattern, text.strip(), flags=re.IGNORECASE | re.MULTILINE)
    found = list(zip(pieces[1::2], pieces[2::2], strict=True))
    if not found and len(fields) == 1:
        found = [(spoken(fields[0]), text)]
    values = {names[name.casefold()]: _clean(value) for name, value in found}
    missing = [field for field in fields if not values.get(field)]
    if missing:
        return Rejection("unparseable", f"no {' and no '.join(missing)} in the answer")
    if len(found) != len(fields):
        return Rejection("unparseable", "a field stands there more than once")
    return values


_QUOTED = re.compile(r"""["“«]([^"“”«»]+)["”»]""")
_QUOTED_ABOVE = re.compile(r"""["“«]([^"“”«»]+[.!?…])["”»][ \t]*\n\s*\n[^"“”«»]*""")
"""a quoted sentence, and a comment as a paragraph below it"""


def _clean(value: str) -> str:
    """Without bold marks, and without quotes around the whole, with a comment below it or not.

    A text that only begins with something in quotes is left as it is.
    """
    value = value.strip().strip("*").strip()
    quoted = _QUOTED.fullmatch(value) or _QUOTED_ABOVE.fullmatch(value)
    return quoted[1].strip() if quoted else value
