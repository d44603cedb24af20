"""What a made example must survive: one file per filter, each with typed settings.

Every filter module has a settings class and ``make(settings, material)``, which gives a
:class:`preceptor.curate.filter.Filter`; one that judges a row at a time is a
:class:`preceptor.curate.filter.RowFilter` and writes one method. One that cannot judge every arm
has ``unfit(task, operation)``, which says why. Adding a filter is one new file, one field of
:class:`CurationSettings` and one line in ``FILTERS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from preceptor.curate import (
    balance,
    contamination,
    duplicates,
    facts,
    judge,
    labels,
    language,
    length,
    meaning,
    meta,
    near,
    semantic,
    slots,
    unchanged,
)
from preceptor.curate.balance import BalanceSettings
from preceptor.curate.contamination import ContaminationSettings
from preceptor.curate.decisions import PERSON, Decision, decided
from preceptor.curate.duplicates import DuplicatesSettings
from preceptor.curate.facts import FactsSettings
from preceptor.curate.filter import Filter, Material
from preceptor.curate.judge import JudgeSettings
from preceptor.curate.labels import LabelsSettings
from preceptor.curate.language import LanguageSettings
from preceptor.curate.length import LengthSettings
from preceptor.curate.meaning import MeaningSettings
from preceptor.curate.meta import MetaSettings
from preceptor.curate.near import NearSettings
from preceptor.curate.semantic import SemanticSettings
from preceptor.curate.slots import SlotsSettings
from preceptor.curate.unchanged import UnchangedSettings
from preceptor.data.candidate import Candidate
from preceptor.settings import Settings
from preceptor.tasks import AnyTask

FILTERS: dict[str, ModuleType] = {
    "meta": meta,
    "unchanged": unchanged,
    "duplicates": duplicates,
    "facts": facts,
    "slots": slots,
    "near": near,
    "contamination": contamination,
    "length": length,
    "language": language,
    "semantic": semantic,
    "meaning": meaning,
    "labels": labels,
    "judge": judge,
    "balance": balance,
}
"""in the order in which they judge: what costs little first, what needs the final say last"""


class CurationSettings(Settings):
    """Which filters a made example must pass, each by its settings, or `false` for none."""

    meta: MetaSettings | Literal[False] = MetaSettings()
    unchanged: UnchangedSettings | Literal[False] = UnchangedSettings()
    duplicates: DuplicatesSettings | Literal[False] = DuplicatesSettings()
    facts: FactsSettings | Literal[False] = FactsSettings()
    slots: SlotsSettings | Literal[False] = False
    near: NearSettings | Literal[False] = NearSettings()
    contamination: ContaminationSettings | Literal[False] = ContaminationSettings()
    length: LengthSettings | Literal[False] = False
    language: LanguageSettings | Literal[False] = False
    semantic: SemanticSettings | Literal[False] = False
    meaning: MeaningSettings | Literal[False] = False
    labels: LabelsSettings | Literal[False] = False
    judge: JudgeSettings | Literal[False] = False
    balance: BalanceSettings | Literal[False] = BalanceSettings()
    decisions: str | None = None
    """a CSV file with a person's decisions about made examples (columns id, decision, label),
    relative to the study file. They win over every filter: `accept` keeps, `reject` rejects,
    `relabel` keeps under another label"""


def identity_of(settings: CurationSettings, base_dir: Path) -> dict[str, Any]:
    """What filters judge by beside their settings: encoders, prompts. JSON values.

    Raises:
        WeightsError: an encoder is not there.
    """
    chosen = {name: getattr(settings, name) for name in FILTERS}
    return {
        name: FILTERS[name].identity(one, base_dir)
        for name, one in chosen.items()
        if one is not False and hasattr(FILTERS[name], "identity")
    }


def unfit(name: str, task: AnyTask, operation: str) -> str:
    """Why a filter cannot judge the rows that a teacher makes so; empty where it can."""
    told: str = getattr(FILTERS[name], "unfit", lambda *_: "")(task, operation)
    return told


def filters(settings: CurationSettings, material: Material) -> dict[str, Filter]:
    """The filters of one arm and seed by name, in the order in which they judge.

    Those that cannot judge such rows are left out.
    """
    chosen = {name: getattr(settings, name) for name in FILTERS}
    return {
        name: FILTERS[name].make(one, material)
        for name, one in chosen.items()
        if one is not False and not unfit(name, material.task, material.operation)
    }


def left_out(settings: CurationSettings, task: AnyTask, operation: str) -> dict[str, str]:
    """Filters that a study asks for and that cannot judge an arm, each with the reason.

    Those that are on by default, and that the study does not name, are passed over.
    """
    asked = [name for name in FILTERS if name in settings.model_fields_set]
    return {
        name: why
        for name in asked
        if getattr(settings, name) is not False and (why := unfit(name, task, operation))
    }


def curate(
    candidates: Sequence[Candidate],
    chosen: dict[str, Filter],
    decisions: Mapping[str, Decision] | None = None,
) -> list[Candidate]:
    """The candidates of one round, each with the verdict of the first filter that objects.

    Filters judge one after the other, each all that is left of the round: a filter that embeds
    texts or asks a teacher does so once a round, and only for what the others let pass. What a
    person accepted goes through all of them, so that they know it, and none can reject it; what a
    person rejected goes through those that measure (have ``figures``), to be held against it.

    Raises:
        DataError: a decision does not fit what was made.
    """
    judged = [decided(one, (decisions or {}).get(one.example.id)) for one in candidates]
    for name, one in chosen.items():
        left = [place for place, candidate in enumerate(judged) if _meets(candidate, one)]
        verdicts = one.judge([judged[place].example for place in left]) if left else []
        for place, rejection in zip(left, verdicts, strict=True):
            if rejection is not None and not judged[place].decision:
                judged[place] = judged[place].reject(replace(rejection, filter=name))
    return [
        replace(one, figures={**one.figures, **_figures(one.example.id, chosen)}) for one in judged
    ]


def _meets(candidate: Candidate, one: Filter) -> bool:
    rejection = candidate.rejection
    return rejection is None or (rejection.filter == PERSON and hasattr(one, "figures"))


def _figures(id: str, chosen: dict[str, Filter]) -> dict[str, float]:
    """What filters measured of an example, whatever their verdict."""
    measured = (getattr(one, "figures", {}).get(id, {}) for one in chosen.values())
    return {name: value for figures in measured for name, value in figures.items()}
