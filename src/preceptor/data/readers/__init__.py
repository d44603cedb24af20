"""Readers: one file per format, its settings a typed class there.

Every reader module has a settings class (a :class:`~preceptor.data.splits.DataSettings` with
``reader: Literal[...]``) and ``read(settings, base_dir) -> Splits``, where ``base_dir`` is the
study file's folder. Adding a reader is one new file and a line in each of the two below.
"""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

from pydantic import Field

from preceptor.data.readers import hub, pubmedqa, table

READERS: dict[str, ModuleType] = {"pubmedqa": pubmedqa, "table": table, "hub": hub}
ReaderSettings = Annotated[
    pubmedqa.PubmedqaSettings | table.TableSettings | hub.HubSettings,
    Field(discriminator="reader"),
]
