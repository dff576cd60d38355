"""ALTO (Library of Congress, https://www.loc.gov/standards/alto/): pages of lines of words. Written
is ALTO 4, read is any version. :mod:`recog.formats.layout.alto_reader` is the reading half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from lxml import etree

from recog.errors import UsageError
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
from recog.transcript import Line, Point, Transcript

__all__ = ["NAMESPACE", "read", "write"]


def write(transcript: Transcript) -> str:
    """On each page one block that holds every line, in order: baseline, outline, and a ``String``
    for each word, or for the line where its words have no boxes. ALTO holds no alternatives of a
    line, and confidences of words alone.

    Raises:
        UsageError: the transcript is of sound.
    """
    if transcript.size is None:
        raise UsageError(
            f"{transcript.source} is sound, and ALTO describes images; choose another format."
        )
    root = etree.Element(_name("alto"), nsmap={None: NAMESPACE})
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
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written.decode("utf-8")


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
        own: dict[str, object] = {"CONTENT": xml_text(word.text)}
        if word.confidence is not None and math.isfinite(word.confidence):
            own["WC"] = format_confidence(word.confidence)
        _add(element, "String", **own, **_place(corners(word.box), transcript))


def _place(points: Iterable[Point], transcript: Transcript) -> dict[str, object]:
    left, top, right, bottom = bounds(whole_pixels(points, transcript))
    return {"HPOS": left, "VPOS": top, "WIDTH": right - left, "HEIGHT": bottom - top}


def _add(parent: etree._Element, tag: str, **attributes: object) -> etree._Element:
    return etree.SubElement(
        parent, _name(tag), {key: str(value) for key, value in attributes.items()}
    )


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"
