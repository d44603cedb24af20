"""The command line as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared_data import shared

PROGRAM = Path(sys.executable).with_name("preceptor")
HEAVY = {"torch", "transformers", "openai", "peft", "pyarrow", "matplotlib", "scipy", "sklearn"}


def modules_after(code: str) -> set[str]:
    told = "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{told}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not HEAVY & modules_after("import preceptor, preceptor.cli")


def test_help_loads_nothing_heavy() -> None:
    code = """
import sys
from preceptor.cli import main
sys.argv = ["preceptor", "--help"]
try:
    main()
except SystemExit:
    pass
"""
    assert not HEAVY & modules_after(code)


def test_the_study_file_is_typed_without_anything_heavy() -> None:
    code = "from preceptor.study.file import load_study"
    assert not (HEAVY - {"pyarrow"}) & modules_after(code)


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "plan",
        "preview",
        "init",
        "schema",
        "score",
        "predict",
        "report",
        "inspect",
        "compare",
        "verify",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    done = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True, check=True)
    assert f"preceptor {command}" in done.stdout
    assert len(done.stdout.split()) > 20


def test_the_schema_describes_every_key() -> None:
    done = subprocess.run([PROGRAM, "schema"], capture_output=True, text=True, check=True)
    schema = json.loads(done.stdout)
    assert schema["additionalProperties"] is False
    described = schema["$defs"]["LoraSettings"]["properties"]
    assert "rank of the update" in described["rank"]["description"]
    assert {"task", "data", "arms", "students", "teachers"} <= set(schema["properties"])


def test_the_human_row_of_the_paper() -> None:
    data = f"pubmedqa:{shared('pubmedqa')}/ori_pqal.json"
    command = [PROGRAM, "score", "--field", "reasoning_required_pred", "--data", data, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (round(found["accuracy"], 3), round(found["macro_f1"], 3)) == (0.780, 0.722)
    assert (found["n"], found["unparsed"]) == (500, 0)


def test_anybodys_answers_are_scored_under_both_protocols(tmp_path: Path) -> None:
    folder = shared("pubmedqa")
    items = json.loads((folder / "ori_pqal.json").read_text())
    official = json.loads((folder / "test_ground_truth.json").read_text())
    always = dict.fromkeys(official, "Yes, it does.")
    (tmp_path / "always.json").write_text(json.dumps(always))
    last = list(items)[500:]
    (tmp_path / "lines.txt").write_text(
        "".join(f"{items[name]['final_decision']}\n" for name in last)
    )
    data = f"pubmedqa:{folder}/ori_pqal.json"
    for file, protocol, accuracy in (
        ("always.json", "official", 0.552),
        ("lines.txt", "drllama", 1.0),
    ):
        command = [
            PROGRAM,
            "score",
            tmp_path / file,
            "--data",
            data,
            "--protocol",
            protocol,
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert round(json.loads(done.stdout)["accuracy"], 3) == accuracy
