"""From YAML text to a typed study: every problem at once, each with its line and a suggestion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from preceptor.data.problems import did_you_mean
from preceptor.errors import SpecError
from preceptor.settings import Settings
from preceptor.study.spec import Study

Loc = Sequence[int | str]


_UNREADABLE = (yaml.YAMLError, TypeError, ValueError, AttributeError)
"""what the yaml package raises; the last two where a value does not fit its tag (`!!int x`)"""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's words: only true and false are truth values, so yes and no can be labels.

    A date is text, as no setting is a date.
    """


_NOT_IN_1_2 = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag not in _NOT_IN_1_2]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def _parse_value(text: str, override: str) -> Any:
    """Read one YAML value, as in ``--set key=value``."""
    try:
        return yaml.load(text, Loader=_Loader)
    except _UNREADABLE as error:
        raise SpecError(
            "--set has a value that is not YAML", found=override, fix="put the value in quotes"
        ) from error


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read a study file and apply ``--set`` overrides.

    Raises:
        SpecError: with every problem, its line, and what was probably meant.
    """
    if not path.is_file():
        raise SpecError(
            "the study file is not there", where=str(path), fix="`preceptor init DATA` writes one"
        )
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError("the study file is not UTF-8", where=str(path), found=error) from error
    return parse_study(text, str(path), overrides)


def parse_study(text: str, name: str, overrides: Sequence[str] = ()) -> Study:
    """Read a study from YAML text; ``name`` stands in messages."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        value = yaml.load(text, Loader=_Loader)
    except _UNREADABLE as error:
        quotes = "put values that begin with {{ in quotes" if "{{" in text else None
        raise SpecError(
            "the study file is not YAML", where=name, found=error, fix=quotes
        ) from error
    if not isinstance(value, dict) or node is None:
        raise SpecError("the study file must hold keys and values", where=name, found=type(value))
    twice = [f"{name}:{line}: {key}: stands there twice" for key, line in _duplicate_keys(node)]
    for override in overrides:
        _apply(value, override)
    try:
        study = Study.model_validate(value)
    except ValidationError as error:
        twice += [_problem(one, node, name) for one in _meant(error.errors())]
    else:
        if not twice:
            return study
    raise SpecError(headed(twice))


def _apply(value: dict[str, Any], override: str) -> None:
    """Set ``a.b.c=value`` in place; list items by number."""
    path, sign, text = override.partition("=")
    if not sign or not path.strip():
        raise SpecError("--set takes key.key=value", found=override, expected="data.train.limit=60")
    *parents, last = path.strip().split(".")
    here: Any = value
    for key in parents:
        place = _index(here, key, override) if isinstance(here, list) else key
        if isinstance(here, dict) and not isinstance(here.get(key), dict | list):
            here[key] = _spelled_out(here.get(key), parents)
        here = here[place]
        if not isinstance(here, dict | list):
            raise SpecError("--set goes below a single value", found=override, expected=f"{key}=…")
    place = _index(here, last, override) if isinstance(here, list) else last
    here[place] = _parse_value(text, override)


def _spelled_out(word: Any, keys: Sequence[str]) -> dict[str, Any]:
    """A bare word (`method: lora`) as the mapping it stands for, so that a key can be set."""
    if not isinstance(word, str):
        return {}
    return {"operation": word} if keys[0] == "arms" else {"name": word}


def _index(items: list[Any], key: str, override: str) -> int:
    if not key.isdigit() or int(key) >= len(items):
        raise SpecError(
            "--set names an item of a list that is not there",
            found=override,
            expected=f"a number below {len(items)} in place of {key!r}",
        )
    return int(key)


def _duplicate_keys(node: yaml.Node) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _duplicate_keys(child)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _duplicate_keys(child)


def line_of(node: yaml.Node, loc: Loc) -> int:
    """The line of the innermost part of ``loc`` that the file has; pydantic's tags are passed."""
    line = node.start_mark.line + 1
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                if key.value == str(step):
                    line, node = key.start_mark.line + 1, child
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step] if step < len(node.value) else node
            line = node.start_mark.line + 1
    return line


def placed(file: Path, problem: str) -> str:
    """A problem that begins with a key ("data.path: ..."), with the file and the key's line."""
    node = yaml.compose(file.read_text("utf-8"), Loader=_Loader)
    keys = problem.partition(":")[0].split(".")
    line = line_of(node, [int(key) if key.isdigit() else key for key in keys]) if node else 1
    return f"{file}:{line}: {problem}"


def headed(problems: Sequence[str]) -> str:
    """All problems of a study as one message."""
    head = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the study"
    return "\n".join([head, *(f"  {problem}" for problem in problems)])


def _meant(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without "should be False" of a part that may be turned off and was given settings."""

    def turned_on(loc: Loc) -> bool:
        return any(one["loc"][: len(loc)] == loc and not is_off(one["loc"]) for one in errors)

    def is_off(loc: Loc) -> bool:
        return loc[-1:] == (_OFF,)

    return [one for one in errors if not (is_off(one["loc"]) and turned_on(one["loc"][:-1]))]


def _problem(error: ErrorDetails, node: yaml.Node, name: str) -> str:
    loc, owner = _walk(error["loc"])
    key = ".".join(str(step) for step in loc)
    return f"{name}:{line_of(node, error['loc'])}: {key}: {_words(error, loc, owner)}"


def _words(error: ErrorDetails, loc: Loc, owner: type[Settings] | None) -> str:
    if error["type"] == "extra_forbidden" and owner is not None:
        fields = list(owner.model_fields)
        return f"no such key{hint(str(loc[-1]), fields)}; keys here: {', '.join(fields)}"
    if error["type"] == "union_tag_invalid":
        allowed = str(error["ctx"]["expected_tags"]).replace("'", "").split(", ")
        found = str(error["ctx"]["tag"])
        return f"{found!r} is not one of {', '.join(allowed)}{hint(found, allowed)}"
    if error["type"] == "union_tag_not_found":
        return f"needs the key {error['ctx']['discriminator']}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return "is needed and not there"
    return f"{message}; found {error['input']!r}"


def hint(word: str, known: Sequence[str]) -> str:
    """A suggestion in brackets if a known word is near, else nothing."""
    guess = did_you_mean(word, known)
    return f" ({guess})" if guess else ""


_OFF = "literal[False]"
_UNION = re.compile(r"(tagged-union|function-[a-z]+|literal)\[")
"""what pydantic puts into a location for a member of a union"""


def _walk(loc: Loc) -> tuple[list[int | str], type[Settings] | None]:
    """Follow a pydantic location through the types; union tags are left out.

    Returns:
        The location as a user wrote it, and the class whose key its last step is.
    """
    kinds: list[Any] = [Study]
    owner: type[Settings] | None = Study
    path: list[int | str] = []
    for step in loc:
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Settings)]
        tagged = [model for model in models if len(models) > 1 and step in _tags(model)]
        if tagged:
            kinds = tagged
            continue
        if named := [model for model in models if step == model.__name__]:
            kinds = named
            continue
        if _UNION.match(str(step)):
            continue
        path.append(step)
        owner = models[0] if models else None
        fields = owner.model_fields if owner else {}
        if step in fields:
            kinds = list(_members(fields[str(step)].annotation))
        else:
            kinds = [inner for kind in kinds for inner in _items(kind)]
    return path, owner


def _tags(model: type[Settings]) -> list[Any]:
    return [
        value
        for field in model.model_fields.values()
        for value in get_args(field.annotation)
        if isinstance(value, str)
    ]


def _members(kind: Any) -> Iterator[Any]:
    """The members of a union, with wrappers taken off."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _members(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _items(kind: Any) -> Iterator[Any]:
    """What stands in a mapping or a list of this type."""
    if get_args(kind):
        yield from _members(get_args(kind)[-1])
