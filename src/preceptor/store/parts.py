"""A part of a run: a folder that knows what it was made from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.store.atomic import new_folder, write_json
from preceptor.store.fingerprint import changes, fingerprint

_RECORD = "part.json"
_MADE = "made.json"


@dataclass(frozen=True)
class Part:
    """A folder of the run and the ingredients that it must have been made from.

    Attributes:
        folder: where the part lies.
        made_from: everything that determines the part, as JSON values.
    """

    folder: Path
    made_from: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The hash of the ingredients; parts below take it as one of theirs."""
        return fingerprint(self.made_from)

    def exists(self) -> bool:
        """Whether the part is on disk, finished, and made from these very ingredients."""
        return (self.folder / _RECORD).is_file() and not self.differences()

    def differences(self) -> list[str]:
        """What the part on disk was made from otherwise; empty if it is the same or absent."""
        record = self.folder / _RECORD
        if not record.is_file():
            return []
        return list(changes(json.loads(record.read_text("utf-8")), self.made_from))

    def make(self, fill: Callable[[Path], None], again: bool = False) -> Path:
        """Fill the folder unless it is there already (or has to be made again); return it.

        The folder appears with its record in one rename, so a part is whole or absent.
        """
        if again or not self.exists():
            started = time.monotonic()
            with new_folder(self.folder) as draft:
                fill(draft)
                write_json(draft / _MADE, {"seconds": time.monotonic() - started})
                write_json(draft / _RECORD, self.made_from)
        return self.folder

    @property
    def seconds(self) -> float:
        """How long it took to make, whichever run made it; 0 while it is not there."""
        made = self.folder / _MADE
        return float(json.loads(made.read_text("utf-8"))["seconds"]) if made.is_file() else 0.0
