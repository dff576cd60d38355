"""Which way a page is turned, decided by what can be read on it.

A page lies as it should unless there is good evidence against it. The geometry network says along
which axis the lines run and guesses which way they are read; a recogniser then reads a few of them
in both directions, and is much surer of what it reads when it stands upright: on lines of fifteen
collections, three of them in scripts or languages that the recogniser never saw, by 0.15 to 0.35
nats a frame, and one line alone tells it in 98 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.media.image.line_crop import cut_line
from recog.segment.page_geometry import PageGeometry
from recog.segment.page_lines import Lines

LINES_READ = 6  # in both directions; the longest of the page
NOTHING_READ = -10.0  # nats a frame where no line can be read
DOUBT = 0.05  # nats a frame by which a page must read better turned than as it lies,
# and this over the root of the frames that were read beside it: what is read varies by so much from
# frame to frame
NOISE = 0.5
# nats a frame that the geometry network's opinion of the direction counts for, where it is certain
GUESS = 0.1
CLEAR = (
    # nats a frame by which a line reads better upright than on its head where the page need not be
    # looked at again
    0.1
)
LEAST_FRAMES = 8  # that must be read before a page is turned
SIDEWAYS = 1.5  # times the length of its level baselines that those along the other axis must have
FAR_MORE = 3.0  # times that length: then it is enough that they can be read
POORLY_READ = -0.6  # nats a frame: pages that stand upright are read with -0.05 to -0.55
CLEAR_DIRECTION = (
    0.4  # certainty of the geometry network from which a page is first looked at as it says
)
MANY_CELLS = 100  # that are written on, of a page whose axis the network can be sure of
UNSURE_AXIS = 0.6  # certainty of its axis below which the other axis is looked at, too

ScoreLine = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Finder(Protocol):
    """What finds lines; see :class:`recog.segment.page_lines.PageSegmenter`."""

    def geometry(self, image: NDArray[np.uint8]) -> PageGeometry: ...
    def lines(
        self,
        image: NDArray[np.uint8],
        geometry: PageGeometry | None = None,
        *,
        marginalia: bool = False,
        table: bool | None = None,
    ) -> Lines: ...


class OrientationScore(NamedTuple):
    """What is found on a page turned so many times, and how well that reads there and on its head.

    Attributes:
        turns: by 90 degrees counter-clockwise.
        lines: as they are found.
        upright, upside_down: mean certainty in nats a frame, over ``frames`` frames.
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
    """Read the longest of the lines of a page that was turned, in both directions."""
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
    finder: Finder,
    score_line: ScoreLine,
    *,
    marginalia: bool = False,
    table: bool | None = None,
) -> tuple[int, Lines]:
    """How often a grey page must be turned by 90 degrees counter-clockwise to stand upright, and
    its lines then.

    Args:
        image: (height, width).
        finder: finds lines and the geometry of pages.
        score_line: gives for the image of a line the log-probability of the best symbol in each
            frame that is no blank.
        marginalia: also lines that are no writing of the page's own.
        table: whether the page is a table; None finds out.
    """
    geometry = finder.geometry(image)

    def side_at(turns: int) -> OrientationScore:
        turned = np.ascontiguousarray(np.rot90(image, turns))
        lines = finder.lines(turned, geometry.turned(turns), marginalia=marginalia, table=table)
        return score_orientation(turned, lines, turns, score_line)

    def upright_side(turns: int) -> OrientationScore:
        """The page at so many turns, or on its head where it reads better so."""
        side = side_at(turns)
        if side.frames < LEAST_FRAMES or side.upright > side.upside_down + CLEAR:
            return side
        other = side_at((turns + 2) % 4)
        # in doubt a page stays as it lies
        needed = 0.0 if turns % 2 else DOUBT if turns == 0 else -DOUBT
        needed -= (
            GUESS
            * geometry.certainty
            * float(np.cos(np.deg2rad(geometry.turned(other.turns).angle)))
        )
        needed += NOISE / max(1, min(side.frames, other.frames)) ** 0.5
        return (
            other
            if other.frames >= LEAST_FRAMES and other.upright > side.upright + needed
            else side
        )

    guess = geometry.quarter
    level = upright_side(2 if guess == 2 and geometry.certainty > CLEAR_DIRECTION else 0)
    if guess % 2 or (geometry.axis_certainty < UNSURE_AXIS and level.upright < POORLY_READ):
        turned = upright_side(guess if guess % 2 else 1)
        level = turned if _is_sideways(level, turned, geometry) else level
    return level.turns, level.lines


def _is_sideways(level: OrientationScore, turned: OrientationScore, geometry: PageGeometry) -> bool:
    """Whether the lines of a page run along the axis of ``turned``.

    There are more of them there that can be read, and all of the page agrees; or far more; or more
    that read better. A page of which a part is turned stays as it lies.
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
    needed = DOUBT + NOISE / min(level.frames, turned.frames) ** 0.5
    return turned.length > SIDEWAYS * level.length and turned.upright > level.upright + needed
