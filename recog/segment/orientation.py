"""Orientation of a page: detect by how many quarter turns it stands upright, and turn it.

A page stays as it is unless there is good evidence against it. The geometry network gives the axis
of the lines and guesses the direction in which they are read. The recogniser then reads a few lines
in both directions and is much more confident when they stand upright: by 0.15 to 0.35 nats a frame,
on lines of fifteen collections, three of them in scripts or languages outside its training. One
line alone decides correctly in 98 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.media.image.line_crop import cut_line
from recog.segment.page_geometry import PageGeometry
from recog.segment.page_lines import Lines, PageSegmenter

LINES_READ = 6  # in both directions: the longest lines of the page
NOTHING_READ = -10.0  # nats a frame of a page on which no line can be read
DOUBT = 0.05  # Nats a frame by which a page must read better turned than as it is,
# plus NOISE over the root of the number of frames: scores vary by so much from frame to frame.
NOISE = 0.5
# nats a frame that the direction of the geometry network counts for, where it is certain
GUESS = 0.1
# nats a frame by which a line must read better upright to spare the second reading
CLEAR = 0.1
LEAST_FRAMES = 8  # frames that must be read before a page is turned
SIDEWAYS = 1.5  # length of baselines along the other axis, to the length of level baselines
FAR_MORE = 3.0  # the same ratio, from which it is enough that the lines can be read
POORLY_READ = -0.6  # nats a frame; upright pages score -0.05 to -0.55
# certainty of the direction from which a page is first tried as the geometry network says
CLEAR_DIRECTION = 0.4
MANY_CELLS = 100  # cells with writing, from which the axis of a page is reliable
UNSURE_AXIS = 0.6  # certainty of the axis below which the other axis is tried, too

ScoreLine = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class OrientationScore(NamedTuple):
    """Lines of a page after so many quarter turns, and how well they read, also upside down.

    Attributes:
        turns: by 90 degrees counter-clockwise.
        lines: on the turned page.
        upright, upside_down: mean score in nats a frame, over ``frames`` frames.
    """

    turns: int
    lines: Lines
    upright: float
    upside_down: float
    frames: int

    @property
    def length(self) -> float:
        """Pixels of all baselines together."""
        return sum(abs(baseline[-1][0] - baseline[0][0]) for baseline, _ in self.lines)


def score_orientation(
    image: NDArray[np.uint8], lines: Lines, turns: int, score_line: ScoreLine
) -> OrientationScore:
    """Read the longest lines of a turned page in both directions."""
    sums, frames = np.zeros(2), np.zeros(2, int)
    longest = sorted(lines, key=lambda line: line[0][0][0] - line[0][-1][0])
    for baseline, polygon in longest[:LINES_READ]:
        try:
            line = cut_line(image, polygon, baseline).image
        except UserError:  # a sliver at the page's edge
            continue
        for k, way in enumerate((line, np.ascontiguousarray(line[::-1, ::-1]))):
            values = score_line(way)
            sums[k] += float(values.sum())
            frames[k] += len(values)
    upright, upside_down = np.where(frames > 0, sums / np.maximum(frames, 1), NOTHING_READ)
    return OrientationScore(turns, lines, float(upright), float(upside_down), int(frames.min()))


def find_upright(
    image: NDArray[np.uint8],
    segmenter: PageSegmenter,
    score_line: ScoreLine,
    *,
    marginalia: bool = False,
    table: bool | None = None,
) -> tuple[int, Lines]:
    """Detect the counter-clockwise quarter turns that make a page upright; with its lines.

    Args:
        image: (height, width).
        segmenter: finds lines and the geometry of pages.
        score_line: maps a line image to the log-probability of the best symbol in each frame that
            is no blank.
        marginalia: keep lines that are no main text.
        table: whether the page is a table; None detects it.
    """
    geometry = segmenter.geometry(image)

    def score_at(turns: int) -> OrientationScore:
        turned = np.ascontiguousarray(np.rot90(image, turns))
        lines = segmenter.lines(turned, geometry.turned(turns), marginalia=marginalia, table=table)
        return score_orientation(turned, lines, turns, score_line)

    def better_way(turns: int) -> OrientationScore:
        """The page after so many turns, or two more where it reads better."""
        score = score_at(turns)
        if score.frames < LEAST_FRAMES or score.upright > score.upside_down + CLEAR:
            return score
        other = score_at((turns + 2) % 4)
        # in doubt a page stays as it is
        margin = 0.0 if turns % 2 else DOUBT if turns == 0 else -DOUBT
        margin -= (
            GUESS
            * geometry.certainty
            * float(np.cos(np.deg2rad(geometry.turned(other.turns).angle)))
        )
        margin += NOISE / max(1, min(score.frames, other.frames)) ** 0.5
        return (
            other
            if other.frames >= LEAST_FRAMES and other.upright > score.upright + margin
            else score
        )

    guess = geometry.quarter
    best = better_way(2 if guess == 2 and geometry.certainty > CLEAR_DIRECTION else 0)
    if guess % 2 or (geometry.axis_certainty < UNSURE_AXIS and best.upright < POORLY_READ):
        turned = better_way(guess if guess % 2 else 1)
        best = turned if _is_sideways(best, turned, geometry) else best
    return best.turns, best.lines


def _is_sideways(level: OrientationScore, turned: OrientationScore, geometry: PageGeometry) -> bool:
    """Whether the lines of a page run along the axis of ``turned``.

    They do where that axis has more readable lines and the geometry agrees, or far more lines, or
    more lines that read better. A page with one part turned stays as it is.
    """
    agreed = (
        geometry.quarter % 2 == 1
        and geometry.axis_certainty > UNSURE_AXIS
        and geometry.cells > MANY_CELLS
    )
    if turned.frames < LEAST_FRAMES:
        return False
    if level.frames < LEAST_FRAMES and (agreed or turned.upright > POORLY_READ):
        return True
    if turned.upright < POORLY_READ:
        return False
    if turned.length > (SIDEWAYS if agreed else FAR_MORE) * level.length:
        return True
    margin = DOUBT + NOISE / min(level.frames, turned.frames) ** 0.5
    return turned.length > SIDEWAYS * level.length and turned.upright > level.upright + margin
