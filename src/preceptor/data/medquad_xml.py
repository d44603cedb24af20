"""MedQuAD's original XML files (Ben Abacha and Demner-Fushman, 2019) as rows."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.parsers import expat

from preceptor.data.members import Member
from preceptor.data.problems import short
from preceptor.data.rows import Row
from preceptor.errors import DataError


def rows_of(member: Member) -> list[Row]:
    """One row for every question of a document.

    Columns: id (folder, file and number of the pair), question, answer, source, focus_area.
    White space is that of the CSV copy: none around a line, no empty lines, one blank between
    words.

    Raises:
        DataError: not well-formed XML (with line and column), a document type definition, or
            another kind of document.
    """
    _check(member)
    document = ElementTree.fromstring(member.data)
    if document.tag != "Document":
        raise DataError(
            "an XML file is not a MedQuAD document",
            where=member.place,
            found=short(document.tag),
            expected="'Document'",
        )
    source, focus = document.get("source", "").strip(), _text(document.find("Focus"))
    rows = []
    for number, pair in enumerate(document.iter("QAPair"), 1):
        values = {
            "id": f"{member.name}:{number}",
            "question": _text(pair.find("Question")),
            "answer": _text(pair.find("Answer")),
            "source": source,
            "focus_area": focus,
        }
        rows.append(Row(number, f"{member.place}, pair {number}", values))
    return rows


def _check(member: Member) -> None:
    """Refuse what is not well-formed, and definitions: their entities may expand without end."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise DataError(
            "an XML file with a document type definition",
            where=f"{member.place}:{parser.CurrentLineNumber}",
            found="<!DOCTYPE",
            expected="none, as in MedQuAD: entities are not expanded",
            fix="remove the definition if you trust the file",
        )

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(member.data, True)
    except expat.ExpatError as error:
        line, column = error.lineno, error.offset + 1
        raise DataError(
            f"a file is not XML: {expat.errors.messages[error.code]}",
            where=f"{member.place}:{line} (line {line}, column {column})",
            expected="well-formed XML",
            fix="fetch the file again",
        ) from error


def _text(element: ElementTree.Element | None) -> str:
    if element is None:
        return ""
    lines = (" ".join(line.split()) for line in "".join(element.itertext()).splitlines())
    return "\n".join(line for line in lines if line)
