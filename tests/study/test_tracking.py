"""Cells told to trackers, and the cards of a run that has a teacher."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard, ModelCard

from preceptor.errors import SpecError
from preceptor.study.file import load_study, parse_study
from preceptor.study.plan import Plan
from preceptor.study.provenance import provenance
from preceptor.study.spec import Study

from .conftest import STUDY, Cli, Place, rows

SMALL = (
    "students={bert: {kind: encoder, weights: bert, method: {name: full, learning_rate: 1.0e-3}}}",
    "students.bert.fit={batch_rows: 4, max_length: 100, validate_every: 2}",
    "students.bert.arms=[none, rewrite]",
    "baselines.teacher=[]",
    "seeds=1",
    "keep=all",
)
SETS = [word for override in SMALL for word in ("--set", override)]
TRACKED = ("--set", "trackers=[tensorboard]")
CARD = (
    "card={data_licence: cc0-1.0, data_source: invented, language: en, licences: {echo: its terms}}"
)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard would draw of one cell."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags: list[str] = events.Tags()["scalars"]
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in tags}


def hyperparameters(folder: Path) -> dict[str, Any]:
    import yaml

    (file,) = folder.glob("*/hparams.yml")
    found: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return found


def event_files(run: Path) -> dict[str, int]:
    files = run.glob("trackers/tensorboard/**/events*")
    return {str(path.relative_to(run)): path.stat().st_mtime_ns for path in files}


def test_a_run_tells_its_cells_once_and_has_cards(
    place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = place.folder / "run"
    assert cli("run", place.study, "--out", "run", *SETS) == 0
    assert not (run / "trackers").exists(), "off unless named"
    made = {path: path.stat().st_mtime_ns for path in run.glob("cells/**/*.json")}
    assert cli("run", place.study, "--out", "run", *SETS, *TRACKED, "--set", CARD) == 0
    again = {path: path.stat().st_mtime_ns for path in run.glob("cells/**/*.json")}
    assert again == made, "neither trackers nor cards make a cell stale"
    _told_to_tensorboard(run)
    before = event_files(run)
    assert cli("run", place.study, "--out", "run", *SETS, *TRACKED, "--set", CARD) == 0
    assert event_files(run) == before, "a run that is continued tells nothing twice"
    _cards(place, run)
    _exported(place, cli, monkeypatch)
    capsys.readouterr()
    for card in run.rglob("README.md"):
        card.unlink()
    assert cli("report", "run") == 0
    _cards(place, run)


def _told_to_tensorboard(run: Path) -> None:
    ids = [cell["id"] for cell in json.loads((run / "results.json").read_text())["cells"]]
    assert len(ids) == 2
    for cell in ids:
        folder = run / "cells" / cell
        history = json.loads((folder / "history.json").read_text())
        result = json.loads((folder / "result.json").read_text())
        found = scalars(run / "trackers/tensorboard" / cell)
        losses = [(step["update"], pytest.approx(step["loss"])) for step in history]
        assert found["train/loss"] == losses
        assert [step for step, _ in found["train/learning_rate"]] == [1, 2, 3]
        looks = [(look["update"], pytest.approx(look["value"])) for look in result["looks"]]
        assert found["validation/log_loss"] == looks
        score = result["splits"]["test"]["classifier"]["macro_f1"]
        assert found["test/classifier/macro_f1"] == [(3, pytest.approx(score))]
        told = hyperparameters(run / "trackers/tensorboard" / cell)
        assert (told["cell"], told["arm"], told["seed"]) == (cell, cell.split("/")[2], 0)
        assert told["method.learning_rate"] == 1e-3


def _cards(place: Place, run: Path) -> None:
    texts = [row["text"] for row in rows()] + [place.server.compose({"messages": ["x"]})]
    cards = {path: path.read_text("utf-8") for path in run.rglob("README.md")}
    assert {str(path.parent.relative_to(run)) for path in cards} == {
        "cells/bert/default/none/seed-0/model",
        "cells/bert/default/rewrite/seed-0/model",
        "arms/rewrite/seed-0",
    }
    assert not [text for text in texts for card in cards.values() if text in card]
    model = ModelCard.load(run / "cells/bert/default/rewrite/seed-0/model/README.md")
    assert model.data.language == ["en"]
    assert model.data.license == "unknown", "nobody says under which licence the tiny model is"
    assert "| Base model | `bert` | unknown (no README.md there) |" in model.text
    assert "| Data | invented: `rows.jsonl` | cc0-1.0 (the study) |" in model.text
    assert "| Teacher echo | `echo` | its terms (the study) |" in model.text
    assert str(place.folder) not in model.text, "no path of this machine"
    data = DatasetCard.load(run / "arms/rewrite/seed-0/README.md")
    assert data.data.license == "other"
    assert "| `maybe` | 3 | 3 |" in data.text


def _exported(place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exported model has its card, whose code loads it."""
    cell = "bert/default/rewrite/seed-0"
    assert cli("export", "run", "whole", "--cell", cell) == 0
    text = (place.folder / "whole/README.md").read_text("utf-8")
    (python,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(place.folder / "whole")
    names: dict[str, Any] = {}
    exec(python, names)
    assert list(names["model"].config.id2label.values()) == ["yes", "no", "maybe"]
    monkeypatch.chdir(place.folder)


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_loaded(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import preceptor.study.tracking as tracking

    real = tracking.find_spec
    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name == "wandb" else real(name))
    sets = ("--set", "trackers=[tensorboard, wandb]")
    assert cli("run", place.study, "--out", "run", *SETS, *sets) == 2
    told = capsys.readouterr().err
    assert "trackers: wandb is not installed: pip install wandb" in told
    assert "tensorboard is not" not in told
    assert place.server.calls == 0
    assert not (place.folder / "run").exists()


def test_a_tracker_that_fails_is_told_and_tried_again_by_the_next_run(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.folder / "run/trackers").mkdir(parents=True)
    (place.folder / "run/trackers/tensorboard").touch()
    few = ("--set", "students.bert.arms=[none]")
    assert cli("run", place.study, "--out", "run", *SETS, *few, *TRACKED) == 0
    assert "the tracker tensorboard did not take it: " in capsys.readouterr().err
    assert place.results()["finished"], "the cell stands all the same"
    (place.folder / "run/trackers/tensorboard").unlink()
    assert cli("run", place.study, "--out", "run", *SETS, *few, *TRACKED) == 0
    assert "did not take it" not in capsys.readouterr().err
    found = scalars(place.folder / "run/trackers/tensorboard/bert/default/none/seed-0")
    assert len(found["train/loss"]) == 3


def study(**changes: Any) -> Study:
    sets = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    return parse_study(STUDY.format(url="http://127.0.0.1:1/v1"), "study", sets)


def test_the_keys_are_checked() -> None:
    assert study().trackers == ()
    assert study(card={"language": "en"}).card.language == ("en",)
    with pytest.raises(SpecError, match="tensorboard"):
        study(trackers=["tensorbord"])
    with pytest.raises(SpecError, match="no student or teacher is named 'eccho'"):
        study(card={"licences": {"eccho": "mit"}})


def test_origins_are_found_where_files_tell_them(place: Place) -> None:
    file = Path(__file__).parents[2] / "studies/quickstart.yaml"
    found = provenance(Plan(load_study(file), file.parent, place.folder / "run"))
    assert found["data"]["licence"] == {"name": "apache-2.0", "told_by": "CARD.md"}
    for role in ("students", "teachers"):
        model = found[role]["smollm2"]
        assert model["licence"]["told_by"] == "the GGUF file's header"
        assert model["hub"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert found["arms"]["combined"]["teachers"] == ["smollm2"], "a mix has those of its sources"
    assert found["arms"]["repeat"]["teachers"] == []
    (place.folder / "README.md").write_text(
        "---\nlicense: mit\nconfigs:\n- config_name: a\n  data_files: other.jsonl\n---\n"
    )
    own = provenance(Plan(load_study(place.study), place.folder, place.folder / "run"))
    assert own["data"]["licence"]["name"] is None, "that card is about another file"
    assert own["teachers"]["echo"]["licence"]["told_by"].startswith("the terms of http")


def test_no_library_counts_its_users_unless_asked_to() -> None:
    code = (
        "import os, sys\nfrom preceptor.cli import main\nsys.argv = ['preceptor', 'schema']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "import huggingface_hub.constants as hub\n"
        "print(hub.HF_HUB_DISABLE_TELEMETRY, os.environ['DO_NOT_TRACK'], file=sys.stderr)\n"
    )
    names = ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "DISABLE_TELEMETRY")
    plain = {key: value for key, value in os.environ.items() if key not in names}
    for more, expected in (({}, "True 1"), ({"DO_NOT_TRACK": "0"}, "True 0")):
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, env={**plain, **more}, capture_output=True, text=True, check=True
        )
        assert done.stderr.strip() == expected
