"""Schema-Guided Dialogue (Rastogi et al., 2020): what a system does, as acts, to what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from preceptor.data.acts import Act, check_acts, linearised
from preceptor.data.columns import Columns
from preceptor.data.dialogues import Dialogue, Folder, Frame, folder_at
from preceptor.data.example import Targets
from preceptor.data.files import json_of
from preceptor.data.grouped import (
    GROUP,
    Found,
    GroupedSettings,
    Item,
    Text,
    is_jsonl,
    lines_of,
    read_grouped,
    refuse_labels,
    row_of,
    typed,
)
from preceptor.data.members import Member
from preceptor.data.problems import Dropped, short
from preceptor.data.rows import Row
from preceptor.data.splits import Splits
from preceptor.errors import DataError

COLUMNS = Columns(
    id="id",
    target="target",
    inputs={"acts": "input", "prompt": "prompt", "service": "service"},
    references=("references",),
    extra=("dialogue_id", "seen_service"),
)


class SgdSettings(GroupedSettings):
    """Schema-Guided Dialogue's JSON (a folder, .zip or .tar.gz with dialogues_*.json and their
    schema.json, or one of these files beside its schema) or JSONL (.gz).

    Without `files`, the turns of one dialogue are one group."""

    reader: Literal["sgd"]

    @property
    def columns(self) -> Columns:
        """Which key of a JSONL line is what."""
        return COLUMNS


def read(settings: SgdSettings, base_dir: Path, targets: Targets = "text") -> Splits:
    """Read Schema-Guided Dialogue: every turn of the system that has acts.

    Inputs: ``acts``, written as :func:`preceptor.data.acts.linearised` says, such as
    ``offer( city = Paris ), inform_count( count = 3 ), request( date ), notify_success``;
    ``prompt``, what the user said before; ``service``, as the schema calls it.

    Target: what the system says. References: the same, and the further ones that a JSONL line
    has. A JSONL line has ``id``, ``acts`` (a list of act, slot and values), ``prompt``,
    ``references`` and ``service``; ``input`` and ``target`` may repeat the line of acts and the
    first reference. Where one path is divided it needs ``dialogue_id`` too.

    Args:
        settings: the study's ``data``.
        base_dir: the study file's folder.
        targets: what the task's targets are; here they are texts.

    Raises:
        DataError: a task of labels, a file that is missing or cannot be read, or all that is
            wrong with the dialogues: an act that is none or lacks its slot, a service or slot
            that the schema lacks, a missing key or one of another kind.
    """
    if targets == "label":
        raise refuse_labels("Schema-Guided Dialogue")

    def collect(path: Path, found: Found) -> None:
        if is_jsonl(path):
            found.files.append(path)
            found.rows += _lines(path, found)
            return
        folder = folder_at(path, found.problems)
        found.files += folder.files
        for member in folder.dialogues:
            with found.problems.gather():
                found.rows += _rows_of(member, folder, found)

    return read_grouped(settings, base_dir, COLUMNS, collect)


class _Bare(Item):
    """A line of the unlabelled part."""

    id: Text
    acts: Annotated[list[Act], Field(min_length=1)]
    prompt: str
    service: Text


class _Line(_Bare):
    references: Annotated[list[Text], Field(min_length=1)]


class _Grouped(_Line):
    dialogue_id: Text


def _lines(path: Path, found: Found) -> Iterator[Row]:
    labelled = _Grouped if found.is_divided else _Line
    kind = _Bare if found.part == "unlabelled" else labelled
    for row, line in lines_of(path, kind, found.problems):
        if check_acts(line.acts, f"{row.place}, acts", found.problems):
            texts = line.references if isinstance(line, _Line) else []
            own = {
                "id": line.id,
                "prompt": line.prompt,
                "service": line.service,
                GROUP: str(row.values.get("dialogue_id", line.id)),
            }
            yield row_of(
                row, linearised(line.acts), texts, own, columns=COLUMNS, problems=found.problems
            )


def _rows_of(member: Member, folder: Folder, found: Found) -> Iterator[Row]:
    items = json_of(member.data, member.place)
    if not isinstance(items, list) or not items:
        raise DataError(
            "a file has no dialogues",
            where=member.place,
            found=short(items),
            expected="a list of dialogues",
        )
    for number, item in enumerate(items, 1):
        name = item.get("dialogue_id", "?") if isinstance(item, dict) else "?"
        place = f"{member.place}, dialogue {number} (id {name})"
        dialogue = typed(item, Dialogue, place, found.problems)
        if dialogue is not None:
            yield from _turns(dialogue, place, folder, found)


def _turns(dialogue: Dialogue, place: str, folder: Folder, found: Found) -> Iterator[Row]:
    prompt = ""
    for number, turn in enumerate(dialogue.turns):
        where = f"{place}, turn {number}"
        if turn.speaker == "USER":
            prompt = turn.utterance
        elif not turn.acts():
            found.dropped.append(Dropped(where, "a turn of the system without acts"))
        elif _is_sound(turn.frames, where, folder, found):
            values = {
                "id": found.id(f"{dialogue.dialogue_id}:{number}"),
                "input": linearised(turn.acts()),
                "prompt": prompt,
                "service": ", ".join(frame.service for frame in turn.frames),
                "target": turn.utterance,
                "references": [turn.utterance],
                "dialogue_id": dialogue.dialogue_id,
                GROUP: dialogue.dialogue_id,
            }
            yield Row(number, where, values)


def _is_sound(frames: Sequence[Frame], where: str, folder: Folder, found: Found) -> bool:
    """Whether all acts are acts, of services and slots that the schema has."""
    sound = [
        check_acts(frame.actions, where, found.problems)
        and folder.knows(frame, where, found.problems)
        for frame in frames
    ]
    return all(sound)
