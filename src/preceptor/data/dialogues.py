"""The folders of Schema-Guided Dialogue: dialogues, and the schema that they are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from preceptor.data.acts import Act
from preceptor.data.files import json_of, read_bytes
from preceptor.data.grouped import Item, Text, files_of, members_at, typed
from preceptor.data.members import Member, is_archive
from preceptor.data.problems import Problems, did_you_mean, listed, short
from preceptor.errors import DataError

SCHEMA = "schema.json"
_ALWAYS = ("intent", "count")
"""slots that every service has without its schema's saying so (OFFER_INTENT, INFORM_COUNT)"""


class Frame(Item):
    """What a turn does with one service."""

    service: Text
    actions: list[Act] = Field([])


class Turn(Item):
    """What one side says, and what it does."""

    speaker: Literal["USER", "SYSTEM"]
    utterance: str
    frames: list[Frame]

    def acts(self) -> list[Act]:
        """The acts of all frames."""
        return [act for frame in self.frames for act in frame.actions]


class Dialogue(Item):
    """A dialogue between a user and a system."""

    dialogue_id: Text
    turns: list[Turn]


class _Slot(Item):
    name: Text


class _Service(Item):
    service_name: Text
    slots: list[_Slot]


class _Schema(Item):
    services: Annotated[list[_Service], Field(min_length=1)]


@dataclass(frozen=True)
class Folder:
    """The dialogues of one folder.

    Attributes:
        dialogues: their files.
        schema: where the schema lies.
        slots: the slots of every service of the schema.
        files: what was read, for the fingerprint.
    """

    dialogues: Sequence[Member]
    schema: str
    slots: Mapping[str, frozenset[str]]
    files: Sequence[Path]

    def knows(self, frame: Frame, place: str, problems: Problems) -> bool:
        """Whether the schema has a frame's service and slots; adds what it lacks."""
        slots = self.slots.get(frame.service)
        if slots is None:
            self._lacks("service", frame.service, self.slots, place, problems)
            return False
        named = dict.fromkeys(act.slot for act in frame.actions if act.slot)
        missing = [slot for slot in named if slot not in slots and slot not in _ALWAYS]
        for slot in missing:
            self._lacks(f"slot of {frame.service}", slot, slots, place, problems)
        return not missing

    def _lacks(
        self,
        what: str,
        name: str,
        known: Mapping[str, object] | frozenset[str],
        place: str,
        problems: Problems,
    ) -> None:
        problems.add(
            f"a {what} that the schema lacks",
            where=place,
            found=short(name),
            expected=f"one of {self.schema}: {listed(sorted(known))}",
            fix=did_you_mean(name, sorted(known))
            or f"use the {SCHEMA} that these dialogues came with",
        )


def folder_at(path: Path, problems: Problems) -> Folder:
    """The dialogues at a path, and their schema.

    Args:
        path: a folder or an archive with ``dialogues_*.json`` and ``schema.json``, or one file
            of dialogues beside its schema.
        problems: what is wrong with the schema.

    Raises:
        DataError: no dialogues, those of several folders, or no readable schema beside them.
    """
    members = _members(path)
    dialogues = [one for one in members if _file(one).startswith("dialogues")]
    folders = sorted({str(PurePosixPath(one.place).parent) for one in dialogues})
    if len(folders) != 1:
        raise DataError(
            "dialogues of several folders" if folders else "a folder without dialogues",
            where=str(path),
            found=listed(folders) or listed(_file(one) for one in members),
            expected="one folder with dialogues_*.json",
            fix="name the folders apart, under data.files" if folders else None,
        )
    beside = f"{folders[0]}/{SCHEMA}"
    schema = next((one for one in members if _place(one) == beside), None)
    if schema is None:
        raise DataError(
            "dialogues without their schema",
            where=folders[0],
            found=f"{len(dialogues)} files of dialogues, no {SCHEMA}",
            expected=beside,
            fix="put the schema that came with them into this folder",
        )
    slots = _slots(schema, problems)
    # Against a schema that is none, every act of every dialogue would be wrong.
    known = dialogues if slots is not None else []
    return Folder(known, beside, slots or {}, files_of(path, [*dialogues, schema]))


def _members(path: Path) -> list[Member]:
    members = members_at(path, ".json")
    if path.is_dir() or is_archive(path):
        return members
    schema = path.with_name(SCHEMA)
    if schema.is_file() and schema != path:
        members.append(Member(f"{path.parent.name}/schema", str(schema), read_bytes(schema)))
    return members


def _file(member: Member) -> str:
    return PurePosixPath(member.place).name


def _place(member: Member) -> str:
    return str(PurePosixPath(member.place))


def _slots(member: Member, problems: Problems) -> dict[str, frozenset[str]] | None:
    value = {"services": json_of(member.data, member.place)}
    schema = typed(value, _Schema, member.place, problems)
    if schema is None:
        return None
    return {one.service_name: frozenset(slot.name for slot in one.slots) for one in schema.services}
