"""How a prompt template becomes a request: what asks a teacher for anything starts here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal, cast

from preceptor.errors import SpecError
from preceptor.llm.chat import Message, Request
from preceptor.llm.frame import defuse, defused, strings_of, tag_for
from preceptor.llm.schema import Keys, response_format
from preceptor.tasks import AnyTask, ChoiceTask
from preceptor.tasks.template import render


def shipped_prompt(package: str, name: str) -> str:
    """The text of a prompt template that comes with a package (preceptor.augment)."""
    return files(package).joinpath("prompts", name).read_text("utf-8")


_TURN = re.compile(r"^=== (system|user|assistant)[ \t]*\n", re.MULTILINE)
Role = Literal["system", "user", "assistant"]


def ask(
    template: str,
    sample: int,
    task: AnyTask,
    fields: Mapping[str, Any],
    shown: Sequence[tuple[Mapping[str, Any], str]] = (),
    *,
    schema: Keys | None = None,
) -> Request:
    """Render a prompt template into a request; data goes in as values, never as template.

    What could be a control token of a model is taken apart in all values, shown answers among
    them (:func:`preceptor.llm.frame.defuse`). A shown answer stands as a turn of its own, which
    no text can end then; other values belong between ``{{ open }}`` and ``{{ close }}``, a tag
    that none of them can close.

    Args:
        template: Jinja text. Lines ``=== system``, ``=== user`` and ``=== assistant`` begin a
            message; without any, all of it is one user message. They are looked for before
            anything is filled in, so text of the data cannot begin a message. Messages that
            come out empty are left out.
        sample: tells apart requests that are otherwise the same.
        task: for ``about`` and ``labels``, of which a text task has none.
        fields: the other values of the template.
        shown: solved examples, as turns of the conversation before the last message: the
            values that the last message has for them, and the answer.
        schema: what the answer must hold, where it is to be a JSON object by schema; the
            template sees ``structured`` and ``keys``.
    """
    tag = tag_for(strings_of([fields, [values for values, _ in shown]]))
    framed = {"open": f"<{tag}>", "close": f"</{tag}>"}
    asked = {"structured": schema is not None, "keys": list(schema or ())}
    common = {**_told(task), **framed, **asked, **defused(fields)}
    *before, (role, last) = _turns(template)
    messages = [Message(role, render(text, common).strip()) for role, text in before]
    for values, answer in shown:
        question = render(last, {**common, **defused(values)}).strip()
        messages += [Message("user", question), Message("assistant", defuse(answer))]
    messages.append(Message(role, render(last, common).strip()))
    parameters = {} if schema is None else {"response_format": response_format(schema)}
    whole = tuple(one for one in messages if one.content)
    return Request(messages=whole, parameters=parameters, sample=sample)


def begin(
    template: str,
    sample: int,
    task: AnyTask,
    fields: Mapping[str, Any],
    shown: Sequence[tuple[Mapping[str, Any], str]] = (),
) -> Request:
    """Render a prompt template for a teacher that was tuned to go on from it: one text, no turns.

    The text ends in one line break, after which the answer follows. Solved examples stand before
    it in the same form, each with its answer and a blank line. Values are not framed, since such
    a teacher obeys no instructions; what could be a control token is taken apart as ever.

    Args:
        template: Jinja text without messages; white space at its ends does not count.
        sample: tells apart requests that are otherwise the same.
        task: for ``about`` and ``labels``.
        fields: the other values of the template.
        shown: solved examples: the values that the template has for them, and the answer.

    Raises:
        SpecError: the template begins a message (``=== user``), or comes out empty.
    """
    if _TURN.search(template):
        raise SpecError(
            "the prompt of a tuned teacher has messages",
            expected="one text, from which the teacher goes on",
            fix="remove the lines === system, === user and === assistant",
        )
    common = {**_told(task), **defused(fields)}
    solved = [
        f"{_head(template, {**common, **defused(values)})}{defuse(answer)}\n\n"
        for values, answer in shown
    ]
    content = "".join([*solved, _head(template, common)])
    return Request((Message("user", content),), sample=sample)


def _head(template: str, values: Mapping[str, Any]) -> str:
    text = render(template, values).strip()
    if not text:
        raise SpecError("a prompt is empty", expected="text for the teacher to go on from")
    return f"{text}\n"


def _told(task: AnyTask) -> dict[str, Any]:
    """What a template may say of the task."""
    described = task.describe() if isinstance(task, ChoiceTask) else []
    labels = [{"name": name, "meaning": meaning} for name, meaning in described]
    return {"about": task.about, "labels": labels}


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
