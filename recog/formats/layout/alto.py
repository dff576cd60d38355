"""ALTO XML of the Library of Congress: the writer, of version 4.

:mod:`recog.formats.layout.alto_reader` reads any version (https://www.loc.gov/standards/alto/).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from lxml import etree

from recog.formats.layout.alto_reader import MODEL, NAMESPACE, read
from recog.formats.layout.shapes import (
    bounds,
    boxed_words,
    corners,
    format_confidence,
    outline_of,
    points_text,
    whole_pixels,
    xml_text,
)
from recog.formats.layout.xml import add_element as _add
from recog.formats.layout.xml import new_root, to_xml
from recog.formats.media_checks import require_image
from recog.transcript import Line, Point, Transcript

__all__ = ["NAMESPACE", "read", "write"]


def write(transcript: Transcript) -> str:
    """Write one block of lines for each page.

    A line has its baseline, its outline and a ``String`` for each word, or one for the whole line
    if its words have no boxes. ALTO has no alternatives of a line, and confidences of words only.

    Raises:
        UsageError: the transcript is of sound.
    """
    require_image(transcript, "ALTO describes images")
    root = new_root("alto", NAMESPACE)
    description = _add(root, "Description")
    _add(description, "MeasurementUnit").text = "pixel"
    _add(_add(description, "sourceImageInformation"), "fileName").text = xml_text(
        Path(transcript.source).name
    )
    processing = _add(description, "Processing", ID="recog")
    if transcript.model:
        _add(processing, "processingStepSettings").text = xml_text(f"{MODEL}{transcript.model}")
    _add(_add(processing, "processingSoftware"), "softwareName").text = "recog"
    layout = _add(root, "Layout")
    for number, page in enumerate(transcript.pages or [transcript], start=1):
        _page(layout, page, number)
    return to_xml(root)


def _page(layout: etree._Element, transcript: Transcript, number: int) -> None:
    width, height = transcript.size or (0, 0)
    page = _add(
        layout, "Page", ID=f"page{number}", PHYSICAL_IMG_NR=number, WIDTH=width, HEIGHT=height
    )
    space = _add(page, "PrintSpace", HPOS=0, VPOS=0, WIDTH=width, HEIGHT=height)
    outlines = [outline_of(line, transcript) for line in transcript.lines]
    if outlines:
        everything = [point for outline in outlines for point in outline]
        block = _add(space, "TextBlock", ID=f"page{number}block", **_place(everything, transcript))
        for at, (line, outline) in enumerate(zip(transcript.lines, outlines, strict=True), start=1):
            _line(block, line, outline, f"page{number}line{at}", transcript)


def _line(
    block: etree._Element, line: Line, outline: tuple[Point, ...], name: str, transcript: Transcript
) -> None:
    attributes: dict[str, object] = {"ID": name}
    if len(line.baseline) >= 2:
        attributes["BASELINE"] = points_text(line.baseline, transcript)
    element = _add(block, "TextLine", **attributes, **_place(outline, transcript))
    _add(_add(element, "Shape"), "Polygon", POINTS=points_text(outline, transcript))
    for number, word in enumerate(boxed_words(line, transcript)):
        if number:
            _add(element, "SP")
        assert word.box is not None
        content: dict[str, object] = {"CONTENT": xml_text(word.text)}
        if word.confidence is not None and math.isfinite(word.confidence):
            content["WC"] = format_confidence(word.confidence)
        _add(element, "String", **content, **_place(corners(word.box), transcript))


def _place(points: Iterable[Point], transcript: Transcript) -> dict[str, object]:
    left, top, right, bottom = bounds(whole_pixels(points, transcript))
    return {"HPOS": left, "VPOS": top, "WIDTH": right - left, "HEIGHT": bottom - top}
