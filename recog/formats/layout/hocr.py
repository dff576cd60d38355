"""hOCR 1.2, pages of lines of words as XHTML (https://kba.github.io/hocr-spec/1.2/)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

import numpy as np
from lxml import etree

from recog.errors import UserError
from recog.formats.layout.rotation import line_direction
from recog.formats.layout.shapes import (
    Box,
    bounds,
    boxed_words,
    corners,
    outline_of,
    whole_pixels,
    xml_text,
)
from recog.formats.layout.xml import (
    MAX_XML_BYTES,
    Element,
    descendants,
    new_root,
    parse_number,
    parse_text,
    to_xml,
)
from recog.formats.layout.xml import add_element as _add
from recog.formats.media_checks import require_image
from recog.transcript import Line, Point, Transcript, Word

XHTML = "http://www.w3.org/1999/xhtml"
DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'
)
LINES = frozenset(
    ("ocr_line", "ocrx_line", "ocr_header", "ocr_footer", "ocr_caption", "ocr_textfloat")
)
_SYSTEM = re.compile(r"recog \((.*)\)", re.DOTALL)
_IMAGE = re.compile(r"""image\s+(?:"([^"]*)"|'([^']*)')""")
CAPABILITIES = "ocr_page ocr_carea ocr_line ocrx_word ocrp_wconf"


def write(transcript: Transcript) -> str:
    """Write each page (``ocr_page``) as one area (``ocr_carea``) of lines and words.

    ``x_wconf`` is the confidence in percent. A bent baseline is written as the straight line
    nearest to it. A line that does not run to the right has no baseline; ``textangle`` gives its
    rotation in degrees, counter-clockwise.

    Raises:
        UsageError: the transcript is of sound.
    """
    require_image(transcript, "hOCR describes images")
    root = new_root("html", XHTML)
    head = _add(root, "head")
    _add(head, "title").text = xml_text(transcript.source)
    _add(head, "meta", **{"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    system = f"recog ({xml_text(transcript.model)})" if transcript.model else "recog"
    _add(head, "meta", name="ocr-system", content=system)
    _add(head, "meta", name="ocr-capabilities", content=CAPABILITIES)
    body = _add(root, "body")
    for number, page in enumerate(transcript.pages or [transcript], start=1):
        _page(body, page, number)
    return to_xml(root, DOCTYPE)


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
    for at, word in enumerate(boxed_words(line, transcript), start=1):
        assert word.box is not None
        place = _bbox((word.box[:2], word.box[2:]), transcript)
        if word.confidence is not None and math.isfinite(word.confidence):
            place += f"; x_wconf {round(100 * min(1.0, max(0.0, word.confidence)))}"
        span = _add(
            element, "span", **{"class": "ocrx_word", "id": f"word_{name}_{at}", "title": place}
        )
        span.text = xml_text(word.text)
        span.tail = " "


def _baseline(line: Line, outline: tuple[Point, ...], transcript: Transcript) -> str:
    """Return ``baseline SLOPE OFFSET``, relative to the lower left corner of the line's box."""
    if len(line.baseline) < 2:
        return ""
    angle = (0, 270, 180, 90)[line_direction(line)]
    points = np.array(line.baseline)
    if angle or np.ptp(points[:, 0]) < 1:
        return f"; textangle {angle}" if angle else ""
    left, _, _, bottom = bounds(whole_pixels(outline, transcript))
    slope, offset = np.polyfit(points[:, 0] - left, points[:, 1] - bottom, 1)
    return f"; baseline {round(float(slope), 4) + 0.0:g} {round(float(offset)) + 0}"


def _bbox(points: Iterable[Point], transcript: Transcript) -> str:
    left, top, right, bottom = bounds(whole_pixels(points, transcript))
    return f"bbox {left:g} {top:g} {right:g} {bottom:g}"


def _quoted(name: str) -> str:
    """Return a file's name for a property, whose strings cannot hold quotation marks."""
    return xml_text(name).replace('"', "'").replace("\n", " ")


def read(text: str, *, source: str = "") -> Transcript:
    """Read an hOCR file, as XHTML or HTML; see :func:`read_root`.

    Raises:
        UserError: the text is not hOCR.
    """
    name = source or "The text"
    try:
        root = parse_text(text, name)
    except UserError:
        content = text.encode("utf-8", errors="replace")
        parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True)
        try:
            root = etree.fromstring(content, parser) if len(content) <= MAX_XML_BYTES else None
        except etree.XMLSyntaxError:
            root = None
        if root is None:
            raise
    return read_root(root, source=source)


def read_root(root: Element, *, source: str = "") -> Transcript:
    """Read the lines of each page in the file's order, with boxes, baselines and words.

    Raises:
        UserError: there is no ``ocr_page``.
    """
    name = source or "The text"
    system = next(
        (e.get("content", "") for e in descendants(root, "meta") if e.get("name") == "ocr-system"),
        "",
    )
    model = _SYSTEM.fullmatch(system)
    pages = [
        Transcript(
            _image_of(page) or source,
            tuple(map(_read_line, _of_class(page, LINES))),
            model[1] if model else "",
            size=_size_of(page),
        )
        for page in _of_class(root, frozenset(("ocr_page",)))
    ]
    if not pages:
        raise UserError(f"{name} is not hOCR: it has no ocr_page; give an hOCR file.")
    return Transcript.of_pages(pages[0].source, pages)


def _of_class(element: Element, names: frozenset[str]) -> Iterator[Element]:
    return (
        e
        for e in element.iter()
        if isinstance(e.tag, str) and not names.isdisjoint(e.get("class", "").split())
    )


def _properties(element: Element) -> dict[str, list[float]]:
    """Return the numbers after each name in an element's title, as ``bbox 0 0 10 10``."""
    properties: dict[str, list[float]] = {}
    for part in element.get("title", "").split(";"):
        name, *values = part.split() or [""]
        numbers = [value for value in map(parse_number, values) if value is not None]
        if len(numbers) == len(values):
            properties[name] = numbers
    return properties


def _box(properties: dict[str, list[float]]) -> Box | None:
    sides = properties.get("bbox", [])
    if len(sides) != 4 or sides[0] > sides[2] or sides[1] > sides[3]:
        return None
    left, top, right, bottom = sides
    return left, top, right, bottom


def _size_of(page: Element) -> tuple[int, int]:
    box = _box(_properties(page))
    return (0, 0) if box is None else (round(box[2]), round(box[3]))


def _image_of(page: Element) -> str:
    match = _IMAGE.search(page.get("title", ""))
    return (match[1] or match[2] or "") if match else ""


def _read_line(line: Element) -> Line:
    properties = _properties(line)
    box, foot = _box(properties), properties.get("baseline", [])
    words = tuple(map(_read_word, _of_class(line, frozenset(("ocrx_word", "ocr_word")))))
    text = " ".join(word.text for word in words if word.text) if words else _text(line)
    if len(words) == 1 and " " in text:  # no word, but the line
        words = ()
    baseline: tuple[Point, ...] = ()
    if box is not None and len(foot) == 2 and "textangle" not in properties:
        slope, offset = foot
        baseline = (
            (box[0], box[3] + offset),
            (box[2], box[3] + offset + slope * (box[2] - box[0])),
        )
    return Line(text, words, polygon=() if box is None else corners(box), baseline=baseline)


def _read_word(word: Element) -> Word:
    properties = _properties(word)
    percent = properties.get("x_wconf", [])
    confidence = min(1.0, max(0.0, percent[0] / 100)) if len(percent) == 1 else None
    return Word(_text(word), box=_box(properties), confidence=confidence)


def _text(element: Element) -> str:
    return " ".join("".join(map(str, element.itertext())).split())
