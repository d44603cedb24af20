"""Readers: one file per format, its settings a typed class there.

Every reader module has a settings class (a :class:`~preceptor.data.splits.DataSettings` with
``reader: Literal[...]``) and ``read(settings, base_dir, targets) -> Splits``, where ``base_dir``
is the study file's folder and ``targets`` says whether the task's targets are labels or texts; a
reader that can only have the other kind refuses. Adding a reader is one new file and a line in
each of the two below.
"""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

from pydantic import Field

from preceptor.data.readers import hub, medquad, pubmedqa, sgd, table, webnlg

READERS: dict[str, ModuleType] = {
    "pubmedqa": pubmedqa,
    "medquad": medquad,
    "webnlg": webnlg,
    "sgd": sgd,
    "table": table,
    "hub": hub,
}
ReaderSettings = Annotated[
    pubmedqa.PubmedqaSettings
    | medquad.MedquadSettings
    | webnlg.WebnlgSettings
    | sgd.SgdSettings
    | table.TableSettings
    | hub.HubSettings,
    Field(discriminator="reader"),
]
