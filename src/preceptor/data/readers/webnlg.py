"""WebNLG (Gardent et al., 2017; Castro Ferreira et al., 2020): triples to text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree

from pydantic import Field

from preceptor.data.columns import Columns
from preceptor.data.example import Targets
from preceptor.data.grouped import (
    GROUP,
    Found,
    GroupedSettings,
    Item,
    Text,
    files_of,
    is_jsonl,
    lines_of,
    members_at,
    read_grouped,
    refuse_labels,
    row_of,
)
from preceptor.data.members import Member, is_archive
from preceptor.data.problems import Dropped, short
from preceptor.data.rows import Row
from preceptor.data.safe_xml import document_of
from preceptor.data.splits import Splits
from preceptor.errors import DataError

COLUMNS = Columns(
    id="id",
    target="target",
    inputs={"triples": "input", "category": "category"},
    references=("references",),
    extra=("eid", "seen_category"),
)
_WITHOUT = "no text (lex) for the triples"


class WebnlgSettings(GroupedSettings):
    """WebNLG's XML (2017 and 3.0: a file, a folder of them, a .zip or .tar.gz) or JSONL (.gz).

    Without `files`, rows with the same triples in any order are one group."""

    reader: Literal["webnlg"]
    language: str = "en"
    """of the texts that are read, where a file has several (`lang`, in 3.0)"""

    @property
    def columns(self) -> Columns:
        """Which key of a JSONL line is what."""
        return COLUMNS


def read(settings: WebnlgSettings, base_dir: Path, targets: Targets = "text") -> Splits:
    r"""Read WebNLG.

    Inputs: ``category``, and ``triples``, which are the modified triple set as one line:
    subject, property and object with `` | `` between them, triples with `` && `` between them,
    all in the order and spelling of the file, nothing escaped::

        Aarhus_Airport | cityServed | Aarhus && Aarhus | country | Denmark

    Target: the first text. References: all of them, distinct, in the file's order; white space
    of the XML is one blank. A JSONL line has ``id``, ``category``, ``triples`` (a list of
    [subject, property, object]) and ``references``; ``input`` and ``target`` may repeat the
    line of triples and the first reference.

    Args:
        settings: the study's ``data``.
        base_dir: the study file's folder.
        targets: what the task's targets are; here they are texts.

    Raises:
        DataError: a task of labels, a file that is missing or cannot be read, or all that is
            wrong with the entries. An entry without a text is left out of train, with its
            reason, and is refused in validation and test.
    """
    if targets == "label":
        raise refuse_labels("WebNLG")

    def collect(path: Path, found: Found) -> None:
        if is_jsonl(path):
            found.files.append(path)
            found.rows += _lines(path, found)
            return
        members = _members(path)
        found.files += files_of(path, members)
        for member in members:
            with found.problems.gather():
                found.rows += _Entries(member, found, settings.language).rows()

    return read_grouped(settings, base_dir, COLUMNS, collect)


def linearised(triples: Sequence[Sequence[str]]) -> str:
    """Triples as one line; see :func:`read`."""
    return " && ".join(" | ".join(triple) for triple in triples)


def _group(triples: Sequence[Sequence[str]]) -> str:
    return linearised(sorted(map(tuple, triples)))


class _Bare(Item):
    """A line of the unlabelled part."""

    id: Text
    category: Text
    triples: Annotated[
        list[Annotated[list[Text], Field(min_length=3, max_length=3)]], Field(min_length=1)
    ]


class _Line(_Bare):
    references: Annotated[list[Text], Field(min_length=1)]


def _lines(path: Path, found: Found) -> Iterator[Row]:
    kind = _Bare if found.part == "unlabelled" else _Line
    for row, line in lines_of(path, kind, found.problems):
        texts = line.references if isinstance(line, _Line) else []
        own = {"id": line.id, "category": line.category, GROUP: _group(line.triples)}
        yield row_of(
            row, linearised(line.triples), texts, own, columns=COLUMNS, problems=found.problems
        )


def _members(path: Path) -> list[Member]:
    if path.is_dir() or is_archive(path) or ".xml" in path.suffixes:
        return members_at(path, ".xml")
    raise DataError(
        "a file is of an unknown format",
        where=str(path),
        found=path.name,
        expected="WebNLG's XML (.xml, or a folder, .zip or .tar.gz of them), or .jsonl (.gz)",
    )


class _Entries:
    """The entries of one file."""

    def __init__(self, member: Member, found: Found, language: str) -> None:
        self._member, self._found, self._language = member, found, language

    def rows(self) -> Iterator[Row]:
        """The row of every entry that is in order."""
        document = document_of(self._member, "WebNLG", "benchmark")
        entries = list(document.iter("entry"))
        if not entries:
            raise DataError("a file has no entries", where=self._member.place, expected="<entry>")
        for number, entry in enumerate(entries, 1):
            eid = entry.get("eid", "").strip() or str(number)
            place = f"{self._member.place}, entry {number} (eid {eid})"
            triples, texts = self._triples(entry, place), self._texts(entry, place)
            if triples and texts is not None and self._is_answered(texts, place):
                values = {
                    "id": self._found.id(f"{self._member.name}:{eid}"),
                    "input": linearised(triples),
                    "category": entry.get("category", ""),
                    "eid": eid,
                    "target": texts[0] if texts else "",
                    "references": texts,
                    GROUP: _group(triples),
                }
                yield Row(number, place, values)

    def _triples(self, entry: ElementTree.Element, place: str) -> list[list[str]]:
        """The modified triples; [], and a problem, where one of them is none."""
        lines = [_line(each) for each in entry.iterfind("modifiedtripleset/mtriple")]
        triples = [[part.strip() for part in line.split(" | ", 2)] for line in lines]
        wrong = [
            line
            for line, triple in zip(lines, triples, strict=True)
            if len(triple) != 3 or not all(triple)
        ]
        if wrong or not triples:
            self._found.problems.add(
                "not a triple" if wrong else "an entry without triples",
                where=f"{place}, modifiedtripleset",
                found=short(wrong[0]) if wrong else "no mtriple",
                expected="subject | property | object",
            )
        return [] if wrong else triples

    def _texts(self, entry: ElementTree.Element, place: str) -> list[str] | None:
        """The texts in the language, distinct; None, and a problem, where one is empty."""
        known = ("", self._language)
        texts = [_line(each) for each in entry.iterfind("lex") if each.get("lang", "") in known]
        if all(texts):
            return list(dict.fromkeys(texts))
        self._found.problems.add(
            "a reference is empty text",
            where=f"{place}, lex {texts.index('') + 1}",
            found="''",
            expected="a text that says the triples",
            fix="correct it, or delete this lex",
        )
        return None

    def _is_answered(self, texts: Sequence[str], place: str) -> bool:
        """Whether the part can use an entry with these texts; says why where it cannot."""
        if texts or self._found.part == "unlabelled":
            return True
        if self._found.part in (None, "train"):
            self._found.dropped.append(Dropped(place, _WITHOUT))
            return False
        self._found.problems.add(
            "an entry without a text",
            where=f"{place}, lex",
            found=f"no lex in the language {self._language!r}",
            expected="one or more: there is nothing to score by",
            fix="take the file with references, or delete the entry",
        )
        return False


def _line(element: ElementTree.Element) -> str:
    """An element's text, its white space one blank."""
    return " ".join("".join(element.itertext()).split())
