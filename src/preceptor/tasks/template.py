"""Templates: how fields become text. Values are data: nothing in them is ever rendered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from preceptor.errors import SpecError

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
)


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    try:
        return _ENVIRONMENT.from_string(template)
    except TemplateError as error:
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
        SpecError: the template is not valid Jinja or names a field that is not there.
    """
    try:
        return _compiled(template).render(fields)
    except TemplateError as error:
        raise SpecError(
            f"a template cannot be filled: {error}",
            found=template,
            expected=f"only these fields: {', '.join(sorted(fields))}",
        ) from error
