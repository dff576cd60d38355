"""ALTO 1 to 4 (Library of Congress): a row for each ``TextLine``, in document order.

Text: the ``CONTENT`` of its strings, with a space where there is an ``SP`` (or between all, where a line has none),
    and a hyphen
for ``HYP``. Shape: ``Polygon`` and ``BASELINE``, else the box. Group and split: as PAGE.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.manifest import LineShape, Row
from recog.corpora.xml import Element, child, descendants, local, number, points, text_of
from recog.errors import UserError
from recog.transcript import Point


def rows(src: Path) -> Iterator[Row]:
    """The lines of an ALTO file, or of those beneath a folder.

    Raises:
        UserError: there is none, one is damaged, or one does not measure in pixels.
    """
    from recog.corpora.pages import rows_of

    return rows_of(src, "alto", page_lines, "ALTO")


def page_lines(root: Element, xml: Path) -> list[Row]:
    """The rows of one file: ``root`` is its <alto>, ``xml`` its name.

    Raises:
        UserError: it measures in another unit than pixels.
    """
    from recog.corpora.pages import image_of

    unit = text_of(next(descendants(root, "MeasurementUnit"), None)).strip().lower()
    if unit not in ("", "pixel"):
        raise UserError(f"{xml} measures in {unit}, not in pixels; export it again with pixels.")
    media = image_of(xml, text_of(next(descendants(root, "fileName"), None)))
    return [Row(media, _text(line), line=_shape(line)) for line in descendants(root, "TextLine")]


def _text(line: Element) -> str:
    spaced = any(local(e) == "SP" for e in line)
    text = ""
    for element in line:
        name = local(element)
        if name == "String":
            joiner = " " if text and not spaced else ""
            text += joiner + element.get("CONTENT", "")
        elif name == "SP":
            text += " "
        elif name == "HYP":
            text += element.get("CONTENT") or "-"
    return " ".join(text.split())


def _shape(line: Element) -> LineShape:
    x, y, width, height = (number(line.get(key)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    outline = child(line, "Shape")
    polygon_of = child(outline, "Polygon") if outline is not None else None
    polygon = points(None if polygon_of is None else polygon_of.get("POINTS"))
    if len(polygon) < 3:
        polygon = _box(x, y, width, height)
    baseline = points(line.get("BASELINE"))
    level = number(line.get("BASELINE"))  # up to ALTO 4.1 a baseline is one height
    if level is not None and x is not None and width is not None:
        baseline = ((x, level), (x + width, level))
    return LineShape(polygon, baseline if len(baseline) >= 2 else ())


def _box(x: float | None, y: float | None, width: float | None, height: float | None) -> tuple[Point, ...]:
    if x is None or y is None or width is None or height is None or width <= 0 or height <= 0:
        return ()
    return (x, y), (x + width, y), (x + width, y + height), (x, y + height)
