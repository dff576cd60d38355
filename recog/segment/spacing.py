"""How large the writing of a page is: the distance between its lines, in pixels.

Everything that looks at a page scales it so that this distance is the one its network was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]

SHARED = 0.3  # of the shorter of two lines that must lie side by side for their distance to count
SAME_LINE = 0.25  # of the larger distance: what lies nearer is a piece of the same line


def line_spacings(baselines: Sequence[Points]) -> NDArray[np.float64]:
    """Distance from each line to the nearest line above or below it; infinite where there is none.

    Only lines that share some of their width count, so that those of a facing page or of the next column do not.

    Args:
        baselines: (points, 2) x and y each, roughly level.

    Returns:
        (lines,) in the unit of the baselines.
    """
    if not baselines:
        return np.zeros(0)
    left, right = (np.array([side(line[:, 0]) for line in baselines]) for side in (np.min, np.max))
    width = np.maximum(right - left, 1.0)
    shared = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    beside = shared > SHARED * np.minimum(width[:, None], width)
    np.fill_diagonal(beside, False)
    spacings = np.full(len(baselines), np.inf)
    for i, line in enumerate(baselines):
        apart = np.sort([_distance(line, baselines[j]) for j in np.flatnonzero(beside[i])])
        if len(apart):  # the nearest, unless it is a piece of the same line
            spacings[i] = apart[np.argmax(apart > SAME_LINE * apart[min(1, len(apart) - 1)])]
    return spacings


def writing_size(lines: Sequence[tuple[Points, Points]]) -> float:
    """The size of a page's writing: the median over its lines of the distance between lines, or of their height where that is less.

    In a table whose rows stand far apart the writing is no larger than in a dense one.

    Args:
        lines: baseline and polygon of each, (points, 2). A line without a polygon has an empty one.

    Returns:
        Pixels; 0 where nothing tells.
    """
    sizes, weights = line_sizes(lines), [max(1.0, float(np.ptp(baseline[:, 0]))) for baseline, _ in lines]
    known = np.isfinite(sizes)
    if not known.any():
        return 0.0
    order = np.argsort(sizes[known])
    reached = np.cumsum(np.array(weights)[known][order])
    return float(sizes[known][order][np.searchsorted(reached, reached[-1] / 2)])


def line_sizes(lines: Sequence[tuple[Points, Points]]) -> NDArray[np.float64]:
    """The size of each line's writing, as :func:`writing_size` has it; infinite where nothing tells."""
    spacings = line_spacings([baseline for baseline, _ in lines])
    return np.minimum(spacings, [_height(*line) for line in lines])


def _distance(line: Points, other: Points) -> float:
    """Median vertical distance of two lines over the width that they share."""
    at = np.linspace(max(line[0, 0], other[0, 0]), min(line[-1, 0], other[-1, 0]), 9)
    return abs(float(np.median(np.interp(at, other[:, 0], other[:, 1]) - np.interp(at, line[:, 0], line[:, 1]))))


def _height(baseline: Points, polygon: Points) -> float:
    """Mean height of a polygon along its baseline; infinite without one."""
    if len(polygon) < 3:
        return np.inf
    x, y = polygon[:, 0].astype(np.float64), polygon[:, 1].astype(np.float64)
    area = 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
    length = float(np.hypot(*np.diff(baseline, axis=0).T).sum())
    return area / max(length, 1.0)
