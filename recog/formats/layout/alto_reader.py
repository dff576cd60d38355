"""ALTO XML: the reader, of any version. :mod:`recog.formats.layout.alto` has the writer."""

from __future__ import annotations

import re
from dataclasses import replace

from recog.errors import UserError
from recog.formats.layout.baseline_polygons import with_polygons
from recog.formats.layout.reading_order import in_reading_order
from recog.formats.layout.shapes import Box, corners, parse_size
from recog.formats.layout.xml import (
    Element,
    child,
    children,
    descendants,
    local_name,
    parse_number,
    parse_points,
    parse_text,
    tag_text,
    text_of,
)
from recog.transcript import Line, Point, Transcript, Word

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
MODEL = "model "  # begins the settings of a processing step of recog
_SPACE = re.compile("[ \t\r\n]+")  # other spaces are text


def read(text: str, *, source: str = "") -> Transcript:
    """Read an ALTO file; see :func:`read_root`.

    Raises:
        UserError: the text is not ALTO.
    """
    return read_root(parse_text(text, source or "The text"), source=source)


def read_root(root: Element, *, source: str = "") -> Transcript:
    """Read the lines of each page in reading order, with outlines, baselines and words.

    A line's confidence is the mean of its words', weighted by their length. A file that measures in
    tenths of a millimetre or 1/1200 of an inch is read as if these were pixels.

    Raises:
        UserError: the root is not that of ALTO.
    """
    name = source or "The text"
    if local_name(root) != "alto":
        raise UserError(f"{name} is not ALTO: its root is {tag_text(root)}; give an ALTO XML file.")
    image = text_of(next(descendants(root, "fileName"), None)) or source
    settings = text_of(next(descendants(root, "processingStepSettings"), None))
    model = settings.removeprefix(MODEL) if settings.startswith(MODEL) else ""
    unit = measurement_unit(root)
    pages, warnings = [], []
    for page, lines in zip(descendants(root, "Page"), lines_by_page(root), strict=True):
        size = parse_size(page.get("WIDTH"), page.get("HEIGHT"))
        if size is None and unit != "pixel":
            warnings.append(
                f"{name} measures in {unit} and gives no size of its page; "
                "its lines have no places."
            )
            lines = [_without_places(line) for line in lines]
        pages.append(Transcript(image, tuple(lines), model, size=size or (0, 0)))
    if not pages:
        raise UserError(f"{name} has no <Page>; give an ALTO XML file of a page.")
    return Transcript.of_pages(image, pages, tuple(dict.fromkeys(warnings)))


def measurement_unit(root: Element) -> str:
    """Return the unit of coordinates: "pixel", "mm10" (0.1 mm) or "inch1200" (1/1200 inch)."""
    return text_of(next(descendants(root, "MeasurementUnit"), None)).strip().lower()[:40] or "pixel"


def lines_by_page(root: Element) -> list[list[Line]]:
    """Return the lines of each page in reading order.

    A line with a baseline alone gets a polygon (:mod:`recog.formats.layout.baseline_polygons`).
    """
    order = child(root, "ReadingOrder")
    return [
        with_polygons([_line(line) for line in in_reading_order(page, order)])
        for page in descendants(root, "Page")
    ]


def _without_places(line: Line) -> Line:
    return replace(
        line, polygon=(), baseline=(), words=tuple(replace(word, box=None) for word in line.words)
    )


def _line(line: Element) -> Line:
    text = _text(line)
    words = tuple(_word(string) for string in children(line, "String"))
    confidence = _confidence(words)
    # a single string that is the line, not a word
    if len(words) == 1 and words[0].text == text and (" " in text or not text):
        words = ()
    polygon, baseline = _shape(line)
    return Line(text, words, baseline=baseline, polygon=polygon, confidence=confidence)


def _word(string: Element) -> Word:
    confidence = parse_number(string.get("WC"))
    share = None if confidence is None else min(1.0, max(0.0, confidence))
    return Word(string.get("CONTENT", ""), box=_box(string), confidence=share)


def _confidence(words: tuple[Word, ...]) -> float | None:
    shares = [(len(word.text), word.confidence) for word in words if word.confidence is not None]
    letters = sum(length for length, _ in shares)
    if len(shares) < len(words) or not letters:
        return None
    return round(sum(length * share for length, share in shares) / letters, 4)


def _text(line: Element) -> str:
    """Join the strings of a line: a space for ``SP``, a hyphen for ``HYP``.

    Without any ``SP`` in the line, there is a space between all strings.
    """
    spaced = any(local_name(e) == "SP" for e in line)
    text = ""
    for element in line:
        name = local_name(element)
        if name == "String":
            joiner = " " if text and not spaced else ""
            text += joiner + element.get("CONTENT", "")
        elif name == "SP":
            text += " "
        elif name == "HYP":
            text += element.get("CONTENT") or "-"
    return _SPACE.sub(" ", text).strip(" ")


def _shape(line: Element) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """Return the polygon, or else the box, and the baseline of a line."""
    outline = child(line, "Shape")
    polygon_of = child(outline, "Polygon") if outline is not None else None
    polygon = parse_points(None if polygon_of is None else polygon_of.get("POINTS"))
    box = _box(line)
    if len(polygon) < 3:
        polygon = corners(box) if box is not None and box[0] < box[2] and box[1] < box[3] else ()
    baseline = parse_points(line.get("BASELINE"))
    level = parse_number(line.get("BASELINE"))  # up to ALTO 4.1 a baseline is one height
    if level is not None and box is not None:
        baseline = ((box[0], level), (box[2], level))
    return polygon, baseline if len(baseline) >= 2 else ()


def _box(element: Element) -> Box | None:
    x, y, width, height = (
        parse_number(element.get(key)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")
    )
    if x is None or y is None or width is None or height is None or width < 0 or height < 0:
        return None
    return x, y, x + width, y + height
