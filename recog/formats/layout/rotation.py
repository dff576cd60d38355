"""Rotation of points, boxes and lines by quarter turns of their image, counter-clockwise.

``size`` is (width, height) before the rotation; one less for coordinates that count pixels from 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recog.formats.layout.shapes import Box, bounds
from recog.media.image.line_crop import reading_direction
from recog.transcript import Line, Point, Word


def rotate_point(point: Point, turns: int, size: tuple[float, float]) -> Point:
    """Rotate a point."""
    x, y = point
    width, height = size
    return ((x, y), (y, width - x), (width - x, height - y), (height - y, x))[turns % 4]


def rotate_box(box: Box, turns: int, size: tuple[float, float]) -> Box:
    """Rotate a box; it again goes from its upper left to its lower right corner."""
    return bounds(rotate_point(corner, turns, size) for corner in (box[:2], box[2:]))


def rotate_line(line: Line, turns: int, size: tuple[float, float]) -> Line:
    """Rotate a line and its words."""

    def rotate_word(word: Word) -> Word:
        return word if word.box is None else replace(word, box=rotate_box(word.box, turns, size))

    if turns % 4 == 0:
        return line
    polygon, baseline = (
        tuple(rotate_point(p, turns, size) for p in points)
        for points in (line.polygon, line.baseline)
    )
    return replace(
        line, polygon=polygon, baseline=baseline, words=tuple(map(rotate_word, line.words))
    )


def line_direction(line: Line) -> int:
    """Return a line's direction: 0 right, 1 down, 2 left, 3 up; so many turns make it upright."""
    if len(line.baseline) < 2:
        return 0
    baseline = np.array(line.baseline)
    if line.polygon:
        baseline = reading_direction(baseline, np.array(line.polygon))
    across, down = baseline[-1] - baseline[0]
    if abs(across) >= abs(down):
        return 0 if across >= 0 else 2
    return 1 if down > 0 else 3
