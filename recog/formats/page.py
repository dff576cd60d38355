"""PAGE XML of 2019 (Pletschacher and Antonacopoulos 2010; https://github.com/PRImA-Research-Lab/PAGE-XML): pages of lines
of words, as eScriptorium, Transkribus and kraken read it. :mod:`recog.corpora.page` reads PAGE of any year.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from recog.errors import UsageError
from recog.formats.shapes import bounds, clean, corners, outline_of, points_text
from recog.transcript import Line, Point, Transcript

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def write(transcript: Transcript) -> str:
    """One region that holds every line, in order, with its outline, words and readings.

    A line without an outline gets that of its words or, without boxes, of the whole image. Coordinates are whole pixels
    inside the image, as the schema asks. The N-best are further ``TextEquiv``, from index 1.

    Raises:
        UsageError: the transcript is of sound.
    """
    if transcript.size is None:
        raise UsageError(f"{transcript.source} is sound, and PAGE describes images; choose another format.")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    root = etree.Element(_name("PcGts"), nsmap={None: NAMESPACE})
    metadata = _add(root, "Metadata")
    _add(metadata, "Creator").text = f"recog ({clean(transcript.model)})" if transcript.model else "recog"
    _add(metadata, "Created").text = now
    _add(metadata, "LastChange").text = now
    width, height = transcript.size
    page = _add(root, "Page", imageFilename=clean(Path(transcript.source).name), imageWidth=width, imageHeight=height)
    outlines = [outline_of(line, transcript) for line in transcript.lines]
    if outlines:
        region = _add(page, "TextRegion", id="r1")
        _points(region, "Coords", corners(bounds([point for outline in outlines for point in outline])), transcript)
        for number, (line, outline) in enumerate(zip(transcript.lines, outlines, strict=True), start=1):
            _line(region, line, outline, f"r1l{number}", transcript)
        _add(_add(region, "TextEquiv"), "Unicode").text = clean(transcript.text)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written.decode("utf-8")


def _line(region: etree._Element, line: Line, outline: Iterable[Point], name: str, transcript: Transcript) -> None:
    element = _add(region, "TextLine", id=name)
    _points(element, "Coords", outline, transcript)
    if len(line.baseline) >= 2:
        _points(element, "Baseline", line.baseline, transcript)
    boxed = [word for word in line.words if word.box is not None]
    for number, word in enumerate(boxed, start=1):
        assert word.box is not None
        own = _add(element, "Word", id=f"{name}w{number}")
        _points(own, "Coords", corners(word.box), transcript)
        _reading(own, word.text, word.confidence)
    others = [other.text for other in line.alternatives if other.text != line.text]
    _reading(element, line.text, line.confidence, index=0 if others else None)
    for index, text in enumerate(others, start=1):
        _reading(element, text, None, index=index)


def _reading(parent: etree._Element, text: str, confidence: float | None, index: int | None = None) -> None:
    attributes: dict[str, object] = {} if index is None else {"index": index}
    if confidence is not None and math.isfinite(confidence):
        attributes["conf"] = f"{min(1.0, max(0.0, confidence)):.4f}"
    _add(_add(parent, "TextEquiv", **attributes), "Unicode").text = clean(text)


def _points(parent: etree._Element, tag: str, points: Iterable[Point], transcript: Transcript) -> None:
    _add(parent, tag, points=points_text(points, transcript))


def _add(parent: etree._Element, tag: str, **attributes: object) -> etree._Element:
    return etree.SubElement(parent, _name(tag), {key: str(value) for key, value in attributes.items()})


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"
