"""Draw a page and its transcript side by side.

The page has its lines outlined and numbered; the other panel has their texts in the same places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.formats.layout.shapes import outline_of
from recog.text.bidi import base_direction, is_right_to_left
from recog.transcript import Line, Point, Transcript
from recog.visualise.draw import (
    INK,
    PLAIN,
    RULE,
    SOFT,
    WHITE,
    Canvas,
    Colour,
    TextPainter,
    blank,
    colour_of,
    legend,
)

MAX_WIDTH, MAX_HEIGHT = 1500, 2200  # pixels of a page in the picture
MAX_LINES = 2000  # that are drawn
MARGIN, HEADER = 24, 56
OPACITY = 0.16  # of the filled outlines
FONT_RANGE = (0.45, 0.75)  # smallest and largest font size, in heights of a line
MIN_FONT, MAX_FONT = 10, 44  # font sizes in pixels
MAX_LEVEL_ANGLE = 3.0  # degrees of slope up to which a text is drawn level
Points = NDArray[np.float64]


@dataclass(frozen=True)
class PlacedLine:
    """A line in the picture.

    Attributes:
        outline, baseline: points of shape (n, 2) in pixels of the picture.
        located: whether the transcript has an outline or baseline; else the line is the whole
            image.
    """

    line: Line
    number: int
    outline: Points
    baseline: Points
    colour: Colour
    located: bool

    @property
    def angle(self) -> float:
        """The slope of the baseline in degrees, clockwise."""
        (x0, y0), (x1, y1) = self.baseline[0], self.baseline[-1]
        return math.degrees(math.atan2(y1 - y0, x1 - x0))

    @property
    def middle(self) -> Points:
        return np.asarray((self.baseline[0] + self.baseline[-1]) / 2)

    @property
    def length(self) -> float:
        return float(np.hypot(*(self.baseline[-1] - self.baseline[0])))

    @property
    def height(self) -> float:
        """The mean height of the outline."""
        return float(cv2.contourArea(self.outline.astype(np.float32))) / max(self.length, 1.0)


def draw_page(image: NDArray[np.uint8], transcript: Transcript, painter: TextPainter) -> Canvas:
    """Draw a page on the left, or above if it is very wide, and its texts beside it.

    Args:
        image: grey page (height, width).
        transcript: of this page, which is scaled to the image.
        painter: draws the text.
    """
    height, width = image.shape
    scale = min(MAX_WIDTH / width, MAX_HEIGHT / height, 2.0)
    beside = width <= 2 * height
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    page = np.repeat(
        cv2.resize(image, shape, interpolation=smaller)[:, :, None].astype(np.uint8), 3, axis=2
    )
    placed = _placed(transcript, image.shape, scale)
    left = _outlined(page, placed, painter)
    right = _written(blank(*shape), placed, painter)
    gap = blank(MARGIN, shape[1]) if beside else blank(shape[0], MARGIN)
    both = np.concatenate([left, gap, right], axis=1 if beside else 0)
    canvas = blank(max(both.shape[1], 700) + 2 * MARGIN, both.shape[0] + HEADER + MARGIN)
    canvas[HEADER : HEADER + both.shape[0], MARGIN : MARGIN + both.shape[1]] = both
    _header(canvas, transcript, painter)
    return canvas


def _placed(transcript: Transcript, shape: tuple[int, ...], scale: float) -> list[PlacedLine]:
    height, width = shape
    page_size = transcript.size if transcript.size and min(transcript.size) > 0 else (width, height)
    across, down = scale * width / page_size[0], scale * height / page_size[1]
    limit = np.array([width * scale, height * scale])

    def points(shape: tuple[Point, ...]) -> Points:
        return np.clip(
            np.array(shape, np.float64).reshape(-1, 2) * (across, down), -limit, 2 * limit
        )

    placed = []
    for number, line in enumerate(transcript.lines[:MAX_LINES], start=1):
        outline = points(outline_of(line, transcript) if transcript.size else line.polygon)
        if len(outline) < 3:
            continue
        baseline = points(line.baseline)
        if len(baseline) < 2:
            (x0, y0), (x1, y1) = outline.min(axis=0), outline.max(axis=0)
            baseline = np.array([(x0, y0 + 0.75 * (y1 - y0)), (x1, y0 + 0.75 * (y1 - y0))])
        colour = colour_of(line.confidence, PLAIN[number % len(PLAIN)])
        placed.append(
            PlacedLine(line, number, outline, baseline, colour, bool(line.polygon or line.baseline))
        )
    return placed


def _outlined(page: Canvas, placed: list[PlacedLine], painter: TextPainter) -> Canvas:
    """Draw the outlines, baselines and numbers of the lines on the page."""
    placed = [item for item in placed if item.located]
    filled = page.copy()
    for item in placed:
        cv2.fillPoly(filled, [np.rint(item.outline).astype(np.int32)], item.colour)
    page = np.asarray(cv2.addWeighted(filled, OPACITY, page, 1.0 - OPACITY, 0.0), np.uint8)
    for item in placed:
        cv2.polylines(
            page, [np.rint(item.outline * 8).astype(np.int32)], True, item.colour, 1, cv2.LINE_AA, 3
        )
        cv2.polylines(
            page,
            [np.rint(item.baseline * 8).astype(np.int32)],
            False,
            item.colour,
            2,
            cv2.LINE_AA,
            3,
        )
    size = _size(placed, painter)
    for item in placed:
        _number(page, item, painter, max(12, round(0.7 * size)))
    return page


def _number(page: Canvas, item: PlacedLine, painter: TextPainter, size: int) -> None:
    """Draw a line's number on a tag before the line, as far as there is room."""
    text = str(item.number)
    width, height = painter.width(text, size, 600) + size, round(1.35 * size)
    left = round(min(max(item.baseline[0][0] - width - 3, 0), page.shape[1] - width))
    top = round(min(max(item.baseline[0][1] - 0.8 * height, 0), page.shape[0] - height))
    radius = height // 2
    for x in (left + radius, left + width - radius):
        cv2.circle(page, (x, top + radius), radius, item.colour, -1, cv2.LINE_AA)
    cv2.rectangle(
        page, (left + radius, top), (left + width - radius, top + 2 * radius), item.colour, -1
    )
    painter.put(page, text, left + size / 2, top + 1.03 * size, size, WHITE, 600)


def _size(placed: list[PlacedLine], painter: TextPainter) -> int:
    """The font size for a page, at which most texts are as long as their lines."""
    height = median([item.height for item in placed] or [30.0])
    sizes = [
        20 * item.length / max(1, painter.width(item.line.text, 20))
        for item in placed
        if item.line.text
    ]
    fitting = float(np.quantile(sizes, 0.25)) if sizes else 0.0
    size = min(max(fitting, FONT_RANGE[0] * height), FONT_RANGE[1] * height)
    return round(min(max(size, MIN_FONT), MAX_FONT))


def _written(panel: Canvas, placed: list[PlacedLine], painter: TextPainter) -> Canvas:
    """Draw the text of each line in its place, with its number and confidence."""
    cv2.rectangle(panel, (0, 0), (panel.shape[1] - 1, panel.shape[0] - 1), RULE, 1)
    size = _size(placed, painter)
    for item in placed:
        words = _words(item)
        natural = painter.width_of_words((word for word, _ in words), size)
        fitting = max(MIN_FONT, min(size, round(size * item.length / max(natural, 1))))
        if abs(item.angle) <= MAX_LEVEL_ANGLE:
            _line(panel, item, words, painter, fitting, *item.middle)
        else:
            panel = _turned(panel, item, words, painter, fitting)
    return panel


def _words(item: PlacedLine) -> list[tuple[str, Colour]]:
    """A line's words with their colours.

    Words that do not match the text of the line are replaced by those of the text.
    """
    line = item.line
    plain = INK if line.confidence is None else item.colour
    if " ".join(word.text for word in line.words).split() == line.text.split():
        return [(word.text, colour_of(word.confidence, plain)) for word in line.words]
    return [(word, plain) for word in line.text.split()]


def _line(
    panel: Canvas,
    item: PlacedLine,
    words: list[tuple[str, Colour]],
    painter: TextPainter,
    size: int,
    middle: float,
    level: float,
) -> None:
    """Draw the text of a line around ``middle``."""
    small = max(9, round(0.6 * size))
    width = painter.width_of_words((word for word, _ in words), size)
    left = middle - item.length / 2
    if is_right_to_left(item.line.text) and base_direction(item.line.text) == "R":
        left = middle + item.length / 2 - width
    left = max(left, painter.width("000", small))
    left = max(2, min(left, panel.shape[1] - width - painter.width("100 %", small) - 8))
    painter.put(
        panel,
        str(item.number),
        left - painter.width(str(item.number), small) - 6,
        level,
        small,
        SOFT,
    )
    painter.put_words(panel, words, left, level, size)
    if item.line.confidence is not None:
        percent = f"{100 * min(1.0, max(0.0, item.line.confidence)):.0f}"
        painter.put(panel, percent, left + width + 6, level, small, SOFT)


def _turned(
    panel: Canvas,
    item: PlacedLine,
    words: list[tuple[str, Colour]],
    painter: TextPainter,
    size: int,
) -> Canvas:
    """Draw the text of a sloping line: level first, then rotated onto its baseline."""
    length = round(min(item.length, 4 * max(panel.shape)))
    strip = blank(max(length, 1) + 12 * size, 3 * size)
    _line(strip, item, words, painter, size, strip.shape[1] / 2, 2 * size)
    (x, y), angle = item.middle, math.radians(item.angle)
    cos, sin = math.cos(angle), math.sin(angle)
    cx, cy = strip.shape[1] / 2, 2.0 * size
    matrix = np.array([[cos, -sin, x - cos * cx + sin * cy], [sin, cos, y - sin * cx - cos * cy]])
    where = (panel.shape[1], panel.shape[0])
    turned = cv2.warpAffine(strip, matrix, where, flags=cv2.INTER_CUBIC, borderValue=WHITE)
    return np.asarray(np.minimum(panel, turned), np.uint8)


def _header(canvas: Canvas, transcript: Transcript, painter: TextPainter) -> None:
    words = [
        word.confidence
        for line in transcript.lines
        for word in line.words
        if word.confidence is not None
    ]
    about = f"{len(transcript.lines)} lines" if len(transcript.lines) != 1 else "1 line"
    if transcript.model:
        about += f", read by {transcript.model}"
    if words:
        about += f", mean confidence {100 * sum(words) / len(words):.0f} %"
    y = HEADER - 22
    at = MARGIN + painter.put(
        canvas, transcript.source.replace("\\", "/").rpartition("/")[2], MARGIN, y, 20, INK, 600
    )
    painter.put(canvas, about, at + 16, y, 16, SOFT)
    if words:
        legend(canvas, painter, canvas.shape[1] - MARGIN, y, 15)
