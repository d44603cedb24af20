"""From matplotlib's SVG to one that lives in a page: its colours, its names, its alternative text.

Text and axes take the page's ink (``currentColor``) and series its palette (CSS variables), so
that one drawing serves light and dark. As a file of its own it brings the palette with it.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"

INK, RULE, PAPER = "#010203", "#a1a2a3", "#fafbfc"
"""What figures draw text, grid lines and the page's ground with; no series has these colours."""

SERIES = ("#5f6670", "#a8741a", "#0b6ea8", "#c4501b", "#0a8a6a", "#a8508c", "#4a9fd4", "#7a6a00")
"""Colours of the arms in the light: Okabe and Ito's palette (2008, safe for the colour-blind),
darkened to stand at 3:1 or more against white. The first, a grey, is for the arm ``none``."""

_DARK = ("#a3aab5", "#e6b450", "#5fb4e5", "#f0895a", "#3fc6a0", "#dd93c4", "#9fd3f5", "#d8cc5a")
_GROUND = {"--rule-figure": ("#d5d8dc", "#3b4047"), "--paper": ("#fcfcfa", "#16181b")}


def theme(dark: bool) -> str:
    """The palette as CSS declarations."""
    colours = _DARK if dark else SERIES
    parts = [f"--series-{index}: {colour};" for index, colour in enumerate(colours)]
    parts += [f"{name}: {pair[dark]};" for name, pair in _GROUND.items()]
    return " ".join(parts)


def render(figure: Figure, name: str, alt: str) -> str:
    """Draw a figure as SVG markup for a page.

    Args:
        figure: the drawing, in the colours of this module alone.
        name: unique on the page; every id within the drawing begins with it.
        alt: what the figure shows, in words.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    root = ET.fromstring(out.getvalue())
    _strip(root)
    for element in root.iter():
        _adapt(element, name)
    _describe(root, name, alt)
    return _text(root)


def standalone(markup: str) -> str:
    """The same drawing as a file of its own, light and dark."""
    style = (
        f"<style>svg {{ color: #1c1f23; {theme(dark=False)} }} "
        "@media (prefers-color-scheme: dark) { svg { color: #e6e6e2; background: #16181b; "
        f"{theme(dark=True)} }} }}</style>"
    )
    opened = markup.replace("<svg ", f'<svg xmlns="{_SVG}" xmlns:xlink="{_XLINK}" ', 1)
    head, _, rest = opened.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>{style}{rest}\n'


def _strip(root: ET.Element) -> None:
    """Drop the metadata and matplotlib's ``*`` style rule, which would reach the whole page."""
    for child in list(root):
        holds_style = any(part.tag == f"{{{_SVG}}}style" for part in child.iter())
        if child.tag == f"{{{_SVG}}}metadata" or holds_style:
            root.remove(child)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")


def _adapt(element: ET.Element, name: str) -> None:
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == _HREF:
            element.set(key, f"#{name}-{value.removeprefix('#')}")
        elif key == "clip-path":
            element.set(key, value.replace("url(#", f"url(#{name}-"))
        elif key == "style":
            element.set(key, _style(value))


def _style(style: str) -> str:
    style = re.sub(r"font-family:[^;]*", "font-family: var(--sans, sans-serif)", style)
    style = style.replace(INK, "currentColor").replace(RULE, "var(--rule-figure)")
    style = style.replace(PAPER, "var(--paper)")
    for index, colour in enumerate(SERIES):
        style = style.replace(colour, f"var(--series-{index})")
    return style


def _describe(root: ET.Element, name: str, alt: str) -> None:
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-alt")
    title = ET.Element(f"{{{_SVG}}}title", {"id": f"{name}-alt"})
    title.text = alt
    root.insert(0, title)


def _text(root: ET.Element) -> str:
    """Markup without namespace declarations, which HTML neither needs nor wants."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    text = ET.tostring(root, encoding="unicode")
    return re.sub(
        r'(<svg\b[^>]*?) xmlns(?::xlink)?="[^"]*"(?: xmlns(?::xlink)?="[^"]*")?',
        r"\1",
        text,
        count=1,
    )
