"""The studies of fine-tuned teachers: each is valid as told, and two run whole in miniature."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fixtures_models import saved, tiny_decoder, tiny_encoder, tiny_seq2seq
from preceptor.store.tables import read_rows
from preceptor.study.check import check
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from shared_data import SHARED, shared
from study.conftest import Cli

STUDIES = Path(__file__).parents[2] / "studies/teachers"
CELLS = {
    "scicite": [55],
    "medical": [55],
    "amounts": [75],
    "figure2": [90, 9, 90, 90],
    "figure3": [90, 4, 90],
    "figure5": [39, 13, 39],
    "figure6": [30, 30],
    "api": [21, 7],
    "webnlg": [45],
    "sgd": [45],
    "distillation": [33, 33],
}
"""by study, the cells of every command that its head tells, in order"""


def told(name: str) -> list[list[str]]:
    """What the commands in a study's head set, by a shell as a reader's would read them."""
    head = (STUDIES / f"{name}.yaml").read_text("utf-8").partition("\nname:")[0]
    lines = "\n".join(line.removeprefix("#") for line in head.splitlines())
    found = re.findall(r"^   preceptor run (.*\n?(?:(?<=\\\n).*\n?)*)", lines, re.MULTILINE)
    return [_sets(name, command) for command in found]


def _sets(name: str, command: str) -> list[str]:
    """The values of ``--set``, with ``$DATA`` for the real data."""
    if "zcat" in command:
        shared("clinc150")  # its 151 labels are read from the data
    script = f"DATA={SHARED}; printf '%s\\0' {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    study, out, _, *rest = done.stdout.split("\0")[:-1]
    assert (study, out) == (f"studies/teachers/{name}.yaml", "--out")
    assert set(rest[::2]) <= {"--set"}
    return rest[1::2]


def plan_of(name: str, sets: list[str], out: Path) -> Plan:
    file = STUDIES / f"{name}.yaml"
    return Plan(load_study(file, sets), file.parent, out, study_file=file)


def test_every_study_is_told() -> None:
    assert set(CELLS) == {file.stem for file in STUDIES.glob("*.yaml")}


@pytest.mark.parametrize("name", [name for name in CELLS if name != "scicite"])
def test_the_commands_in_a_studys_head_are_valid(name: str, tmp_path: Path) -> None:
    plans = [plan_of(name, sets, tmp_path) for sets in told(name)]
    assert [len(plan.cells) for plan in plans] == CELLS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CELLS if name != "scicite"])
def test_the_commands_in_a_studys_head_suit_the_real_data(name: str, tmp_path: Path) -> None:
    shared("scicite")
    for sets in told(name):
        if any(one.startswith("data.files=") for one in sets):
            check(plan_of(name, [*sets, "seeds=1"], tmp_path), calls=False)


WORDS = [
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove"),
    *("heron", "inlet", "jetty", "knoll", "larch", "maple"),
]
KINDS = {"background": "known", "method": "with", "result": "like"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    saved(tiny_decoder(), folder / "llama")
    saved(tiny_encoder(), folder / "bert")
    bart = tiny_seq2seq(dropout=0.0)
    bart.generation_config.forced_bos_token_id = 1
    saved(bart, folder / "bart")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_parts(folder: Path, row: Any) -> str:
    """Train, validation and test of made rows, and what sets them in a study."""
    sizes = {"train": range(70), "validation": range(70, 79), "test": range(79, 91)}
    for part, numbers in sizes.items():
        lines = [json.dumps(row(number)) for number in numbers]
        (folder / f"{part}.jsonl").write_text("\n".join(lines))
    return "data.files={" + ", ".join(f"{one}: {folder}/{one}.jsonl" for one in sizes) + "}"


def sentence(number: int) -> dict[str, str]:
    kind, word = list(KINDS.items())[number % 3]
    return {"text": f"{word} {WORDS[number % 13]} {WORDS[number // 13]}", "label": kind}


def triple(number: int) -> dict[str, Any]:
    subject, thing = WORDS[number % 13], WORDS[number // 13]
    return {
        "id": f"w{number}",
        "category": "Tree",
        "triples": [[subject, "has", thing]],
        "references": [f"{subject} has {thing}.", f"{thing} is of {subject}."],
    }


SMALL = (
    "seeds=1",
    "data.train.limit=12",
    "budget.steps=4",
    "teachers.tuned.method={name: full, learning_rate: 5.0e-3}",
    "teachers.tuned.budget={steps: 60}",
    "teachers.tuned.fit={batch_rows: 8, max_length: 100}",
    "teachers.tuned.validation=0",
    "teachers.tuned.parameters={temperature: 0.7, max_tokens: 40}",
    "curation={meta: false, duplicates: false, near: false, contamination: false}",
)
"""few rows and updates; filters off that would reject what so small a teacher writes"""


def run(cli: Cli, name: str, here: Path, sets: list[str]) -> dict[str, Any]:
    words = [word for one in (*SMALL, *sets) for word in ("--set", one)]
    assert cli("run", STUDIES / f"{name}.yaml", "--out", here / "run", *words) == 0
    results: dict[str, Any] = json.loads((here / "run/results.json").read_text())
    assert results["finished"], results["failed"]
    assert (here / "run/report/index.html").is_file()
    return results


def arm(here: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((here / f"run/arms/{name}/seed-0/arm.json").read_text())
    return found


def assert_laid_out(cli: Cli, here: Path, name: str, filled: int) -> None:
    """The paper's form has so many rows with numbers."""
    assert cli("report", here / "run", "--paper", name) == 0
    with (here / f"run/report/papers/{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = [row.get("bleu") or row.get("accuracy") for row in rows]
    assert len(list(filter(None, numbers))) == filled


def test_figure_6_in_miniature(here: Path, models: Path, cli: Cli) -> None:
    results = run(
        cli,
        "figure6",
        here,
        [
            write_parts(here, sentence),
            f"teachers.tuned.weights={models}/llama",
            f"students.classifier.weights={models}/bert",
            "students.classifier.fit={batch_rows: 8, max_length: 60}",
            *(f"arms.{name}.amount=1x" for name in ("repeat", "annotate", "create", "gold")),
            "arms.both.of={annotate: 0.5x, create: 0.5x}",
        ],
    )
    kept = {name: arm(here, name)["kept"] for name in results["arms"]}
    assert kept == {
        "none": 0,
        **dict.fromkeys(("repeat", "annotate", "create", "both", "gold"), 12),
    }
    both = read_rows(here / "run/arms/both/seed-0/train.parquet")[12:]
    assert [row["operation"] for row in both] == ["annotate"] * 6 + ["create"] * 6
    assert len(results["cells"]) == 6
    roles = {one["role"] for one in results["teachers"][0]["tunings"]}
    assert roles == {"annotate", "create-create"}
    page = (here / "run/report/index.html").read_text("utf-8")
    assert "How much of the way to true labels" in page
    assert "amber" not in page, "publish_texts: false"
    assert_laid_out(cli, here, "teachers.figure6", len(results["arms"]))


def test_webnlg_in_miniature(here: Path, models: Path, cli: Cli) -> None:
    amounts = {"annotate-125": 2, "annotate-250": 4, "create-125": 2, "create-250": 4}
    results = run(
        cli,
        "webnlg",
        here,
        [
            write_parts(here, triple),
            "data.validation.limit=6",
            "data.test.limit=8",
            f"teachers.tuned.weights={models}/llama",
            f"students.smollm2.weights={models}/llama",
            "students.smollm2.fit={batch_rows: 8, max_length: 100}",
            f"students.two-minilms.weights={models}/bart",
            "students.two-minilms.fit={batch_rows: 8, max_length: 100}",
            "students.smollm2.max_new_tokens=12",
            "students.two-minilms.max_new_tokens=12",
            "students.two-minilms.arms=[none, mix]",
            "teachers.tuned.parameters.max_tokens=60",
            "arms.create.max_requests=10x",
            *(f"arms.{name}.amount=8" for name in ("repeat", "annotate", "create", "gold")),
            *(f"arms.{k}.of={{{k.partition('-')[0]}: {n}}}" for k, n in amounts.items()),
            "arms.mix.of={annotate: 4, create: 4}",
        ],
    )
    assert len(results["cells"]) == 12
    for name, wanted in {**amounts, "annotate": 8, "create": 8, "mix": 8, "gold": 8}.items():
        assert (name, arm(here, name)["kept"]) == (name, wanted)
    made = read_rows(here / "run/arms/annotate/seed-0/made.parquet")
    assert all(json.loads(row["figures"])["log_prob"] < 0 for row in made)
    for row in read_rows(here / "run/arms/create/seed-0/train.parquet")[12:]:
        assert json.loads(row["inputs"])["triples"]
        assert row["target"]
    for cell in results["cells"]:
        assert 0 <= cell["splits"]["test"]["generation"]["bleu"] <= 100
    page = (here / "run/report/index.html").read_text("utf-8")
    assert "against the number of rows beside 12 human ones" in page
    assert "jetty" not in page, "publish_texts: false"
    assert_laid_out(cli, here, "teachers.figure5", len(results["arms"]) - 1)  # no row of mix
