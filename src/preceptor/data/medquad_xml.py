"""MedQuAD's original XML files (Ben Abacha and Demner-Fushman, 2019) as rows."""

from __future__ import annotations

from xml.etree import ElementTree

from preceptor.data.members import Member
from preceptor.data.rows import Row
from preceptor.data.safe_xml import document_of


def rows_of(member: Member) -> list[Row]:
    """One row for every question of a document.

    Columns: id (folder, file and number of the pair), question, answer, source, focus_area.
    White space is that of the CSV copy: none around a line, no empty lines, one blank between
    words.

    Raises:
        DataError: not well-formed XML (with line and column), a document type definition, or
            another kind of document.
    """
    document = document_of(member, "MedQuAD", "Document")
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


def _text(element: ElementTree.Element | None) -> str:
    if element is None:
        return ""
    lines = (" ".join(line.split()) for line in "".join(element.itertext()).splitlines())
    return "\n".join(line for line in lines if line)
