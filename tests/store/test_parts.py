"""Parts are whole or absent, and know what they were made from."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from preceptor.store.atomic import UNFINISHED, new_file, sweep
from preceptor.store.fingerprint import changes, fingerprint
from preceptor.store.parts import Part


def test_a_part_is_made_once(tmp_path: Path) -> None:
    part = Part(tmp_path / "a" / "b", {"rows": 3})
    calls: list[Path] = []
    for _ in range(2):
        part.make(calls.append)
    assert len(calls) == 1
    assert part.exists()


def test_a_part_is_made_again_if_it_must_be(tmp_path: Path) -> None:
    part = Part(tmp_path / "p", {})
    part.make(lambda folder: (folder / "old").touch())
    part.make(lambda folder: (folder / "new").touch(), again=True)
    assert (tmp_path / "p" / "new").exists()
    assert not (tmp_path / "p" / "old").exists()
    assert part.exists()


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    part = Part(tmp_path / "p", {})

    def fill(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        part.make(fill)
    assert list(tmp_path.iterdir()) == []


def test_a_part_names_what_changed(tmp_path: Path) -> None:
    Part(tmp_path / "p", {"arm": {"amount": "1x"}, "seed": 0}).make(lambda _: None)
    other = Part(tmp_path / "p", {"arm": {"amount": "2x"}, "seed": 0})
    assert other.differences() == ["arm.amount: 1x -> 2x"]
    assert not other.exists()


def test_changes_name_added_and_removed_keys() -> None:
    assert list(changes({"a": 1}, {"b": 2})) == ["a: 1 -> (absent)", "b: (absent) -> 2"]


def test_fingerprints_ignore_the_order_of_keys_and_see_every_value() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})


def test_an_interrupted_file_does_not_replace_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), new_file(path) as draft:
        draft.write_text("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from preceptor.store.parts import Part
def fill(folder):
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
Part(Path({str(tmp_path)!r}) / "p", {{}}).make(fill)
"""
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name.startswith(UNFINISHED) for path in tmp_path.iterdir()] == [True]
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_part_keeps_how_long_it_took_whoever_asks(tmp_path: Path) -> None:
    part = Part(tmp_path / "p", {})
    assert part.seconds == 0
    part.make(lambda _: time.sleep(0.02))
    assert Part(tmp_path / "p", {}).seconds >= 0.02
