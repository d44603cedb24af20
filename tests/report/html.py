"""A page as a browser's parser sees it: elements, attributes, text, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "hr", "img", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def text(self) -> str:
        parts = [child if isinstance(child, str) else child.text() for child in self.children]
        return re.sub(r"\s+", " ", " ".join(parts)).strip()

    def all(self, *tags: str) -> list[Element]:
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] if not tags or child.tag in tags else []
                found += child.all(*tags)
        return found


class Page(HTMLParser):
    """Parses strictly: an element that is closed out of order is an error."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.root = Element("root", {})
        self._open = [self.root]
        self.feed(source)
        self.close()
        assert self._open == [self.root], f"left open: {[e.tag for e in self._open]}"

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(self._open[-1].children[-1])  # type: ignore[arg-type]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    @property
    def elements(self) -> list[Element]:
        return self.root.all()

    def text(self) -> str:
        return " ".join(part.text() for part in self.root.all("body", "title"))

    def table(self, caption: str) -> dict[str, list[str]]:
        """The first table whose caption has these words: fields by the row's first field."""
        found = next(
            table for table in self.root.all("table") if caption in table.all("caption")[0].text()
        )
        rows = [[cell.text() for cell in row.all("th", "td")] for row in found.all("tr")]
        return {row[0]: row[1:] for row in rows}
