"""Writes that are whole or not there, and what is said when the disk is full."""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from preceptor.store.atomic import UNFINISHED, new_file, new_folder, remove, sweep_beside


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full disk at /dev/full")
def test_a_full_disk_says_where(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=str(errno.ENOSPC)) as caught,
        new_file(tmp_path / "file") as draft,
    ):
        draft.symlink_to("/dev/full")
        draft.write_text("text")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "file"))
    with (
        pytest.raises(OSError, match=str(errno.ENOSPC)) as caught,
        new_folder(tmp_path / "folder") as draft,
    ):
        (draft / "inner").symlink_to("/dev/full")
        (draft / "inner").write_text("text")
    assert caught.value.filename == str(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_under_safetensors_is_a_full_disk(full: Path) -> None:
    with (
        pytest.raises(OSError, match=str(errno.ENOSPC)) as caught,
        new_folder(full / "model") as draft,
    ):
        save_file({"a": torch.zeros(100_000)}, draft / "model.safetensors")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(full / "model"))
    assert list(full.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^no number$") as caught, new_folder(tmp_path / "folder"):
        raise OSError("no number")
    assert caught.value.filename is None


def test_what_killed_writers_left_beside_a_path_is_swept_and_no_more(tmp_path: Path) -> None:
    for name in (f"{UNFINISHED}mine-1", f"{UNFINISHED}other-1", "mine"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{UNFINISHED}mine-2").touch()
    sweep_beside(tmp_path / "mine")
    assert {path.name for path in tmp_path.iterdir()} == {f"{UNFINISHED}other-1", "mine"}


def test_a_removed_folder_is_gone_and_one_that_is_not_there_may_be_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    for _ in range(2):
        remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
