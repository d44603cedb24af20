"""The papers' studies: from the real YAML, in miniature, to the paper's own table.

Every model is a tiny random one of the class that the paper used, every data set a handful of
made rows in the real format, and a teacher that is asked answers from loopback.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures_models import saved, tiny_decoder, tiny_encoder, tiny_seq2seq
from llm.faulty import FaultyServer, faulty_server
from preceptor.report.papers import EXHIBITS
from preceptor.store.fingerprint import fingerprint
from shared_data import SHARED, shared
from study.conftest import Cli
from study.test_studies_teachers import SMALL, sentence, triple, write_parts

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Bench:
    """Tiny models, made data and a teacher, and what sets them in a study."""

    folder: Path
    models: Path
    server: FaultyServer

    def weights(self, **students: str) -> list[str]:
        return [
            f"students.{name.replace('_', '-')}.weights={self.models}/{model}"
            for name, model in students.items()
        ]

    def endpoints(self, *names: str) -> list[str]:
        return [
            f"teachers.{name}.{key}={value}"
            for name in names
            for key, value in {"base_url": self.server.url, "key_env": "null"}.items()
        ]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("papers")
    saved(tiny_decoder("BioGptForCausalLM"), folder / "biogpt")
    saved(tiny_decoder(), folder / "llama")
    saved(tiny_decoder(tie_word_embeddings=True), folder / "tied")
    saved(tiny_decoder("GPTNeoXForCausalLM"), folder / "neox")
    saved(tiny_encoder("RobertaForSequenceClassification"), folder / "roberta")
    bart = tiny_seq2seq(dropout=0.0)
    bart.generation_config.forced_bos_token_id = 1
    saved(bart, folder / "bart")
    return folder


def obeying(body: dict[str, Any]) -> str:
    """A JSON object by the schema with texts of its own; a label where none is asked for."""
    text = fingerprint([body["messages"], body.get("seed")])[:12]
    if "response_format" not in body:
        return "yes"
    keys = body["response_format"]["json_schema"]["schema"]["properties"]
    return json.dumps({key: told.get("enum", [f"{key} {text}?"])[0] for key, told in keys.items()})


@pytest.fixture
def bench(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with faulty_server() as server:
        server.compose = obeying
        yield Bench(tmp_path, models, server)


OFF = "curation={meta: false, duplicates: false, facts: false, near: false, contamination: false}"
FIT = "{batch_rows: 8, max_length: 120}"


def pubmedqa(folder: Path) -> list[str]:
    """Items in the publisher's form."""
    answers = ("yes", "no", "maybe")
    items = {
        str(n): {
            "QUESTION": f"Is {n} so?",
            "CONTEXTS": [f"We saw {n}."],
            "LONG_ANSWER": f"It is {n}.",
            "reasoning_required_pred": answers[n % 2],
            "final_decision": answers[n % 3],
        }
        for n in range(30)
    }
    (folder / "ori_pqal.json").write_text(json.dumps(items))
    return [f"data.path={folder}/ori_pqal.json", "data.sizes=[12, 8]", "data.train.limit=6"]


def drllama(bench: Bench, **students: str) -> list[str]:
    """What makes any of the first paper's studies small."""
    names = [name.replace("_", "-") for name in students]
    return [
        *("seeds=1", "budget={steps: 1}", "keep=none", OFF, "data.test.limit=6"),
        *pubmedqa(bench.folder),
        *bench.weights(**students),
        *(f"students.{name}.fit.{key}" for name in names for key in ("accumulation=1",)),
        *(f"students.{name}.max_new_tokens=3" for name in names),
    ]


def medquad(bench: Bench) -> list[str]:
    students = ("base", "unfreeze", "unfreeze-tied", "lora", "boft")
    rows = [
        {"question": f"What is d{n}?", "answer": f"it is {n} so", "source": "GARD"}
        | {"focus_area": f"d{n}"}
        for n in range(24)
    ]
    with (bench.folder / "medquad.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [
        *("seeds=1", "budget={steps: 2}", "keep=none", f"data.path={bench.folder}/medquad.csv"),
        *("data.train.limit=8", "data.test.limit=4", "data.split.validation=0.1"),
        *(f"students.{one}.weights={bench.models}/tied" for one in students),
        *(f"students.{one}.fit={FIT}" for one in students),
        "students.boft.method.last_blocks=1",
    ]


def taught(bench: Bench, row: Callable[[int], Any], **students: str) -> list[str]:
    """What makes any of the third paper's studies small; its teacher is tuned till it can write."""
    return [
        *SMALL,
        "budget={steps: 1}",
        "keep=none",
        write_parts(bench.folder, row),
        "data.validation.limit=4",
        "data.test.limit=4",
        f"teachers.tuned.weights={bench.models}/neox",
        *bench.weights(**students),
        *(f"students.{name}.fit={FIT}" for name in students),
    ]


def curve(**amounts: int) -> list[str]:
    """Amounts of a curve, by its arms' names."""
    return [
        f"arms.{arm}.of={{{arm.partition('_')[0]}: {n}}}".replace("_", "-")
        for arm, n in amounts.items()
    ]


def table1(bench: Bench) -> list[str]:
    return [
        *drllama(bench, biogpt_large="biogpt"),
        *bench.endpoints("gpt35", "gpt4"),
        "students.biogpt-large.grid.alpha=[32, 64]",
    ]


def table2(bench: Bench) -> list[str]:
    students = {"biogpt_large": "biogpt", "llama_7b": "llama", "alpaca_7b": "llama"}
    grids = [f"students.{name.replace('_', '-')}.grid.alpha=[32]" for name in students]
    return [*drllama(bench, **students), *grids]


def table3(bench: Bench) -> list[str]:
    students = {"llama_7b": "llama", "biogpt_large": "biogpt"}
    grids = [f"students.{name.replace('_', '-')}.grid.alpha=[32]" for name in students]
    arms = "students.llama-7b.arms=[none]"
    return [*drllama(bench, **students), *grids, arms, *bench.endpoints("gpt35", "gpt4")]


def figure1(bench: Bench) -> list[str]:
    return [
        *drllama(bench, lora="biogpt", prefix="biogpt"),
        *("students.lora.grid.alpha=[32, 64]", "students.prefix.grid.virtual_tokens=[32]"),
    ]


def figure2(bench: Bench) -> list[str]:
    return [*taught(bench, sentence, classifier="roberta"), *human_shares()]


def figure3(bench: Bench) -> list[str]:
    return [
        *taught(bench, triple, generator="bart"),
        *human_shares(),
        *("students.generator.max_new_tokens=6", "teachers.tuned.parameters.max_tokens=60"),
        "arms.create.max_requests=10x",
    ]


def human_shares() -> list[str]:
    """Of 20 rows 5 % are one: shares that leave every arm a row of each label."""
    shares = {"-5": 3, "-10": 4, "-25": 5, "-50": 10}
    arms = ("none", "repeat", "annotate", "create", "mix", "gold")
    return [
        *("data.train.limit=20", "teachers.tuned.human=12"),
        *(f"arms.{arm}{share}.human={n}" for share, n in shares.items() for arm in arms),
    ]


def figure5(bench: Bench) -> list[str]:
    amounts = {f"{one}_{n}": k for one in ("annotate", "create") for n, k in _AMOUNTS.items()}
    return [
        *taught(bench, triple, generator="bart"),
        *("students.generator.max_new_tokens=6", "teachers.tuned.parameters.max_tokens=60"),
        "arms.create.max_requests=10x",
        *(f"arms.{name}.amount=8" for name in ("repeat", "annotate", "create", "gold")),
        *curve(**amounts),
    ]


_AMOUNTS = {125: 2, 250: 3, 500: 4, 1000: 6}


def scicite(bench: Bench) -> list[str]:
    students = ("minilm", "minilm-soft", "minilm-epochs")
    return [
        *taught(bench, sentence),
        *(f"students.{name}.weights={bench.models}/roberta" for name in students),
        *(f"students.{name}.fit={FIT}" for name in students),
        *(f"arms.{name}.amount=6" for name in ("repeat", "annotate", "create", "gold")),
        *("arms.mix.of={annotate: 3, create: 3}", "curation.labels=false"),
    ]


MINIATURES: dict[str, Callable[[Bench], list[str]]] = {
    "drllama/table1": table1,
    "drllama/table2": table2,
    "drllama/table3": table3,
    "drllama/figure1": figure1,
    "unfreezing/table1": medquad,
    "teachers/figure2": figure2,
    "teachers/figure3": figure3,
    "teachers/figure5": figure5,
    "teachers/scicite": scicite,
}
"""by study; figure6 and webnlg are run, and laid out, in test_studies_teachers.py"""
LONG = {"teachers/figure2", "teachers/figure3", "teachers/figure5", "teachers/scicite"}
"""30 cells, texts that are written, or three students; figure6 and webnlg stand for them"""
EMPTY = {
    "drllama.table3": {
        ("LLaMA", llm, f"{made}QA")
        for llm in ("GPT-3.5-t", "GPT-4")
        for made in ("rewrite", "new", "combined")
    },
    "drllama.figure1": {
        *(("Low-rank adaptation", f"alpha {n}") for n in (128, 256)),
        *(("Prefix tuning", f"{n} virtual tokens") for n in (64, 128, 256)),
    },
}
"""rows that a miniature leaves out, to be dashes"""


def laid_out(cli: Cli, run: Path, name: str) -> list[dict[str, str]]:
    assert cli("report", run, "--paper", name) == 0
    with (run / f"report/papers/{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(study, marks=[pytest.mark.slow] if study in LONG else [])
        for study in MINIATURES
    ],
)
def test_a_papers_study_in_miniature(
    study: str, bench: Bench, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    run = bench.folder / "run"
    sets = [word for one in MINIATURES[study](bench) for word in ("--set", one)]
    assert cli("run", ROOT / f"studies/{study}.yaml", "--out", run, *sets) == 0
    exhibits = [one for one in EXHIBITS.values() if one.study == f"studies/{study}.yaml"]
    assert exhibits
    for exhibit in exhibits:
        capsys.readouterr()
        rows = laid_out(cli, run, exhibit.name)
        printed = capsys.readouterr().out
        assert exhibit.title in " ".join(printed.split())
        if not exhibit.rows:
            continue
        assert [row["row"] for row in rows] == [row.heads[0] for row in exhibit.rows]
        empty = EMPTY.get(exhibit.name, set())
        for told, row in zip(rows, exhibit.rows, strict=True):
            for measure in exhibit.measures:
                assert bool(told[measure.name]) is (row.heads not in empty), (row.heads, told)
        page = (run / f"report/papers/{exhibit.name}.html").read_text("utf-8")
        assert "Where this run is not as the paper has it" in page
        assert str(bench.models) in page, "whose weights these are"


SMALL_LINES = {
    "drllama/table1": ("pubmedqa", 4),
    "drllama/table2": ("pubmedqa", 2),
    "drllama/table3": ("pubmedqa", 15),
    "drllama/figure1": ("pubmedqa", 24),
    "unfreezing/table1": ("medquad", 13),
    "teachers/figure2": ("scicite", 9),
    "teachers/figure3": ("webnlg", 4),
    "teachers/figure5": ("webnlg", 13),
    "teachers/figure6": ("scicite", 30),
    "teachers/api": ("scicite", 7),
}
"""by study, the data of the line in its head that runs it with the small real models, and its
cells; the other studies of teachers have these models as they stand"""


def small_line(study: str) -> list[str]:
    """The words of the command as a shell reads them, with ``$DATA`` for the real data."""
    head = (ROOT / f"studies/{study}.yaml").read_text("utf-8").partition("\nname:")[0]
    lines = "\n".join(line.removeprefix("#") for line in head.splitlines())
    found = re.findall(r"^   preceptor run (.*\n?(?:(?<=\\\n).*\n?)*)", lines, re.MULTILINE)
    (command,) = [one for one in found if re.search(r"--out \S+-small ", one)]
    script = f"DATA={SHARED}; printf '%s\\0' {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("study", SMALL_LINES)
def test_plan_accepts_the_line_with_the_small_models(
    study: str, cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, cells = SMALL_LINES[study]
    shared(data)
    monkeypatch.chdir(ROOT)
    file, _, out, *sets = small_line(study)
    assert file == f"studies/{study}.yaml"
    assert cli("plan", file, *sets, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cells"] == cells
    for layout in laid_out_by(study):
        name = layout.split()[-1]
        assert layout == f"preceptor report {out} --paper {name}"
        assert EXHIBITS[name].study == file


def laid_out_by(study: str) -> list[str]:
    """The commands of a study's head that lay the small run out, without remarks."""
    head = (ROOT / f"studies/{study}.yaml").read_text("utf-8").partition("\nname:")[0]
    found = re.findall(r"^#   (preceptor report .*?)(?: +#.*)?$", head, re.MULTILINE)
    assert found or study == "teachers/api"
    return found
