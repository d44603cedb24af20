"""What parts are made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from preceptor.study.file import load_study
from preceptor.study.plan import Plan

from .conftest import STUDY, rows


def made_from(folder: Path, *overrides: str) -> dict[str, object]:
    study = load_study(folder / "study.yaml", overrides)
    return Plan(study, folder, folder / "run").data_part.made_from


def test_a_project_that_moves_keeps_its_parts(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "data").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows())
    (here / "data" / "rows.jsonl").write_text(lines)
    (tmp_path / "rows.jsonl").write_text(lines)
    (here / "study.yaml").write_text(STUDY.format(url="http://127.0.0.1:9/v1"))
    shutil.copytree(here, there)
    for path in ("data/rows.jsonl", "../rows.jsonl"):
        before, after = (made_from(folder, f"data.path={path}") for folder in (here, there))
        assert before == after
        assert list(before["files"]) == [path.removeprefix("../")]  # type: ignore[call-overload]
