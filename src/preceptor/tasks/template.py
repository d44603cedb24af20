"""Templates: how fields become text. Values are data: nothing in them is ever rendered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from traceback import extract_tb

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from preceptor.errors import SpecError

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
)


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    try:
        return _ENVIRONMENT.from_string(template)
    except (TemplateError, RecursionError) as error:
        raise SpecError(f"a template cannot be read: {error}", found=template) from error


def fields_of(template: str) -> set[str]:
    """The names that a template takes from outside.

    Raises:
        SpecError: the template is not valid Jinja.
    """
    _compiled(template)
    return meta.find_undeclared_variables(_ENVIRONMENT.parse(template))


def render(template: str, fields: Mapping[str, object]) -> str:
    """Fill a template.

    Raises:
        SpecError: the template is not valid Jinja, names a field that is not there, or does
            what cannot be done with a field's value.
    """
    try:
        return _compiled(template).render(fields)
    except SpecError:
        raise
    except UndefinedError as error:
        expected = f"only these fields: {', '.join(sorted(fields))}"
        raise _unfilled(template, str(error), expected) from error
    # An expression in a template can raise anything.
    except Exception as error:
        named = ", ".join(sorted(fields_of(template) & set(fields)))
        possible = f"what can be done with {named}" if named else None
        raise _unfilled(template, _in_words(error), possible) from error


def _unfilled(template: str, why: str, expected: str | None) -> SpecError:
    return SpecError(f"a template cannot be filled: {why}", found=template, expected=expected)


def _in_words(error: Exception) -> str:
    """The error with the line of the template that raised it."""
    lines = [
        frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == "<template>"
    ]
    at = f" (line {lines[-1]} of it)" if lines else ""
    return f"{type(error).__name__}: {error}{at}"
