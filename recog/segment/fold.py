"""Detect the fold between two facing pages, and split the baselines that run across it.

Where facing pages are closer than two words, the line network continues lines of the left page into
the right page. One line does not show the fold, but all lines together have a gap at the same
place. An a-contrario test decides, by its number of false alarms, whether that is more than chance
(Desolneux, Moisan and Morel 2000, "Meaningful Alignments").
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.segment.baselines import Polyline

# Lengths are in line spacings.
MIN_GAP = 0.3  # width of a gap at least
BAND = (-0.5, 0.05)  # band of a gap, from above to below the baseline
MIN_CROSSING = 2.5  # length of a line on either side of the fold
STEP = 0.06  # between the positions that are tried
INK = 80  # from which a pixel of 0 to 255 is ink
SLOPES = np.arange(-0.06, 0.0601, 0.01)  # of the fold, sideways for a pixel down
INDEPENDENT = 5  # slopes that are far enough apart to be independent tests
FALSE_ALARMS = 1e-2  # a page at most
# Of the written width left of the fold: a line over both pages begins within, a cell of the right
# page does not.
MAX_START = 0.5
MIDDLE = (0.35, 0.65)  # of the written width, where a fold may lie
MIN_WIDTH = 0.8  # written width by height of two facing pages
MIN_LINES = 4  # lines with a gap at the fold
MIN_SHARE = 0.8  # of the lines that cross the fold


class Fold(NamedTuple):
    """A steep straight line: ``x = at + slope * y``."""

    at: float
    slope: float


def split_at_fold(
    baselines: list[Polyline], ink: NDArray[np.uint8], spacing: float
) -> list[Polyline]:
    """Split the baselines that cross a fold, and keep the others.

    Args:
        baselines: (points, 2) each, from left to right, in pixels of ``ink``.
        ink: (height, width), paper 0 to ink 255.
        spacing: pixels between lines.
    """
    fold = find_fold(baselines, ink, spacing)
    if fold is None:
        return baselines
    pieces = []
    for line in baselines:
        beyond = line[:, 0] - (fold.at + fold.slope * line[:, 1])
        if beyond[0] < -spacing < spacing < beyond[-1]:
            pieces += _split_line(line, fold, spacing)
        else:
            pieces.append(line)
    return pieces


def find_fold(baselines: list[Polyline], ink: NDArray[np.uint8], spacing: float) -> Fold | None:
    """The fold at which most lines have a gap; None where gaps align no more than by chance."""
    long = [line for line in baselines if line[-1, 0] - line[0, 0] > 2 * MIN_CROSSING * spacing]
    if len(long) < MIN_LINES:
        return None
    points = np.concatenate(baselines)
    (left_most, top), (right_most, bottom) = points.min(axis=0), points.max(axis=0)
    written = right_most - left_most
    if written < MIN_WIDTH * (bottom - top):
        return None
    places = left_most + written * np.arange(*MIDDLE, STEP * spacing / written)
    gaps = np.stack([_gaps(line, ink, spacing) for line in long])
    left, right = (np.array([line[k, 0] for line in long])[:, None] for k in (0, -1))
    middle = ink.shape[0] / 2
    best, score = None, FALSE_ALARMS
    tests = INDEPENDENT * len(places) * STEP / MIN_GAP
    for slope in SLOPES:
        x = places + slope * (np.array([_height_at(line, places) for line in long]) - middle)
        crosses = (x > left + MIN_CROSSING * spacing) & (x < right - MIN_CROSSING * spacing)
        begins = left < left_most + MAX_START * (x - left_most)
        gap = (
            crosses
            & begins
            & gaps[np.arange(len(long))[:, None], np.clip(x, 0, ink.shape[1] - 1).astype(np.int64)]
        )
        alarms, place = _least_alarms(crosses, gap, tests)
        if alarms < score:
            best, score = Fold(float(places[place] - slope * middle), float(slope)), alarms
    return best


def _least_alarms(
    crosses: NDArray[np.bool_], gap: NDArray[np.bool_], tests: float
) -> tuple[float, int]:
    """The least number of false alarms, and the middle of the places (columns) that have it."""
    chance = float(gap.sum() / max(1, crosses.sum()))
    count, hits = crosses.sum(axis=0), gap.sum(axis=0)
    good = (hits >= MIN_LINES) & (hits >= MIN_SHARE * count)
    if not good.any():
        return np.inf, 0
    alarms = np.full(len(count), np.inf)
    for place in np.flatnonzero(good).tolist():
        alarms[place] = tests * _tail(int(count[place]), int(hits[place]), chance)
    best = np.flatnonzero(alarms == alarms.min())
    return float(alarms.min()), int(best[len(best) // 2])


def _tail(count: int, hits: int, chance: float) -> float:
    """Probability of ``hits`` or more in ``count`` trials."""
    return sum(
        comb(count, k) * chance**k * (1.0 - chance) ** (count - k) for k in range(hits, count + 1)
    )


def _gaps(line: Polyline, ink: NDArray[np.uint8], spacing: float) -> NDArray[np.bool_]:
    """Whether each column (width of the page) lies in a gap of the line."""
    height, width = ink.shape
    columns = np.arange(max(0, int(line[0, 0])), min(width, int(line[-1, 0]) + 1))
    rows = np.arange(*np.rint(np.array(BAND) * spacing)).astype(np.int64)
    at = np.clip(
        np.interp(columns, line[:, 0], line[:, 1]).astype(np.int64) + rows[:, None], 0, height - 1
    )
    free = np.zeros(width, np.bool_)
    free[columns] = ~(ink[at, columns] > INK).any(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], free, [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if last - first < MIN_GAP * spacing:
            free[first:last] = False
    return free


def _height_at(line: Polyline, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(x, line[:, 0], line[:, 1])


def _split_line(line: Polyline, fold: Fold, spacing: float) -> list[Polyline]:
    """Both parts of a line that crosses a fold, without the middle of the gap."""
    at = fold.at + fold.slope * float(np.interp(fold.at, line[:, 0], line[:, 1]))
    parts = []
    for first, last in (
        (line[0, 0], at - MIN_GAP / 3 * spacing),
        (at + MIN_GAP / 3 * spacing, line[-1, 0]),
    ):
        inner = line[(line[:, 0] > first) & (line[:, 0] < last)]
        ends = np.array([[x, np.interp(x, line[:, 0], line[:, 1])] for x in (first, last)])
        parts.append(np.concatenate([ends[:1], inner, ends[1:]]))
    return parts
