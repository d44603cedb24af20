"""Runs laid out as a paper's table: the paper's numbers, ours, and never a wrong match."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from preceptor.cli import main
from preceptor.errors import PreceptorError
from preceptor.report.papers import ABSENT, EXHIBITS, exhibit
from preceptor.report.papers.exhibit import Asked, Exhibit
from preceptor.report.papers.layout import lay_out
from preceptor.report.papers.terminal import print_layout, print_list
from preceptor.report.papers.written import write_layout
from preceptor.study.file import load_study
from shared_data import SHARED

from .html import Page

ROOT = Path(__file__).parents[2]
PAPERS = {"drllama": "000_976fbf6d4238a658", "unfreezing": "001_eee8d09d68c33afa"}
TABLE_3 = exhibit("drllama.table3")
ENDS = ("md", "csv", "tex", "html", "svg", "png")


@pytest.mark.parametrize("one", EXHIBITS.values(), ids=list(EXHIBITS))
def test_the_study_of_an_exhibit_has_all_of_its_names(one: Exhibit) -> None:
    study = load_study(ROOT / one.study)
    assert set(one.students) | set(one.weights) <= set(study.students)
    assert set(one.arms) <= set(study.arms)
    assert set(one.teachers) <= set(study.teachers)
    asked = [row.source for row in one.rows if isinstance(row.source, Asked)]
    assert {source.shots for source in asked} <= set(study.baselines.teacher)
    for name, form in one.also.items():
        other = load_study(ROOT / f"studies/{name.replace('-', '/')}.yaml")
        assert other.name == name
        assert set(form.names) <= {*other.students, *other.arms}
        assert set(form.names.values()) <= {*one.students, *one.arms}


@pytest.mark.parametrize("one", EXHIBITS.values(), ids=list(EXHIBITS))
def test_the_papers_settings_are_those_of_its_study(one: Exhibit) -> None:
    """Unreduced, a study departs from its paper in what it says it does and nothing else."""
    study = yaml.safe_load((ROOT / one.study).read_text("utf-8"))
    for setting in one.settings:
        first, second, *rest = [*setting.key.split("."), ""]
        names = one.students if (first, second) == ("students", "*") else [second]
        for name in names:
            value: Any = study
            for key in filter(None, (first, name, *rest)):
                if not (isinstance(value, str) and key == "name"):  # a bare word is a name
                    value = value.get(key) if isinstance(value, dict) else None
            assert (setting.default if value is None else value) == setting.value, setting.key


@pytest.mark.parametrize("one", EXHIBITS.values(), ids=list(EXHIBITS))
def test_the_papers_numbers_stand_in_its_text(one: Exhibit) -> None:
    if not one.has_numbers:
        return
    path = SHARED.parent / f"papers/{PAPERS[one.name.partition('.')[0]]}.txt"
    if not path.exists():
        pytest.skip(f"the papers are not on this machine: {path}")
    text = path.read_text("utf-8")
    printed = [measure for measure in one.measures if measure.printed]
    for row in one.rows:
        shown = [
            "NA" if value is None else f"{value:.{measure.decimals}f}"
            for value, measure in zip(row.numbers, printed, strict=True)
        ]
        # The order of the numbers is the text's; its names beside them are shifted in Table 3.
        if len(shown) > 1:
            assert re.search(r"\s".join(map(re.escape, shown)), text), row.heads
        else:
            assert shown[0] in text, row.heads


STUDY = """\
data: {reader: pubmedqa, protocol: drllama, path: a.json, train: {limit: 50}}
task: {answers: drllama_student, loss: all}
teachers: {gpt35: {engine: embedded}}
students: {biogpt-large: {method: {name: lora, rank: 4}}}
"""
ARMS = {"none": "none", "repeat": "repeat", "rewrite-gpt35": "rewrite", "create-gpt35": "create"}


def cell(arm: str, seed: int, student: str = "biogpt-large", **more: Any) -> dict[str, Any]:
    scores = {"accuracy": 0.5 + 0.1 * seed, "macro_f1": 0.4, "n": 10}
    splits = {"test": {"likelihood": {**scores, "accuracy": 0.1}, "generation": scores}}
    weights = {"ref": "smollm2", "note": "rounded.", "stands_for": "BioGPT-Large"}
    about = {"id": f"{student}/{arm}/{seed}", "arm": arm, "student": student, "seed": seed}
    return {**about, "splits": splits, "weights": weights, "chosen": True, **more}


def score(arm: str, metric: str, mean: float, student: str = "biogpt-large") -> dict[str, Any]:
    about = {"student": student, "arm": arm, "reading": "generation", "metric": metric}
    return {**about, "setting": "chosen", "mean": mean, "low": mean - 0.1, "high": mean + 0.1}


def build(run: Path, student: str = "biogpt-large", **more: Any) -> Path:
    """A run of table 3 with one student and one teacher."""
    run.mkdir()
    (run / "study.yaml").write_text(STUDY)
    scored = [arm for arm in ARMS if arm != "create-gpt35"]
    results = {
        "format": 1,
        "study": "drllama-table3",
        "limits": ["It is <script>alert(1)</script> small."],
        "teachers": [{"name": "gpt35", "engine": "embedded", "stands_for": "gpt-3.5-turbo"}],
        "arms": {arm: {"operation": operation} for arm, operation in ARMS.items()},
        "cells": [cell(arm, seed, student) for arm in scored for seed in (0, 1)],
        "scores": [score(arm, "accuracy", 0.55, student) for arm in scored],
    }
    (run / "results.json").write_text(json.dumps(results | more))
    return run


def rows_of(run: Path, *given: str, name: str = "drllama.table3") -> dict[tuple[str, ...], Any]:
    """The written CSV by what heads its rows."""
    one = exhibit(name)
    write_layout(run, lay_out(run, one, given))
    with (run / f"report/papers/{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {tuple(list(row.values())[: len(one.heads)]): row for row in rows}


def test_the_papers_number_ours_and_the_difference(tmp_path: Path) -> None:
    rows = rows_of(build(tmp_path / "run"))
    assert list(rows) == [row.heads for row in TABLE_3.rows]
    rewritten = rows["BioGPT", "GPT-3.5-t", "rewriteQA"]
    assert float(rewritten["accuracy_paper"]) == 0.720
    assert float(rewritten["accuracy"]) == 0.55, "what the paper reads: written answers"
    assert float(rewritten["accuracy_low"]) == pytest.approx(0.45)
    assert float(rewritten["accuracy_high"]) == pytest.approx(0.65)
    assert float(rewritten["accuracy_difference"]) == pytest.approx(-0.17)
    # Without an interval in the results the mean over seeds stands alone.
    assert rewritten["macro_f1"] == "0.4"
    assert "macro_f1_low" not in rewritten


def test_what_the_run_lacks_is_a_dash_with_its_paper_number(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    rows = rows_of(run)
    empty = {heads for heads, row in rows.items() if not row["accuracy"]}
    assert len(empty) == 14 - 2
    assert {heads[:2] for heads in rows if heads not in empty} == {
        ("BioGPT", "–"),
        ("BioGPT", "GPT-3.5-t"),
    }
    assert all(row["accuracy_paper"] for row in rows.values())
    told = lay_out(run, TABLE_3).tables[0].notes[3]
    assert told.startswith("Missing from this run, 12 of 14 rows: no student llama-7b (7 rows);")
    assert "biogpt-large has no test score on create-gpt35 (BioGPT, GPT-3.5-t, newQA)" in told
    assert "no arm create-gpt4 (BioGPT, GPT-4, newQA)" in told


def test_substitutes_and_reductions_are_told(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    table = lay_out(run, TABLE_3).tables[1]
    told = {row.values[0].text: [value.text for value in row.values[1:]] for row in table.rows}
    weights = ["smollm2 (rounded); stands for BioGPT-Large", "microsoft/BioGPT-Large"]
    assert told["weights of biogpt-large"] == weights
    warning = lay_out(run, TABLE_3).tables[0].notes[0]
    assert warning.startswith(f"This run is not as the paper has it, in {len(told)} points")
    ours, paper = told["teacher gpt35"]
    assert "embedded SmolLM2-135M" in ours
    assert "stands for gpt-3.5-turbo" in ours
    assert paper == "gpt-3.5-turbo"
    assert told["data.train.limit"] == ["50", "all 450 training rows"]
    assert told["students.biogpt-large.grid.alpha"][0] == "not set"
    assert "students.biogpt-large.method.rank" not in told, "as in the paper"
    (run / "study.yaml").write_text("{{ no yaml")
    damaged = lay_out(run, TABLE_3).tables[1]
    assert "no readable study.yaml" in damaged.rows[-1].values[1].text


def test_names_of_the_run_that_stand_for_others(tmp_path: Path) -> None:
    run = build(tmp_path / "run", student="small")
    with pytest.raises(PreceptorError, match="nothing for any row"):
        rows_of(run)
    given = ("small=llama-7b", "repeat=create-gpt4")
    rows = rows_of(run, *given)
    assert rows["LLaMA", "–", "none"]["accuracy"] == "0.55"
    assert rows["LLaMA", "GPT-4", "newQA"]["accuracy"] == "0.55"
    assert not rows["BioGPT", "–", "none"]["accuracy"]
    told = " ".join(lay_out(run, TABLE_3, given).tables[0].notes)
    assert "small stands for llama-7b, repeat stands for create-gpt4" in told
    # What stands for another name does not stand for its own too.
    moved = rows_of(run, "small=llama-7b", "none=rewrite-gpt4")
    assert moved["LLaMA", "GPT-4", "rewriteQA"]["accuracy"]
    assert not moved["LLaMA", "–", "none"]["accuracy"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("biogpt-larg=llama-7b",), "did you mean 'biogpt-large'"),
        (("biogpt-large=llama7b",), "did you mean 'llama-7b'"),
        (("rewrite-gpt35=llama-7b",), "no such student"),
        (("biogpt-large",), "--as takes a name of the run"),
        (("none=create-gpt4", "repeat=create-gpt4"), "names create-gpt4 twice"),
    ],
)
def test_names_that_nobody_has(tmp_path: Path, given: tuple[str, ...], problem: str) -> None:
    run = build(tmp_path / "run")
    with pytest.raises(PreceptorError) as error:
        lay_out(run, TABLE_3, given)
    assert problem in str(error.value)


def test_an_unknown_exhibit_tells_the_known_ones() -> None:
    with pytest.raises(PreceptorError, match=r"did you mean 'drllama\.table3'") as error:
        exhibit("drllama.tabel3")
    assert "teachers.figure6" in str(error.value)
    with pytest.raises(PreceptorError, match="the text at hand, a summary, does not hold it"):
        exhibit("teachers.table1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which run?"),
        (("run", "--as", "a=b"), "--as goes with --paper"),
        (("run", "--paper", "drllama.tabel3"), "did you mean 'drllama.table3'"),
    ],
)
def test_the_command_says_what_it_needs(
    words: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["preceptor", "report", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_the_best_on_test_stands_apart_under_its_name(tmp_path: Path) -> None:
    best = {"student": "biogpt-large", "arm": "none", "reading": "generation", "best": 0.61}
    found = [{**best, "metric": "accuracy", "settings": 4}]
    rows = rows_of(build(tmp_path / "run", best_on_test=found))
    assert rows["BioGPT", "–", "none"]["accuracy_best_on_test"] == "0.61"
    assert not rows["BioGPT", "GPT-3.5-t", "rewriteQA"]["accuracy_best_on_test"]
    alone = [{**best, "metric": "accuracy", "settings": 1}]
    assert "accuracy_best_on_test" not in next(
        iter(rows_of(build(tmp_path / "alone", best_on_test=alone)).values())
    )


def test_baselines_fill_the_rows_of_table_1(tmp_path: Path) -> None:
    metrics = {"accuracy": 0.4, "macro_f1": 0.3, "n": 10}
    names = ("gpt35, zero-shot", "human (reasoning_required_pred)")
    found = [{"name": name, "seed": seed, "metrics": metrics} for name in names for seed in (0, 1)]
    rows = rows_of(build(tmp_path / "run", baselines=found), name="drllama.table1")
    assert rows["GPT-3.5-turbo (137B)",]["accuracy"] == "0.4"
    assert rows["Human Performance",]["macro_f1"] == "0.3"
    assert not rows["GPT-4 (0-shot)",]["accuracy"]
    assert rows["GPT-4 (0-shot)",]["macro_f1_paper"] == "", "NA in the paper"


def test_a_row_of_a_grid_takes_its_own_setting(tmp_path: Path) -> None:
    cells = [
        cell("none", seed, "lora", setting={"alpha": alpha}, chosen=alpha == 64)
        for seed in (0, 1)
        for alpha in (32, 64)
    ]
    run = build(tmp_path / "run", cells=cells)
    rows = rows_of(run, name="drllama.figure1")
    first = rows["Low-rank adaptation", "alpha 32"]
    assert [float(first[f"accuracy{end}"]) for end in ("", "_low", "_high")] == [0.55, 0.5, 0.6]
    assert not rows["Low-rank adaptation", "alpha 128"]["accuracy"]
    layout = lay_out(run, exhibit("drllama.figure1"))
    assert "the lowest and the highest seed" in layout.tables[0].notes[1]
    assert len(layout.figures) == 1, "one student was swept"


def test_the_paper_and_the_run_are_drawn_on_the_same_axes(tmp_path: Path) -> None:
    measures = {"perplexity_all": 9.5, "next_token_accuracy_all": 0.5}
    students = ("base", "unfreeze", "unfreeze-tied", "lora")
    splits = {"test": {"next_token": measures}}
    cells = [cell("none", 0, student, splits=splits) for student in students]
    run = build(tmp_path / "run", cells=cells, scores=[])
    layout = lay_out(run, exhibit("unfreezing.figure1"))
    (figure,) = layout.figures
    assert "LoRA: paper 4.6205, ours 9.5000" in figure.svg
    assert "BOFT: paper 3.2522, ours none" in figure.svg
    paths = {path.name for path in write_layout(run, layout)}
    assert paths == {f"unfreezing.figure1.{end}" for end in ENDS}
    picture = (run / "report/papers/unfreezing.figure1.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_every_form_holds_the_numbers_and_no_markup_of_the_run(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    layout = lay_out(run, TABLE_3)
    texts = {path.suffix: path.read_text("utf-8") for path in write_layout(run, layout)}
    assert set(texts) == {".md", ".csv", ".tex", ".html"}
    for text in texts.values():
        assert "0.72" in text
        assert "0.55" in text
    assert r"\multicolumn" in texts[".tex"]
    assert "| BioGPT | GPT-3.5-t | rewriteQA | 0.720 | 0.550 (0.450 to 0.650) |" in texts[".md"]
    assert "<script" not in texts[".html"]
    assert r"\<script\>" in texts[".md"]
    page = Page.read(run / "report/papers/drllama.table3.html")
    assert page.table("fine-tuned on augmented PubMedQA")["LLaMA"]
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w"))
    print_layout(console, layout)
    shown = console.export_text()
    assert "0.450 to 0.650" in shown
    assert "stands for BioGPT-Large" in shown


def test_the_list_names_every_study(tmp_path: Path) -> None:
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w"))
    print_list(console, EXHIBITS.values(), ABSENT)
    shown = console.export_text()
    assert "teachers.table1, teachers.figure4, teachers.figure7" in shown
    for one in EXHIBITS.values():
        assert one.name in shown
        assert one.study in shown


def documented() -> list[str]:
    """The layouts that README, result pages and studies' heads tell of, a line each."""
    pages = [ROOT / "README.md", *(ROOT / "docs/results").glob("*.md")]
    pages += (ROOT / "studies").rglob("*.yaml")
    text = "\n".join(page.read_text("utf-8") for page in pages)
    joined = re.sub(r"\s*\\\n#?\s*", " ", text)
    return re.findall(r"preceptor report (?:runs/)?\S+ --paper \S+(?: --as \S+)*", joined)


def test_documented_layouts_name_what_there_is() -> None:
    found = documented()
    assert len(found) >= 15
    for line in found:
        named = re.search(r"--paper ([\w.]+)", line)
        assert named
        one = exhibit(named[1])
        for theirs in re.findall(r"--as \S+?=([\w-]+)", line):
            assert theirs in (*one.students, *one.arms), line


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_table_is_never_cut_within_words(tmp_path: Path, is_terminal: bool) -> None:
    layout = lay_out(build(tmp_path / "run"), TABLE_3)
    file = (tmp_path / "out").open("w")
    console = Console(width=96, record=True, file=file, force_terminal=is_terminal)
    print_layout(console, layout)
    shown = console.export_text()
    assert "rewriteQA" in shown
    assert "0.450 to 0.650" in shown
    assert ("ours less paper" in shown) is not is_terminal
    assert console.width == 96
