"""What a paper's table or figure is: its rows and numbers, and what of a run belongs in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Trained:
    """A student that was trained on an arm.

    Attributes:
        student: its name in the study.
        arm: the arm's name in the study.
        setting: the one value of a grid that the row is about (``{"alpha": 32}``); empty for the
            value that validation chose.
    """

    student: str
    arm: str
    setting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A teacher's own answers on the test set, with so many solved examples in the prompt."""

    teacher: str
    shots: int


@dataclass(frozen=True, slots=True)
class Person:
    """A person's answers on the test set."""


Source = Trained | Asked | Person


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of numbers.

    Attributes:
        name: what it is called in ``results.json``.
        title: its heading, the paper's own where the paper has it.
        decimals: as many as the paper prints.
        printed: whether the paper has such a column.
    """

    name: str
    title: str
    decimals: int
    printed: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the paper.

    Attributes:
        heads: what stands at its left, one text for each of the exhibit's heads.
        source: what of a run belongs there.
        numbers: the paper's own, one for each printed measure, None where it prints NA; empty
            where the text at hand gives none.
    """

    heads: tuple[str, ...]
    source: Source
    numbers: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that the paper names.

    Attributes:
        key: where the study file has it; ``*`` stands for every student that the exhibit shows.
        value: as the paper has it; None where the study is to leave the key out.
        words: the paper's setting in words, where the value alone does not tell it.
        default: what an absent key means.
    """

    key: str
    value: Any
    words: str = ""
    default: Any = None


Drawing = Literal["", "beside", "settings", "human", "made", "arms"]
"""How an exhibit is drawn: nothing; every row's number beside the paper's; scores over a grid's
values, over human rows, over made rows; every arm's score."""


@dataclass(frozen=True, slots=True)
class Form:
    """Another study that makes an exhibit, with its own names and perhaps on another task.

    Attributes:
        names: its names for those of the exhibit's study (``{"minilm": "classifier"}``).
        measures: the columns of its task; empty for the exhibit's own.
    """

    names: Mapping[str, str]
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A table or a figure of a paper.

    Attributes:
        name: ``PAPER.table3``, as ``--paper`` takes it.
        title: what it shows.
        source: where it stands.
        study: the file that makes it, below the repository.
        heads: headings of what stands at the left of a row.
        measures: the columns of numbers.
        rows: in the paper's order.
        readings: how students' predictions may come about, the paper's own way first.
        weights: the paper's models by the study's name of a student.
        teachers: the paper's large models by the study's name of a teacher.
        settings: those that the paper names.
        drawing: how it is drawn.
        amounts: whether it tells how many rows an arm has, which the run decides.
        by_test: whether the paper's numbers are the best of several settings by the test set.
        notes: what must be known to read it.
        also: studies that make it in another form, by their name.
    """

    name: str
    title: str
    source: str
    study: str
    heads: tuple[str, ...]
    measures: tuple[Measure, ...]
    rows: tuple[Row, ...]
    readings: tuple[str, ...]
    weights: Mapping[str, str] = field(default_factory=dict)
    teachers: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    drawing: Drawing = ""
    amounts: bool = False
    by_test: bool = False
    notes: tuple[str, ...] = ()
    also: Mapping[str, Form] = field(default_factory=dict)

    @property
    def students(self) -> list[str]:
        """The students of its rows, in their order, as the study names them."""
        return list(dict.fromkeys(one.student for one in self._trained()))

    @property
    def arms(self) -> list[str]:
        """The arms of its rows, in their order, as the study names them."""
        return list(dict.fromkeys(one.arm for one in self._trained()))

    @property
    def has_numbers(self) -> bool:
        """Whether the text at hand gives any of its numbers."""
        return any(row.numbers for row in self.rows)

    def _trained(self) -> Iterator[Trained]:
        return (row.source for row in self.rows if isinstance(row.source, Trained))
