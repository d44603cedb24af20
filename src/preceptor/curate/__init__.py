"""What a made example must survive: one file per filter, each with typed settings.

Every filter module has a settings class and ``make(settings, material)``, which gives a
:class:`preceptor.curate.filter.Filter`. Adding a filter is one new file, one field of
:class:`CurationSettings` and one line in ``FILTERS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Literal

from preceptor.curate import contamination, duplicates, meta
from preceptor.curate.contamination import ContaminationSettings
from preceptor.curate.duplicates import DuplicatesSettings
from preceptor.curate.filter import Filter, Material
from preceptor.curate.meta import MetaSettings
from preceptor.data.candidate import Candidate
from preceptor.settings import Settings

FILTERS: dict[str, ModuleType] = {
    "meta": meta,
    "duplicates": duplicates,
    "contamination": contamination,
}
"""in the order in which they judge: what costs little first, what needs the final say last"""


class CurationSettings(Settings):
    """Which filters a made example must pass, each by its settings, or `false` for none."""

    meta: MetaSettings | Literal[False] = MetaSettings()
    duplicates: DuplicatesSettings | Literal[False] = DuplicatesSettings()
    contamination: ContaminationSettings | Literal[False] = ContaminationSettings()


def filters(settings: CurationSettings, material: Material) -> dict[str, Filter]:
    """The filters of one arm and seed by name, in the order in which they judge."""
    chosen = {name: getattr(settings, name) for name in FILTERS}
    return {
        name: FILTERS[name].make(one, material) for name, one in chosen.items() if one is not False
    }


def curate(candidates: Sequence[Candidate], chosen: dict[str, Filter]) -> list[Candidate]:
    """The candidates of one round, each with the verdict of the first filter that objects.

    Filters judge one after the other, each all that is left of the round: a filter that embeds
    texts or asks a teacher does so once a round, and only for what the others let pass.
    """
    judged = list(candidates)
    for name, one in chosen.items():
        left = [place for place, candidate in enumerate(judged) if candidate.rejection is None]
        verdicts = one.judge([judged[place].example for place in left]) if left else []
        for place, rejection in zip(left, verdicts, strict=True):
            if rejection is not None:
                judged[place] = judged[place].reject(replace(rejection, filter=name))
    return judged
