"""hOCR 1.2 (https://kba.github.io/hocr-spec/1.2/): pages of lines of words, as XHTML."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from lxml import etree

from recog.errors import UsageError
from recog.formats.shapes import bounds, clean, inside, outline_of, words_of
from recog.formats.turning import way_of
from recog.transcript import Line, Point, Transcript

XHTML = "http://www.w3.org/1999/xhtml"
DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'
)
CAPABILITIES = "ocr_page ocr_carea ocr_line ocrx_word ocrp_wconf"


def write(transcript: Transcript) -> str:
    """A page (``ocr_page``) or several, each with one area (``ocr_carea``) of lines with baselines and words.

    ``x_wconf`` is the confidence in per cent. A baseline that is bent is given by the straight line nearest to it; one of
    a line that does not run to the right is left out, and ``textangle`` says how far it is turned, counter-clockwise.

    Raises:
        UsageError: the transcript is of sound.
    """
    if transcript.size is None:
        raise UsageError(f"{transcript.source} is sound, and hOCR describes images; choose another format.")
    root = etree.Element(f"{{{XHTML}}}html", nsmap={None: XHTML})
    head = _add(root, "head")
    _add(head, "title").text = clean(transcript.source)
    _add(head, "meta", **{"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    system = f"recog ({clean(transcript.model)})" if transcript.model else "recog"
    _add(head, "meta", name="ocr-system", content=system)
    _add(head, "meta", name="ocr-capabilities", content=CAPABILITIES)
    body = _add(root, "body")
    for number, page in enumerate(transcript.pages or [transcript], start=1):
        _page(body, page, number)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", doctype=DOCTYPE, pretty_print=True)
    return written.decode("utf-8")


def _page(body: etree._Element, transcript: Transcript, number: int) -> None:
    width, height = transcript.size or (0, 0)
    title = f'image "{_quoted(transcript.source)}"; bbox 0 0 {width} {height}; ppageno {number - 1}'
    page = _add(body, "div", **{"class": "ocr_page", "id": f"page_{number}", "title": title})
    outlines = [outline_of(line, transcript) for line in transcript.lines]
    if not outlines:
        return
    around = _bbox([point for outline in outlines for point in outline], transcript)
    area = _add(page, "div", **{"class": "ocr_carea", "id": f"block_{number}_1", "title": around})
    for at, line in enumerate(transcript.lines, start=1):
        _line(area, line, f"{number}_{at}", transcript)


def _line(area: etree._Element, line: Line, name: str, transcript: Transcript) -> None:
    outline = outline_of(line, transcript)
    title = _bbox(outline, transcript) + _baseline(line, outline, transcript)
    element = _add(area, "span", **{"class": "ocr_line", "id": f"line_{name}", "title": title})
    for at, word in enumerate(words_of(line, transcript), start=1):
        assert word.box is not None
        place = _bbox((word.box[:2], word.box[2:]), transcript)
        if word.confidence is not None and math.isfinite(word.confidence):
            place += f"; x_wconf {round(100 * min(1.0, max(0.0, word.confidence)))}"
        own = _add(element, "span", **{"class": "ocrx_word", "id": f"word_{name}_{at}", "title": place})
        own.text = clean(word.text)
        own.tail = " "


def _baseline(line: Line, outline: tuple[Point, ...], transcript: Transcript) -> str:
    """``baseline SLOPE OFFSET``: from the left lower corner of the line's box, y growing downwards."""
    if len(line.baseline) < 2:
        return ""
    turned = (0, 270, 180, 90)[way_of(line)]
    points = np.array(line.baseline)
    if turned or np.ptp(points[:, 0]) < 1:
        return f"; textangle {turned}" if turned else ""
    left, _, _, bottom = bounds(inside(outline, transcript))
    slope, offset = np.polyfit(points[:, 0] - left, points[:, 1] - bottom, 1)
    return f"; baseline {round(float(slope), 4) + 0.0:g} {round(float(offset)) + 0}"


def _bbox(points: Iterable[Point], transcript: Transcript) -> str:
    left, top, right, bottom = bounds(inside(points, transcript))
    return f"bbox {left:g} {top:g} {right:g} {bottom:g}"


def _quoted(name: str) -> str:
    """A file's name in a property, whose strings cannot hold quotation marks."""
    return clean(name).replace('"', "'").replace("\n", " ")


def _add(parent: etree._Element, tag: str, **attributes: object) -> etree._Element:
    return etree.SubElement(parent, f"{{{XHTML}}}{tag}", {key: str(value) for key, value in attributes.items()})
