"""Polygons for lines that have only a baseline: a band as high as the line spacing allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from recog.transcript import Line, Point

SHARE_ABOVE, SHARE_BELOW = 0.75, 0.3  # of the line spacing
LEAST_STEP = 5  # pixels; baselines that are nearer are pieces of one line
MAX_COMPARED = 5000  # lines compared in pairs; no page has as many
# share of the shorter of two lines: facing columns may touch, lines of a column overlap by more
SAME_COLUMN = 0.25

Baseline = tuple[Point, ...]


def with_polygons(lines: Sequence[Line]) -> list[Line]:
    """Give each line that has a baseline and no polygon a band around the baseline.

    The band reaches 0.75 of the line spacing above the baseline and 0.3 below. The spacing of a
    line is the median distance between neighbouring baselines among the lines that overlap it
    horizontally, so that facing columns do not count; it is at most twice the page's spacing. A
    line that overlaps no other has the page's spacing, or a tenth of its length if it is the only
    one. Lines that run down or up the page are compared with each other alone.
    """
    result = list(lines)
    for steep in (False, True):
        places = [
            k
            for k, line in enumerate(result)
            if line.baseline and _is_steep(line.baseline) == steep
        ]
        if all(result[k].polygon for k in places):
            continue
        spacings = _spacings([result[k].baseline for k in places], steep)
        for k, spacing in zip(places, spacings, strict=True):
            if not result[k].polygon:
                result[k] = replace(result[k], polygon=_band(result[k].baseline, spacing))
    return result


def _is_steep(baseline: Baseline) -> bool:
    (x0, y0), (x1, y1) = baseline[0], baseline[-1]
    return abs(y1 - y0) > abs(x1 - x0)


def _spacings(baselines: Sequence[Baseline], steep: bool) -> list[float]:
    """Return the spacing of each line among lines of one direction; 0 where it is unknown."""
    down = 0 if steep else 1
    levels = np.array([median(point[down] for point in line) for line in baselines])
    along = [[point[1 - down] for point in line] for line in baselines]
    starts, ends = np.array([min(line) for line in along]), np.array([max(line) for line in along])

    def overlapping(one: int, others: NDArray[np.intp]) -> NDArray[np.bool_]:
        shared = np.minimum(ends[one], ends[others]) - np.maximum(starts[one], starts[others])
        shorter = np.minimum(ends[one] - starts[one], ends[others] - starts[others])
        return np.asarray(shared >= SAME_COLUMN * shorter)

    order = np.argsort(levels, kind="stable")
    if len(order) > MAX_COMPARED:
        steps = np.diff(levels[order])
        return [_median(steps[steps > LEAST_STEP])] * len(order)
    steps = np.full(len(order), np.nan)  # from each line to the next below it
    for at, line in enumerate(order):
        below = order[at + 1 :][overlapping(line, order[at + 1 :])]
        if len(below) and levels[below[0]] - levels[line] > LEAST_STEP:
            steps[line] = levels[below[0]] - levels[line]
    usual = _median(steps)
    return [
        min(_median(steps[overlapping(k, order)]) or usual, 2 * usual) for k in range(len(order))
    ]


def _median(steps: NDArray[np.float64]) -> float:
    """Return the median of the finite steps; 0 if there are none."""
    known = steps[np.isfinite(steps)]
    return float(np.median(known)) if len(known) else 0.0


def _band(baseline: Baseline, spacing: float) -> Baseline:
    (x0, y0), (x1, y1) = baseline[0], baseline[-1]
    spacing = spacing or max(10.0, max(abs(x1 - x0), abs(y1 - y0)) / 10)
    up = (0.0, -spacing)
    # letters stand to the left of a line that runs up, and to the right of one that runs down
    if _is_steep(baseline):
        up = (spacing, 0.0) if y1 > y0 else (-spacing, 0.0)
    above = tuple((x + SHARE_ABOVE * up[0], y + SHARE_ABOVE * up[1]) for x, y in baseline)
    below = tuple((x - SHARE_BELOW * up[0], y - SHARE_BELOW * up[1]) for x, y in reversed(baseline))
    return above + below
