"""The files of a folder or an archive, read in memory and in one order; nothing is unpacked."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from preceptor.errors import DataError

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file.

    Attributes:
        name: its folder and its name without ending, the same from a folder or an archive.
        place: where it lies.
        data: its bytes.
    """

    name: str
    place: str
    data: bytes


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is a tar or zip archive."""
    return path.name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))


def read_members(path: Path, ending: str) -> list[Member]:
    """The files with an ending, sorted by name; hidden ones aside.

    Args:
        path: a folder, or a .zip, .tar, .tar.gz, .tgz, .tar.bz2 or .tar.xz archive.
        ending: such as ``.xml``.

    Raises:
        DataError: a broken archive, no such file in it, or two of one folder and name.
    """
    try:
        members = sorted(_reader(path)(path, ending), key=lambda member: member.place)
    except _BROKEN as error:
        raise DataError(
            f"an archive cannot be read: {error}" if path.is_file() else f"unreadable: {error}",
            where=str(path),
            fix="fetch the file again",
        ) from error
    if not members:
        raise DataError(f"no {ending} file", where=str(path), expected=f"at least one {ending}")
    known: dict[str, str] = {}
    for member in members:
        if known.setdefault(member.name, member.place) != member.place:
            raise DataError(
                "two files of one folder and name",
                where=member.place,
                found=f"{member.name}, as in {known[member.name]}",
                fix="name the folder that holds just one of them",
            )
    return members


def _reader(path: Path) -> Callable[[Path, str], Iterator[Member]]:
    if path.is_dir():
        return _in_folder
    return _in_zip if path.name.lower().endswith(".zip") else _in_tar


def _in_folder(path: Path, ending: str) -> Iterator[Member]:
    for file in path.rglob(f"*{ending}"):
        inner = PurePosixPath(path.name, *file.relative_to(path).parts)
        if file.is_file() and not file.name.startswith("."):
            yield Member(_name(inner, ending), str(file), file.read_bytes())


def _in_tar(path: Path, ending: str) -> Iterator[Member]:
    with tarfile.open(path) as archive:
        for info in archive:
            inner = PurePosixPath(info.name)
            file = archive.extractfile(info) if _wanted(inner, ending) and info.isfile() else None
            if file is not None:
                yield Member(_name(inner, ending), f"{path}/{info.name}", file.read())


def _in_zip(path: Path, ending: str) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            inner = PurePosixPath(info.filename)
            if _wanted(inner, ending) and not info.is_dir():
                place = f"{path}/{info.filename}"
                yield Member(_name(inner, ending), place, archive.read(info))


def _wanted(inner: PurePosixPath, ending: str) -> bool:
    return inner.name.endswith(ending) and not inner.name.startswith(".")


def _name(inner: PurePosixPath, ending: str) -> str:
    return "/".join(inner.parts[-2:]).removesuffix(ending)
