"""PubMedQA in the publisher's JSON (Jin et al., 2019), under either of its two protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from preceptor.data.dividing import CrossValidation
from preceptor.data.example import Example, Targets
from preceptor.data.files import locate, read_json
from preceptor.data.folds import Folds
from preceptor.data.problems import Problems, listed, short
from preceptor.data.sampling import sample_in_proportion
from preceptor.data.splits import DataSettings, Splits
from preceptor.data.values import text_of
from preceptor.errors import DataError

TEST_IDS = "test_ground_truth.json"
PUBLISHED_ROWS = 1000
PUBLISHED_SIZES = (450, 50)
TARGET = "final_decision"
_NOTES = {
    "drllama": "Protocol drllama: rows in file order (Dr. LLaMA); not the official test.",
    "official": "Protocol official: the published test ids; validation drawn by label (seed 0).",
}


class PubmedqaSettings(DataSettings):
    """The expert-labelled PubMedQA file (ori_pqal.json)."""

    reader: Literal["pubmedqa"]
    path: str
    """ori_pqal.json, relative to the study file"""
    protocol: Literal["drllama", "official"] | None = None
    """`drllama`: rows in file order, 450 train, 50 validation, 500 test. `official`: the 500
    published test ids; of the rest, 50 drawn by label are validation. The two tests share only
    258 items: never compare numbers across them. In its place: `split`"""
    split: CrossValidation | None = Field(None, exclude_if=lambda split: split is None)
    """cross-validation over all rows, in place of a protocol"""
    test_ids: str | None = None
    """test_ground_truth.json, for `official`; beside `path` if not given"""
    setting: Literal["reasoning_required", "reasoning_free"] = "reasoning_required"
    """`reasoning_free` shows the abstract's conclusion as a further input, long_answer"""
    sizes: tuple[int, int] = Field(PUBLISHED_SIZES)
    """train and validation rows, for other files of this format; the rest is test"""

    @model_validator(mode="after")
    def _one_division(self) -> PubmedqaSettings:
        if (self.protocol is None) == (self.split is None):
            raise ValueError("give protocol or split, one of the two")
        if self.split is not None and {"sizes", "test_ids"} & self.model_fields_set:
            raise ValueError("sizes and test_ids are a protocol's, and split divides the rows")
        return self


def read(settings: PubmedqaSettings, base_dir: Path, targets: Targets = "label") -> Splits:
    """Read PubMedQA.

    Args:
        settings: the study's ``data``.
        base_dir: the study file's folder.
        targets: what the task's targets are; here they are labels.

    Raises:
        DataError: a task of texts, a file that is missing or cannot be read, too few rows for
            the protocol, or all that is wrong with the rows.
    """
    if targets == "text":
        raise DataError(
            "PubMedQA's targets are labels, and the task is of texts",
            where="task.kind",
            found="text",
            expected="choice, with the labels yes, no and maybe",
        )
    path = locate(settings.path, base_dir)
    items = _items(path)
    problems = Problems(path.name)
    for number, (name, item) in enumerate(items.items(), 1):
        _check(item, f"{path}:{number} (id {name})", problems)
    problems.raise_if_any()
    examples = [_example(name, item, settings.setting) for name, item in items.items()]
    return replace(
        _divided(examples, settings, base_dir, path),
        places={name: f"{path}:{number}" for number, name in enumerate(items, 1)},
        target_name=TARGET,
    )


def _divided(
    examples: list[Example], settings: PubmedqaSettings, base_dir: Path, path: Path
) -> Splits:
    """The examples under a protocol, or in folds."""
    if settings.split is not None:
        folds = Folds(examples, settings.split)
        parts = folds.parts(0)
        train, validation = parts["train"], parts.get("validation", [])
        notes = [*folds.notes(), *_shown(settings)]
        return Splits(train, validation, parts["test"], notes=notes, files=[path], folds=folds)
    if settings.protocol == "drllama":
        three, files = _by_order(examples, settings.sizes, path), [path]
    else:
        ids = _test_ids(settings, base_dir, path)
        published = _published(ids, examples, path)
        three, files = _by_ids(examples, published, settings.sizes, path), [path, ids]
    return Splits(*three, notes=_notes(settings, len(examples)), files=files)


def _items(path: Path) -> Mapping[str, Any]:
    items = read_json(path)
    if not isinstance(items, dict) or not items:
        raise DataError(
            "a file is not PubMedQA",
            where=str(path),
            found=f"{type(items).__name__}: {short(items)}",
            expected="one JSON object of id to item, as in the publisher's ori_pqal.json",
        )
    return items


def _check(item: object, where: str, problems: Problems) -> None:
    """Add what keeps an item from becoming an example."""
    if not isinstance(item, dict):
        problems.add("an item is not an object", where=where, found=short(item))
        return
    for key in ("QUESTION", "LONG_ANSWER", TARGET):
        if not isinstance(item.get(key), str) or not item[key].strip():
            problems.add(
                f"an example without {key}",
                where=f"{where}, {key}",
                found=short(item[key]) if key in item else f"keys {listed(item)}",
                expected="text",
            )
    contexts = item.get("CONTEXTS")
    texts = contexts if isinstance(contexts, list) else []
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        problems.add(
            "an example without context",
            where=f"{where}, CONTEXTS",
            found=short(contexts),
            expected="a list of texts, none of them empty",
        )
    meshes = item.get("MESHES") or []
    if not isinstance(meshes, list) or not all(isinstance(name, str) for name in meshes):
        problems.add(
            "headings that are no list of texts",
            where=f"{where}, MESHES",
            found=short(meshes),
            expected="a list of texts",
        )


def _example(name: str, item: Mapping[str, Any], setting: str) -> Example:
    inputs = {"question": item["QUESTION"], "context": "\n".join(item["CONTEXTS"])}
    extra = {"long_answer": item["LONG_ANSWER"]}
    if setting == "reasoning_free":
        inputs, extra = inputs | extra, {}
    for key in ("reasoning_required_pred", "reasoning_free_pred", "YEAR"):
        if item.get(key) is not None:
            extra[key.lower()] = text_of(item[key])
    if item.get("MESHES"):
        extra["meshes"] = "; ".join(item["MESHES"])
    return Example(name, inputs, item[TARGET].strip(), extra=extra)


Three = tuple[list[Example], list[Example], list[Example]]


def _by_order(examples: list[Example], sizes: tuple[int, int], path: Path) -> Three:
    """Dr. LLaMA's split: the file from top to bottom."""
    train, held = sizes[0], sum(sizes)
    least = held + (50 if sizes == PUBLISHED_SIZES else 1)
    if len(examples) < least:
        raise _too_few(path, f"{len(examples)} rows", f"at least {least}")
    return examples[:train], examples[train:held], examples[held:]


def _by_ids(
    examples: list[Example], published: set[str], sizes: tuple[int, int], path: Path
) -> Three:
    """The publisher's test; validation drawn by label, seed 0, from the rest."""
    test = [example for example in examples if example.id in published]
    rest = [example for example in examples if example.id not in published]
    if len(rest) != sum(sizes):
        raise _too_few(path, f"{len(rest)} rows that are not test", f"{sum(sizes)}")
    validation = sample_in_proportion(rest, sizes[1], "pubmedqa official:0")
    held = {example.id for example in validation}
    return [example for example in rest if example.id not in held], validation, test


def _too_few(path: Path, found: str, expected: str) -> DataError:
    return DataError(
        "a file has another number of rows than the protocol needs",
        where=str(path),
        found=found,
        expected=expected,
        fix="use the publisher's whole file, or set `sizes: [train, validation]`",
    )


def _test_ids(settings: PubmedqaSettings, base_dir: Path, path: Path) -> Path:
    if settings.test_ids is not None:
        return locate(settings.test_ids, base_dir)
    beside = path.parent / TEST_IDS
    if beside.is_file():
        return beside
    raise DataError(
        "the official test ids are missing",
        where=str(beside),
        expected=f"the publisher's {TEST_IDS} beside {path.name}",
        fix="fetch it, or set data.test_ids to where it is; or use `protocol: drllama`",
    )


def _published(ids: Path, examples: Sequence[Example], path: Path) -> set[str]:
    """The published test ids, held against the data."""
    published = read_json(ids)
    if not isinstance(published, dict | list) or not published:
        raise DataError(
            "a file of test ids is of another kind",
            where=str(ids),
            found=short(published),
            expected="a JSON object of id to answer, or a list of ids",
        )
    targets = {example.id: example.target for example in examples}
    problems = Problems(ids.name)
    for name in published:
        answer = published[name] if isinstance(published, dict) else targets.get(name)
        if name not in targets:
            problems.add("a test id that the data lacks", where=str(ids), found=name)
        elif answer != targets[name]:
            problems.add(
                "the two files disagree on an answer",
                where=f"{ids}, id {name}",
                found=short(answer),
                expected=f"{short(targets[name])}, as in {path.name}",
            )
    problems.raise_if_any()
    return set(published)


def _notes(settings: PubmedqaSettings, rows: int) -> list[str]:
    notes = [*([_NOTES[settings.protocol]] if settings.protocol else []), *_shown(settings)]
    if rows != PUBLISHED_ROWS or settings.sizes != PUBLISHED_SIZES:
        sizes = " and ".join(map(str, settings.sizes))
        notes.append(f"Not the published split: {rows} rows, of which {sizes} train, validation.")
    return notes


def _shown(settings: PubmedqaSettings) -> list[str]:
    if settings.setting == "reasoning_free":
        return ["Reasoning-free setting: the conclusion (long_answer) is shown as an input."]
    return []
