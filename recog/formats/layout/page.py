"""PAGE XML, as eScriptorium, Transkribus and kraken use it.

The writer makes the version of 2019-07-15; the reader takes any (Pletschacher and Antonacopoulos
2010; https://github.com/PRImA-Research-Lab/PAGE-XML).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from recog.errors import UsageError, UserError
from recog.formats.layout.baseline_polygons import with_polygons
from recog.formats.layout.reading_order import in_reading_order
from recog.formats.layout.shapes import (
    Box,
    bounds,
    corners,
    format_confidence,
    outline_of,
    parse_size,
    points_text,
    strip_layout_space,
    xml_text,
)
from recog.formats.layout.xml import (
    Element,
    child,
    children,
    descendants,
    local_name,
    new_root,
    parse_number,
    parse_points,
    parse_text,
    tag_text,
    text_of,
    to_xml,
)
from recog.formats.layout.xml import add_element as _add
from recog.formats.media_checks import require_image
from recog.transcript import Alternative, Line, Point, Transcript, Word

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_SCORE = "log score "  # begins the comment on a reading
_CREATOR = re.compile(r"recog \((.*)\)")


def write(transcript: Transcript, *, when: datetime | None = None) -> str:
    """Write one region of lines, each with its outline, words and alternatives.

    A line without an outline gets the box of its words or, without boxes, of the whole image. Words
    without boxes are left out. Coordinates are whole pixels inside the image, as the schema
    requires. Alternatives are further ``TextEquiv``, from index 1, with their scores as comments.

    Args:
        transcript: a transcript of one image.
        when: the file's time of creation; by default now.

    Raises:
        UsageError: the transcript is of sound, or of several pages.
    """
    width, height = require_image(transcript, "PAGE describes images")
    count = len(transcript.pages)
    if count:
        raise UsageError(
            f"{transcript.source} has {count} pages, and a PAGE file holds one; "
            "give a folder for them."
        )
    now = (when or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S")
    root = new_root("PcGts", NAMESPACE)
    metadata = _add(root, "Metadata")
    _add(metadata, "Creator").text = (
        f"recog ({xml_text(transcript.model)})" if transcript.model else "recog"
    )
    _add(metadata, "Created").text = now
    _add(metadata, "LastChange").text = now
    page = _add(
        root,
        "Page",
        imageFilename=xml_text(Path(transcript.source).name),
        imageWidth=width,
        imageHeight=height,
    )
    outlines = [outline_of(line, transcript) for line in transcript.lines]
    if outlines:
        region = _add(page, "TextRegion", id="r1")
        _points(
            region,
            "Coords",
            corners(bounds([point for outline in outlines for point in outline])),
            transcript,
        )
        for at, (line, outline) in enumerate(zip(transcript.lines, outlines, strict=True), start=1):
            _line(region, line, outline, f"r1l{at}", transcript)
        _add(_add(region, "TextEquiv"), "Unicode").text = xml_text(transcript.text)
    return to_xml(root)


def _line(
    region: etree._Element, line: Line, outline: Iterable[Point], name: str, transcript: Transcript
) -> None:
    element = _add(region, "TextLine", id=name)
    _points(element, "Coords", outline, transcript)
    if len(line.baseline) >= 2:
        _points(element, "Baseline", line.baseline, transcript)
    boxed = [word for word in line.words if word.box is not None]
    for at, word in enumerate(boxed, start=1):
        assert word.box is not None
        word_element = _add(element, "Word", id=f"{name}w{at}")
        _points(word_element, "Coords", corners(word.box), transcript)
        _reading(word_element, word.text, word.confidence)
    score = next((other.score for other in line.alternatives if other.text == line.text), None)
    others = [other for other in line.alternatives if other.text != line.text]
    _reading(element, line.text, line.confidence, index=0 if others else None, score=score)
    for index, other in enumerate(others, start=1):
        _reading(element, other.text, None, index=index, score=other.score)


def _reading(
    parent: etree._Element,
    text: str,
    confidence: float | None,
    index: int | None = None,
    score: float | None = None,
) -> None:
    attributes: dict[str, object] = {} if index is None else {"index": index}
    if confidence is not None and math.isfinite(confidence):
        attributes["conf"] = format_confidence(confidence)
    if score is not None and math.isfinite(score):
        attributes["comments"] = f"{_SCORE}{score:.4f}"
    _add(_add(parent, "TextEquiv", **attributes), "Unicode").text = xml_text(text)


def _points(
    parent: etree._Element, tag: str, points: Iterable[Point], transcript: Transcript
) -> None:
    _add(parent, tag, points=points_text(points, transcript))


def read(text: str, *, source: str = "") -> Transcript:
    """Read a PAGE file; see :func:`read_root`.

    Raises:
        UserError: the text is not PAGE.
    """
    return read_root(parse_text(text, source or "The text"), source=source)


def read_root(root: Element, *, source: str = "") -> Transcript:
    """Read lines in reading order, with outlines, baselines, words and confidences.

    Raises:
        UserError: the root is not that of PAGE.
    """
    name = source or "The text"
    if local_name(root) != "PcGts":
        raise UserError(f"{name} is not PAGE: its root is {tag_text(root)}; give a PAGE XML file.")
    page = child(root, "Page")
    creator = next(descendants(root, "Creator"), None)
    match = _CREATOR.fullmatch(strip_layout_space(text_of(creator)))
    if page is None:
        raise UserError(f"{name} has no <Page>; give a PAGE XML file of a page.")
    size = parse_size(page.get("imageWidth"), page.get("imageHeight"))
    image = page.get("imageFilename", "")
    return Transcript(
        image or source, tuple(page_lines(page)), match[1] if match else "", size=size or (0, 0)
    )


def page_lines(page: Element) -> list[Line]:
    """Return the lines of an element ``Page`` in reading order.

    A line with a baseline alone gets a polygon (:mod:`recog.formats.layout.baseline_polygons`).
    """
    return with_polygons(
        [_read_line(line) for line in in_reading_order(page, child(page, "ReadingOrder"))]
    )


def _read_line(line: Element) -> Line:
    readings = _readings(line)
    words = tuple(_read_word(word) for word in children(line, "Word"))
    polygon, baseline = (
        _read_points(child(line, "Coords"), 3),
        _read_points(child(line, "Baseline"), 2),
    )
    spelled = " ".join(word.text for word in words if word.text)
    # an empty reading stands for none
    if not readings or (spelled and not any(text for text, _, _ in readings)):
        return Line(spelled, words, polygon=polygon, baseline=baseline)
    text, confidence, _ = readings[0]
    scored = tuple(Alternative(text, score) for text, _, score in readings if score is not None)
    return Line(
        text, words, polygon=polygon, baseline=baseline, confidence=confidence, alternatives=scored
    )


def _read_word(word: Element) -> Word:
    readings = _readings(word)
    text, confidence, _ = readings[0] if readings else ("", None, None)
    text = text or "".join(
        next((text for text, _, _ in _readings(glyph)), "") for glyph in children(word, "Glyph")
    )
    outline = _read_points(child(word, "Coords"), 2)
    box: Box | None = bounds(outline) if outline else None
    return Word(text, box=box, confidence=confidence)


def _readings(element: Element) -> list[tuple[str, float | None, float | None]]:
    """Return text, confidence and score of each reading, by rising index; no index comes first."""
    readings = []
    for reading in sorted(children(element, "TextEquiv"), key=_index):
        text = strip_layout_space(text_of(child(reading, "Unicode"))) or strip_layout_space(
            text_of(child(reading, "PlainText"))
        )
        comment = reading.get("comments", "")
        score = parse_number(comment.removeprefix(_SCORE)) if comment.startswith(_SCORE) else None
        confidence = parse_number(reading.get("conf"))
        confidence = None if confidence is None else min(1.0, max(0.0, confidence))
        readings.append((text, confidence, score))
    return readings


def _index(reading: Element) -> float:
    """Return the key that sorts a reading: its index, or -1 for the main one, which has none."""
    index = parse_number(reading.get("index"))
    return -1.0 if index is None else index


def _read_points(element: Element | None, min_count: int) -> tuple[Point, ...]:
    """Read ``points="x,y x,y"``, or the elements <Point x= y=/> of versions up to 2010."""
    if element is None:
        return ()
    value = element.get("points")
    if value is None:
        value = " ".join(
            f"{point.get('x')},{point.get('y')}" for point in children(element, "Point")
        )
    points = parse_points(value)
    return points if len(points) >= min_count else ()
