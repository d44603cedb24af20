"""From matplotlib's SVG to one that lives in a page: its colours, its names, its alternative text.

Text and axes take the page's ink (``currentColor``) and series its palette (CSS variables), so
that one drawing serves light and dark. Looks stand in attributes of their own, never in ``style``:
the page's policy allows no inline style. As a file of its own a drawing has the colours of the
light in plain attributes, which any program reads, and a rule that exchanges them in the dark.
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

INK, RULE, PAPER = "#1c1f23", "#d5d8dc", "#fcfcfa"
"""What figures draw text, grid lines and the page's ground with; no series has these colours."""

SERIES = ("#5f6670", "#a8741a", "#0b6ea8", "#c4501b", "#0a8a6a", "#a8508c", "#3f94c9", "#7a6a00")
"""Colours of the arms in the light: Okabe and Ito's palette (2008, safe for the colour-blind),
darkened to stand at 3:1 or more against white. The first, a grey, is for the arm ``none``."""

_DARK = ("#a3aab5", "#e6b450", "#5fb4e5", "#f0895a", "#3fc6a0", "#dd93c4", "#9fd3f5", "#d8cc5a")
_GROUND = {"--rule-figure": (RULE, "#3b4047"), "--paper": (PAPER, "#16181b")}
_DARK_INK = "#e6e6e2"
_SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
SHARP = 192
"""dots an inch of a drawing as PNG: two for each of a page's pixels"""


class Drawing(str):
    """A drawing as SVG markup for a page, with the same drawing in the light as PNG."""

    __slots__ = ("png",)
    png: bytes

    def __new__(cls, markup: str, png: bytes) -> Drawing:
        """Markup that brings its PNG along."""
        drawing = super().__new__(cls, markup)
        drawing.png = png
        return drawing


def theme(dark: bool) -> str:
    """The palette as CSS declarations."""
    colours = _DARK if dark else SERIES
    parts = [f"--series-{index}: {colour};" for index, colour in enumerate(colours)]
    parts += [f"{name}: {pair[dark]};" for name, pair in _GROUND.items()]
    return " ".join(parts)


def render(figure: Figure, name: str, alt: str) -> Drawing:
    """Draw a figure as SVG markup for a page, and as PNG.

    Args:
        figure: the drawing, in the colours of this module alone.
        name: unique on the page; every id within the drawing begins with it.
        alt: what the figure shows, in words.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.StringIO()
    # savefig would draw it twice, the first time for nothing
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    root = ET.fromstring(out.getvalue())
    _strip(root)
    for element in root.iter():
        _adapt(element, name)
    _describe(root, name, alt)
    return Drawing(_text(root), _png(figure, alt))


def _png(figure: Figure, alt: str) -> bytes:
    """A figure that has been laid out, drawn once more in the light."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_layout_engine("none")
    figure.set_dpi(SHARP)
    figure.set_facecolor(PAPER)
    out = io.BytesIO()
    told = {"Software": None, "Description": alt}
    FigureCanvasAgg(figure).print_png(out, metadata=told, pil_kwargs={"compress_level": 4})
    return out.getvalue()


def standalone(markup: str) -> str:
    """The same drawing as a file of its own, in plain colours that a rule exchanges in the dark."""
    plain = {f"--series-{index}": colour for index, colour in enumerate(SERIES)}
    plain |= {name: pair[0] for name, pair in _GROUND.items()}
    for name, colour in plain.items():
        markup = markup.replace(f'"var({name})"', f'"{colour}"')
    markup = markup.replace('"currentColor"', f'"{INK}"').replace(
        '"var(--sans, sans-serif)"', f'"{_SANS}"'
    )
    opened = markup.replace("<svg ", f'<svg xmlns="{_SVG}" xmlns:xlink="{_XLINK}" ', 1)
    head, _, rest = opened.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}><style>{_night()}</style>{rest}\n'


def _night() -> str:
    """The rules by which a drawing of its own turns dark."""
    pairs = [*zip(SERIES, _DARK, strict=True), *_GROUND.values(), (INK, _DARK_INK)]
    rules = [
        f'[{what}="{light}"] {{ {what}: {dark}; }}'
        for light, dark in pairs
        for what in ("fill", "stroke")
    ]
    ground = f"svg {{ background: {_GROUND['--paper'][1]}; }}"
    return f"@media (prefers-color-scheme: dark) {{ {ground} {' '.join(rules)} }}"


def _strip(root: ET.Element) -> None:
    """Drop the metadata and matplotlib's ``*`` style rule, which would reach the whole page."""
    for child in list(root):
        holds_style = any(part.tag == f"{{{_SVG}}}style" for part in child.iter())
        if child.tag == f"{{{_SVG}}}metadata" or holds_style:
            root.remove(child)
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}


def _adapt(element: ET.Element, name: str) -> None:
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == _HREF:
            element.set(key, f"#{name}-{value.removeprefix('#')}")
        elif key == "clip-path":
            element.set(key, value.replace("url(#", f"url(#{name}-"))
        elif key == "style":
            del element.attrib[key]
            element.attrib |= dict(_looks(value))


def _looks(style: str) -> list[tuple[str, str]]:
    """The declarations of a style, in the page's colours and type."""
    declared = [part.partition(":") for part in style.split(";") if part.strip()]
    return [(key.strip(), _paged(key.strip(), value.strip())) for key, _, value in declared]


def _paged(key: str, value: str) -> str:
    if key == "font-family":
        return "var(--sans, sans-serif)"
    known = {INK: "currentColor", RULE: "var(--rule-figure)", PAPER: "var(--paper)"}
    known |= {colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)}
    return known.get(value, value)


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
    text = re.sub(r">\s+<", "><", ET.tostring(root, encoding="unicode"))
    return re.sub(
        r'(<svg\b[^>]*?) xmlns(?::xlink)?="[^"]*"(?: xmlns(?::xlink)?="[^"]*")?',
        r"\1",
        text,
        count=1,
    )
