"""What a made example must survive: one file per filter, each with typed settings.

Adding a filter is one new file, one field of :class:`CurationSettings` and one line in
``filters``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from preceptor.curate.contamination import ContaminationFilter, ContaminationSettings
from preceptor.curate.duplicates import DuplicatesFilter, DuplicatesSettings
from preceptor.curate.filter import Filter
from preceptor.curate.meta import MetaFilter, MetaSettings
from preceptor.data.candidate import Candidate
from preceptor.data.example import Example
from preceptor.settings import Settings


class CurationSettings(Settings):
    """Which filters a made example must pass; all are on unless set to `false`."""

    meta: MetaSettings | Literal[False] = MetaSettings()
    duplicates: DuplicatesSettings | Literal[False] = DuplicatesSettings()
    contamination: ContaminationSettings | Literal[False] = ContaminationSettings()


def filters(
    settings: CurationSettings, human: Sequence[Example], held_out: Sequence[Example]
) -> list[Filter]:
    """The filters of one arm and seed, in the order in which they judge."""
    chosen: list[Filter] = []
    if settings.meta:
        chosen.append(MetaFilter(settings.meta, human))
    if settings.duplicates:
        chosen.append(DuplicatesFilter(settings.duplicates, human))
    if settings.contamination:
        chosen.append(ContaminationFilter(settings.contamination, human, held_out))
    return chosen


def curate(candidate: Candidate, chosen: Sequence[Filter]) -> Candidate:
    """The candidate with the verdict of the first filter that objects; others never see it."""
    if candidate.rejection is not None:
        return candidate
    for one in chosen:
        rejection = one.judge(candidate.example)
        if rejection is not None:
            return candidate.reject(rejection)
    for one in chosen:
        one.keep(candidate.example)
    return candidate
