"""Where models and data come from, as ``results.json`` has it; empty in runs of older versions."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Licence(BaseModel, frozen=True):
    """A licence, and who says so or where it was looked for."""

    name: str | None = None
    told_by: str = ""


class Base(BaseModel, frozen=True):
    """A model as it was before this study."""

    weights: str = ""
    """as the study names them; of a path its last part"""
    hub: str | None = None
    """what the Hugging Face hub calls them, where that is known"""
    licence: Licence = Licence()


class Student(Base, frozen=True):
    """What a student was made from, and how it was trained."""

    fit: dict[str, Any] = {}
    distilled_from: str | None = None
    """the teacher whose probabilities of tokens it learnt, beside those that arms ask"""


class Made(BaseModel, frozen=True):
    """How an arm's rows were made."""

    teachers: list[str] = []
    settings: dict[str, Any] = {}
    """what the study says of the arm"""


class Trained(BaseModel, frozen=True):
    """How a cell was trained."""

    draw_seed: int | None = None
    method: dict[str, Any] = {}
    """all settings of the method, the grid's among them"""


class Data(BaseModel, frozen=True):
    """The human examples."""

    source: str | None = None
    licence: Licence = Licence()


class Provenance(BaseModel, frozen=True):
    """Origins, licences, and settings that nothing else in the results tells."""

    language: list[str] = []
    data: Data = Data()
    students: dict[str, Student] = {}
    teachers: dict[str, Base] = {}
    arms: dict[str, Made] = {}
    cells: dict[str, Trained] = {}
