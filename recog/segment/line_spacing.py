"""Size of a page's writing: the distance between its lines, in pixels.

Pages are scaled so that this distance is the one that their network was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]

COLUMN = 4  # pixels between the columns in which the heights of lines are compared
SHARED = 0.3  # share of the shorter line that must overlap for a distance to count
SAME_LINE = 0.25  # of the second distance; what lies nearer is a piece of the same line


def line_heights(baselines: Sequence[Points]) -> tuple[NDArray[np.float64], float]:
    """Height (y) of each line in columns that are :data:`COLUMN` pixels apart.

    Returns:
        Heights (lines, columns), NaN where a line does not reach, and the x of the first column.
    """
    first = np.floor(min(line[0, 0] for line in baselines) / COLUMN)
    last = np.ceil(max(line[-1, 0] for line in baselines) / COLUMN)
    at = COLUMN * np.arange(first, last + 1)
    heights = np.full((len(baselines), len(at)), np.nan)
    for k, line in enumerate(baselines):
        span = slice(
            int(np.floor(line[0, 0] / COLUMN) - first),
            int(np.ceil(line[-1, 0] / COLUMN) - first) + 1,
        )
        heights[k, span] = np.interp(at[span], line[:, 0], line[:, 1])
    return heights, COLUMN * first


def line_spacings(baselines: Sequence[Points]) -> NDArray[np.float64]:
    """Distance from each line to the nearest line above or below; infinite without a neighbour.

    Only lines that overlap sideways count, so that lines of a facing page or of the next column do
    not.

    Args:
        baselines: (points, 2) x and y each, from left to right and roughly level.

    Returns:
        (lines,) in the unit of the baselines.
    """
    if not baselines:
        return np.zeros(0)
    heights, _ = line_heights(baselines)
    known = np.isfinite(heights)
    there, heights = known.astype(np.float64), np.where(known, heights, 0.0)
    shared = there @ there.T  # columns
    apart = np.abs(there @ heights.T - heights @ there.T) / np.maximum(shared, 1.0)
    beside = shared > SHARED * np.minimum(np.diag(shared)[:, None], np.diag(shared))
    np.fill_diagonal(beside, False)
    others = np.pad(np.where(beside, apart, np.inf), ((0, 0), (0, 1)), constant_values=np.inf)
    nearest, second = np.sort(others, axis=1)[:, :2].T
    piece = np.isfinite(second) & (nearest < SAME_LINE * second)
    return np.where(piece, second, nearest)


def writing_size(lines: Sequence[tuple[Points, Points]]) -> float:
    """Size of a page's writing: the median over its lines of the lesser of distance and height.

    The height matters for tables whose rows stand far apart.

    Args:
        lines: baseline and polygon of each, (points, 2); the polygon may be empty.

    Returns:
        Pixels; 0 where it cannot be told.
    """
    sizes = line_sizes(lines)
    weights = [max(1.0, float(np.ptp(baseline[:, 0]))) for baseline, _ in lines]
    known = np.isfinite(sizes)
    if not known.any():
        return 0.0
    return weighted_median(sizes[known], np.array(weights)[known])


def weighted_median(values: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
    """The value at which half of the total weight is reached, in ascending order."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def line_sizes(lines: Sequence[tuple[Points, Points]]) -> NDArray[np.float64]:
    """Size of each line's writing, see :func:`writing_size`; infinite where unknown."""
    spacings = line_spacings([baseline for baseline, _ in lines])
    return np.minimum(spacings, [_height(*line) for line in lines])


def _height(baseline: Points, polygon: Points) -> float:
    """Mean height of a polygon along its baseline; infinite without a polygon."""
    if len(polygon) < 3:
        return np.inf
    x, y = polygon[:, 0].astype(np.float64), polygon[:, 1].astype(np.float64)
    area = 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
    length = float(np.hypot(*np.diff(baseline, axis=0).T).sum())
    return area / max(length, 1.0)
