"""XML from elsewhere, parsed so that a file can neither expand without end nor reach out."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.parsers import expat

from preceptor.data.members import Member
from preceptor.data.problems import short
from preceptor.errors import DataError


def document_of(member: Member, format: str, root: str) -> ElementTree.Element:
    """The root element of a file.

    Args:
        member: the file.
        format: whose files it should be one of, for messages.
        root: the tag that such files have at the root.

    Raises:
        DataError: not well-formed XML (with line and column), a document type definition, or
            another root.
    """
    _check(member, format)
    document = ElementTree.fromstring(member.data)
    if document.tag == root:
        return document
    raise DataError(
        f"an XML file is not a {format} document",
        where=member.place,
        found=short(document.tag),
        expected=repr(root),
    )


def _check(member: Member, format: str) -> None:
    """Refuse what is not well-formed, and definitions: their entities may expand without end."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise DataError(
            "an XML file with a document type definition",
            where=f"{member.place}:{parser.CurrentLineNumber}",
            found="<!DOCTYPE",
            expected=f"none, as in {format}: entities are not expanded",
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
