"""Polygons, boxes and text of lines and words, as the XML formats of pages write them."""

from __future__ import annotations

from collections.abc import Iterable

from recog.formats.layout.xml import parse_number
from recog.transcript import Line, Point, Transcript, Word

Box = tuple[float, float, float, float]  # left, top, right, bottom


def outline_of(line: Line, transcript: Transcript) -> tuple[Point, ...]:
    """Return the line's polygon, or else the box of its words, or else the whole image."""
    assert transcript.size is not None
    width, height = transcript.size
    return line.polygon or corners(
        _words_box(line.words) or (0.0, 0.0, float(width), float(height))
    )


def boxed_words(line: Line, transcript: Transcript) -> tuple[Word, ...]:
    """Return the line's words with boxes; the whole line as one word if they lack boxes or text."""
    boxed = line.words and all(word.box is not None for word in line.words)
    if boxed and " ".join(word.text for word in line.words) == line.text:
        return line.words
    return (Word(line.text, box=bounds(outline_of(line, transcript)), confidence=line.confidence),)


def corners(box: Box) -> tuple[Point, ...]:
    """Return the four corners of a box, clockwise."""
    left, top, right, bottom = box
    return (left, top), (right, top), (right, bottom), (left, bottom)


def bounds(points: Iterable[Point]) -> Box:
    """Return the bounding box of points."""
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across), max(down)


def whole_pixels(points: Iterable[Point], transcript: Transcript) -> list[tuple[int, int]]:
    """Round points to whole pixels inside the image."""
    assert transcript.size is not None
    width, height = transcript.size
    return [
        (min(max(round(x), 0), max(0, width - 1)), min(max(round(y), 0), max(0, height - 1)))
        for x, y in points
    ]


def points_text(points: Iterable[Point], transcript: Transcript) -> str:
    """Write points as ``x,y x,y``, the syntax of PAGE and ALTO."""
    return " ".join(f"{x},{y}" for x, y in whole_pixels(points, transcript))


def format_confidence(confidence: float) -> str:
    """Write a confidence, clipped to 0 to 1, with four decimals."""
    return f"{min(1.0, max(0.0, confidence)):.4f}"


def parse_size(width: str | None, height: str | None) -> tuple[int, int] | None:
    """Parse the (width, height) of an image into whole pixels; None where a file does not say."""
    sides = parse_number(width), parse_number(height)
    if sides[0] is None or sides[1] is None or min(round(sides[0]), round(sides[1])) < 1:
        return None
    return round(sides[0]), round(sides[1])


def strip_layout_space(text: str) -> str:
    """Strip the white space by which XML is indented; other spaces are text."""
    return text.strip(" \t\r\n")


def xml_text(text: str) -> str:
    """Remove the characters that XML 1.0 cannot hold."""
    return "".join(
        c
        for c in text
        if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )


def _words_box(words: Iterable[Word]) -> Box | None:
    points = [corner for word in words if word.box is not None for corner in corners(word.box)]
    return bounds(points) if points else None
