"""Made data on the terminal, as a sheet and as JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from preceptor.errors import DataError, SpecError
from preceptor.store.tables import read_rows
from preceptor.study.browsing import _print
from preceptor.study.inspect import Wanted, as_json, find, plain, write_sheet
from report.fixture import build, made_rows

from .conftest import Cli

EVIL = (
    "\x1b[31mred\x1b]0;title\x07 [bold]x[/bold] [link=http://e.x]y[/link] \u202eabc\x9b2J :smile:"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("inspect") / "run")


@pytest.fixture
def run(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "run")
    return tmp_path / "run"


def printed(run: Path, wanted: Wanted, *, width: int | None = None) -> str:
    """What a file (no width) or a terminal of some width gets, without its colours."""
    out = io.StringIO()
    terminal = width is not None
    console = Console(
        file=out,
        width=width or 80,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    _print(console, find(run, wanted))
    return out.getvalue()


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(arm="create"),
        Wanted(arm="rewrite", seed=1),
        Wanted(label="refill"),
        Wanted(verdict="kept", label="refill"),
        Wanted(reason="meta talk"),
        Wanted(filter="duplicates", seed=2),
        Wanted(grep="REWORDED version"),
        Wanted(verdict="rejected", count=3),
    ],
)
def test_rows_are_chosen_by_everything_together(run: Path, wanted: Wanted) -> None:
    every = [
        (arm, seed, row)
        for arm in ("create", "rewrite")
        for seed in range(3)
        for row in made_rows(arm, seed)
    ]
    expected = [
        row["id"]
        for arm, seed, row in every
        if wanted.arm in (None, arm)
        and wanted.seed in (None, seed)
        and wanted.label in (None, row["target"])
        and wanted.verdict in (None, row["verdict"])
        and wanted.reason in (None, row["reason"])
        and wanted.filter in (None, row["filter"])
        and (wanted.grep is None or "reworded version" in row["raw"])
    ]
    found = find(run, wanted)
    assert expected
    assert [one["id"] for one in found.rows] == expected[: wanted.count]
    assert (found.matching, found.of) == (len(expected), len(every))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(arm="rewrit"), "did you mean 'rewrite'?"),
        (Wanted(label="refil"), "did you mean 'refill'?"),
        (Wanted(seed=7), "0, 1, 2"),
        (Wanted(filter="metta"), "did you mean 'meta'?"),
        (Wanted(grep="("), "regular expression"),
    ],
)
def test_what_no_row_has_is_refused_with_what_there_is(
    run: Path, wanted: Wanted, words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        find(run, wanted)
    assert words in str(caught.value)


def test_a_folder_without_made_data_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not in the run folder"):
        find(tmp_path, Wanted())
    shutil.rmtree(run / "arms")
    with pytest.raises(DataError, match="no made data"):
        find(run, Wanted())


def test_the_original_stands_beside_with_the_differences_marked(run: Path) -> None:
    row = next(row for row in made_rows("rewrite", 0) if row["verdict"] == "kept")
    told = printed(run, Wanted(arm="rewrite", seed=0, verdict="kept", count=1))
    assert row["id"] in told
    assert f"Original {row['parents'][0]}" in told
    assert "[-" in told
    assert "{+" in told
    assert "\x1b" not in told, "a file gets no colours"
    wide = printed(run, Wanted(arm="rewrite", seed=0, verdict="kept", count=1), width=140)
    assert "\x1b[4;32m" in wide, "underlined and green"
    assert "[-" not in wide


def test_a_rejection_tells_reason_filter_and_answer(run: Path) -> None:
    told = printed(run, Wanted(reason="meta talk", count=1))
    assert "rejected: meta talk (meta)" in told
    unread = printed(run, Wanted(reason="unparseable", count=1))
    assert "rejected: not readable (parse)" in unread


def poisoned(run: Path) -> Path:
    """The run with control characters and markup in every text of one arm."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in (run / "arms/rewrite/seed-0/made.parquet", run / "data/examples.parquet"):
        rows = read_rows(path)
        for row in rows:
            row["inputs"] = json.dumps({EVIL: f"{EVIL} {row['id']}"})
            row["target"] = EVIL
            row |= {key: EVIL for key in ("raw", "detail") if key in row}
            row["reason"] = EVIL if row.get("reason") else row.get("reason")
        pq.write_table(pa.Table.from_pylist(rows), path)
    return run


@pytest.mark.parametrize("width", [None, 60, 140])
def test_text_of_a_model_can_neither_colour_nor_move_nor_mark_up(
    run: Path, width: int | None
) -> None:
    told = printed(poisoned(run), Wanted(arm="rewrite", seed=0), width=width)
    joined = " ".join(told.split())
    assert "[bold]x[/bold]" in joined or width == 60
    assert "[/bold]" in joined
    assert ":smile:" in joined
    assert "\u202e" not in told
    assert "\x9b" not in told
    assert "\x07" not in told
    assert "\x1b]" not in told, "no titles, no links"
    assert "␛[31m" in told
    assert ("\x1b[31mred" in told) is False


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a␛[2Jb"),
        ("tab\tand\nline\r\nbreak", "tab\tand\nline\nbreak"),
        ("\rover", "␍over"),
        ("\x7f\x08", "␡␈"),
        ("\u202eright to left\u2066", "�right to left�"),
        ("\ud83d", "�"),
        ("naïve café 👍🏽 हिन्दी", "naïve café 👍🏽 हिन्दी"),
    ],
)
def test_control_characters_become_signs(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_sheet_can_be_filled_in_and_a_spreadsheet_runs_nothing_of_it(run: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run / "arms/create/seed-0/made.parquet"
    rows = read_rows(path)
    rows[1]["inputs"] = json.dumps({"text": '=HYPERLINK("http://e.x")'})
    pq.write_table(pa.Table.from_pylist(rows), path)
    out = run.parent / "sheet.csv"
    write_sheet(out, find(run, Wanted(arm="create", seed=0)))
    with out.open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert list(cells[0])[:5] == ["id", "decision", "label", "made text", "original text"]
    assert [cell["id"] for cell in cells] == [row["id"] for row in rows]
    assert {cell["decision"] for cell in cells} == {""}
    assert [cell["label"] for cell in cells] == [row["target"] for row in rows]
    assert cells[1]["made text"] == '\'=HYPERLINK("http://e.x")'
    assert cells[0]["original label"] == cells[0]["label"]
    with pytest.raises(DataError, match="there already"):
        write_sheet(out, find(run, Wanted()))


def test_json_has_the_texts_as_they_are_and_nothing_a_terminal_obeys(run: Path) -> None:
    text = as_json(find(poisoned(run), Wanted(arm="rewrite", seed=0)))
    assert text.isascii()
    assert "\x1b" not in text
    found = json.loads(text)
    assert found["all"] == found["matching"] + 3 * len(made_rows("create", 0)) + 2 * 16
    assert found["rows"][0]["made"][EVIL].startswith(EVIL)
    assert found["rows"][0]["original"]["label"] == EVIL


def test_the_command(
    run: Path, cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    assert cli("inspect", "run", "--verdict", "rejected", "-n", "2") == 0
    first = capsys.readouterr().out
    assert "; the first 2: 0 kept, 2 rejected" in first.splitlines()[0]
    assert cli("inspect", "run", "--json", "--arm", "create") == 0
    assert {row["arm"] for row in json.loads(capsys.readouterr().out)["rows"]} == {"create"}
    assert cli("inspect", "run", "--csv", "all.csv") == 0
    assert "all.csv" in capsys.readouterr().err
    assert cli("inspect", "run", "--arm", "nothing") == 2
    assert "create, rewrite" in capsys.readouterr().err


def test_a_terminal_gets_a_pager(run: Path) -> None:
    program = Path(sys.executable).with_name("preceptor")
    terminal, inside = pty.openpty()
    done = subprocess.run(
        [program, "inspect", run, "--arm", "create", "--seed", "0"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        cwd=run.parent,
        env={**os.environ, "PAGER": "cat > paged.txt", "TERM": "xterm"},
        timeout=60,
        check=False,
    )
    os.close(inside)
    assert done.returncode == 0, os.read(terminal, 10_000)
    os.close(terminal)
    paged = (run.parent / "paged.txt").read_text()
    assert "create-0-0" in paged
    assert "\x1b[1m" in paged
