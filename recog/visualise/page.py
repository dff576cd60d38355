"""A page and its transcript side by side: its lines outlined and numbered, and what they say in the
same places."""

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
MAX_LINES = 2000  # drawn of one page
MARGIN, HEADER = 24, 56
FILLED = 0.16  # of an outline's colour
LETTERS = (0.45, 0.75)  # of a line's height, the size of letters: least and most
SMALLEST, LARGEST = 10, 44  # pixels of letters
LEVEL = 3.0  # degrees that a line may slope to be written level
Points = NDArray[np.float64]


@dataclass(frozen=True)
class PlacedLine:
    """A line in the picture: ``outline`` and ``baseline`` as points of shape (n, 2) in pixels of
    it; ``found`` where the transcript has either, and it is not the whole image."""

    line: Line
    number: int
    outline: Points
    baseline: Points
    colour: Colour
    found: bool

    @property
    def angle(self) -> float:
        """Degrees clockwise of its baseline."""
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
        """What the outline is high on average."""
        return float(cv2.contourArea(self.outline.astype(np.float32))) / max(self.length, 1.0)


def draw_page(image: NDArray[np.uint8], transcript: Transcript, painter: TextPainter) -> Canvas:
    """The picture: the page on the left or, where it is very wide, above.

    Args:
        image: grey page (height, width). A transcript of the same page in another size is brought
            to this one.
        transcript: of this page.
        type_: what text is written with.
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
    own_size = transcript.size if transcript.size and min(transcript.size) > 0 else (width, height)
    across, down = scale * width / own_size[0], scale * height / own_size[1]
    most = np.array([width * scale, height * scale])

    def points(found: tuple[Point, ...]) -> Points:
        return np.clip(np.array(found, np.float64).reshape(-1, 2) * (across, down), -most, 2 * most)

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
    """The page with each line's outline, baseline and number."""
    placed = [one for one in placed if one.found]
    filled = page.copy()
    for one in placed:
        cv2.fillPoly(filled, [np.rint(one.outline).astype(np.int32)], one.colour)
    page = np.asarray(cv2.addWeighted(filled, FILLED, page, 1.0 - FILLED, 0.0), np.uint8)
    for one in placed:
        cv2.polylines(
            page, [np.rint(one.outline * 8).astype(np.int32)], True, one.colour, 1, cv2.LINE_AA, 3
        )
        cv2.polylines(
            page, [np.rint(one.baseline * 8).astype(np.int32)], False, one.colour, 2, cv2.LINE_AA, 3
        )
    size = _size(placed, painter)
    for one in placed:
        _number(page, one, painter, max(12, round(0.7 * size)))
    return page


def _number(page: Canvas, one: PlacedLine, painter: TextPainter, size: int) -> None:
    """The line's number on a tag of its colour, before its beginning where there is room."""
    text = str(one.number)
    width, height = painter.width(text, size, 600) + size, round(1.35 * size)
    left = round(min(max(one.baseline[0][0] - width - 3, 0), page.shape[1] - width))
    top = round(min(max(one.baseline[0][1] - 0.8 * height, 0), page.shape[0] - height))
    radius = height // 2
    for x in (left + radius, left + width - radius):
        cv2.circle(page, (x, top + radius), radius, one.colour, -1, cv2.LINE_AA)
    cv2.rectangle(
        page, (left + radius, top), (left + width - radius, top + 2 * radius), one.colour, -1
    )
    painter.put(page, text, left + size / 2, top + 1.03 * size, size, WHITE, 600)


def _size(placed: list[PlacedLine], painter: TextPainter) -> int:
    """The size of letters that suits a page's lines: at which most are as long as they are
    written."""
    height = median([one.height for one in placed] or [30.0])
    wanted = [
        20 * one.length / max(1, painter.width(one.line.text, 20))
        for one in placed
        if one.line.text
    ]
    fitting = float(np.quantile(wanted, 0.25)) if wanted else 0.0
    size = min(max(fitting, LETTERS[0] * height), LETTERS[1] * height)
    return round(min(max(size, SMALLEST), LARGEST))


def _written(panel: Canvas, placed: list[PlacedLine], painter: TextPainter) -> Canvas:
    """The text of each line where it stands on the page, its words coloured, its number and
    confidence small beside."""
    cv2.rectangle(panel, (0, 0), (panel.shape[1] - 1, panel.shape[0] - 1), RULE, 1)
    size = _size(placed, painter)
    for one in placed:
        words = _words(one)
        natural = painter.run_width((word for word, _ in words), size)
        fitting = max(SMALLEST, min(size, round(size * one.length / max(natural, 1))))
        if abs(one.angle) <= LEVEL:
            _line(panel, one, words, painter, fitting, *one.middle)
        else:
            panel = _turned(panel, one, words, painter, fitting)
    return panel


def _words(one: PlacedLine) -> list[tuple[str, Colour]]:
    """A line's words with their colours, those of its text where they are not the same."""
    line = one.line
    plain = INK if line.confidence is None else one.colour
    if " ".join(word.text for word in line.words).split() == line.text.split():
        return [(word.text, colour_of(word.confidence, plain)) for word in line.words]
    return [(word, plain) for word in line.text.split()]


def _line(
    panel: Canvas,
    one: PlacedLine,
    words: list[tuple[str, Colour]],
    painter: TextPainter,
    size: int,
    middle: float,
    level: float,
) -> None:
    """Write a line around ``middle``, as long as its baseline where it can be."""
    small = max(9, round(0.6 * size))
    width = painter.run_width((word for word, _ in words), size)
    left = middle - one.length / 2
    if is_right_to_left(one.line.text) and base_direction(one.line.text) == "R":
        left = middle + one.length / 2 - width
    left = max(left, painter.width("000", small))
    left = max(2, min(left, panel.shape[1] - width - painter.width("100 %", small) - 8))
    painter.put(
        panel, str(one.number), left - painter.width(str(one.number), small) - 6, level, small, SOFT
    )
    painter.run(panel, words, left, level, size)
    if one.line.confidence is not None:
        sure = f"{100 * min(1.0, max(0.0, one.line.confidence)):.0f}"
        painter.put(panel, sure, left + width + 6, level, small, SOFT)


def _turned(
    panel: Canvas, one: PlacedLine, words: list[tuple[str, Colour]], painter: TextPainter, size: int
) -> Canvas:
    """The same for a line that runs another way: written level, then turned onto its baseline."""
    length = round(min(one.length, 4 * max(panel.shape)))
    strip = blank(max(length, 1) + 12 * size, 3 * size)
    _line(strip, one, words, painter, size, strip.shape[1] / 2, 2 * size)
    (x, y), angle = one.middle, math.radians(one.angle)
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
