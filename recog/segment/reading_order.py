"""The order in which people read the lines of a page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recog.segment.baselines import Polyline
from recog.segment.line_spacing import line_spacings, weighted_median

TOUCHING = 0.02  # of the page's width that two lines must overlap to be above each other
ROW = 0.4  # of the distance between lines: lines of one row differ less in height
COLUMN = 3  # lines that make a column, whatever is beside them
# of the distance between lines: cells of one row of a table differ less in height
SAME_ROW = 0.4
# A page is a table where so large a share of its lines has so many other cells in the row. Of 750
# pages of prose in ten collections, facing pages and columns among them, 3 % at most have that
# share, of 153 pages of registers 152.
FELLOWS, TABLE = 2, 0.35


def reading_order(
    baselines: list[Polyline], width: float, *, table: bool | None = None
) -> list[int]:
    """Indices of the lines in reading order: columns or facing pages from left to right.

    Each column is read from above. Tables are read row by row.

    Args:
        baselines: (points, 2) each.
        width: width of the page.
        table: whether the page is a table; None detects it.

    Outside of tables a line precedes every line below it that it overlaps sideways. It precedes a
    line entirely to its right if no line that spans both lies between them (Breuel 2003, "High
    Performance Document Layout Analysis"), and if both are in one row or in columns side by side.
    Other pairs go from above: the address at the foot of a letter follows the signature to its
    right.
    """
    if not baselines:
        return []
    left, right, y = _deskewed_extents(baselines)
    beside = _same_row(left, right, y, baselines)
    if table or (table is None and _has_rows(beside)):
        return _by_rows(left, y, beside)
    tolerance = TOUCHING * width
    overlap = np.minimum(right[:, None], right) - np.maximum(left[:, None], left) > tolerance
    before = np.where(
        overlap, y[:, None] < y, _left_first(right[:, None] <= left + tolerance, overlap, y)
    )
    np.fill_diagonal(before, False)
    order: list[int] = []
    waiting, blocked = np.ones(len(y), np.bool_), before.sum(axis=0)
    while waiting.any():  # topological; where rules contradict each other, the highest line first
        free = np.flatnonzero(waiting & (blocked == 0))
        chosen = min(free if len(free) else np.flatnonzero(waiting), key=lambda k: (y[k], left[k]))
        order.append(int(chosen))
        waiting[chosen] = False
        blocked = blocked - before[chosen]
    return order


def is_table(baselines: list[Polyline]) -> bool:
    """Whether the lines of a page are cells of a table."""
    return bool(baselines) and _has_rows(_same_row(*_deskewed_extents(baselines), baselines))


def _has_rows(beside: NDArray[np.bool_]) -> bool:
    return float((beside.sum(axis=1) >= FELLOWS).mean()) > TABLE


def _same_row(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    y: NDArray[np.float64],
    baselines: list[Polyline],
) -> NDArray[np.bool_]:
    """Which pairs of lines (lines, lines) are side by side at one height."""
    spacings = line_spacings(baselines)
    known = np.isfinite(spacings)
    spacing = float(np.median(spacings[known])) if known.any() else 0.0
    shared = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    return (np.abs(y[:, None] - y) < SAME_ROW * spacing) & (shared < 0.1 * spacing)


def _by_rows(
    left: NDArray[np.float64], y: NDArray[np.float64], beside: NDArray[np.bool_]
) -> list[int]:
    """Rows from above, each from left to right.

    A line joins a row if it is beside every line of the row.
    """
    rows: list[list[int]] = []
    for k in np.argsort(y, kind="stable").tolist():
        for row in rows[:-4:-1]:
            if beside[k, row].all():
                row.append(k)
                break
        else:
            rows.append([k])
    return [k for row in rows for k in sorted(row, key=lambda k: left[k])]


def _deskewed_extents(
    baselines: list[Polyline],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Left ends, right ends and heights of the lines, on the deskewed page."""
    angle = np.arctan(slope(baselines))
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    level = [line @ back for line in baselines]
    ends = np.array([(line[:, 0].min(), line[:, 0].max()) for line in level])
    return ends[:, 0], ends[:, 1], np.array([line[:, 1].mean() for line in level])


def slope(baselines: list[Polyline]) -> float:
    """Pixels that lines fall for one to the right: the median, weighted by length; or 0."""
    if not baselines:
        return 0.0
    rises = np.array([line[-1] - line[0] for line in baselines])
    lengths = np.maximum(rises[:, 0], 1.0)
    return weighted_median(rises[:, 1] / lengths, lengths)


def _left_first(
    beside: NDArray[np.bool_], overlap: NDArray[np.bool_], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which lines (rows) precede which lines to their right (columns)."""
    apart = y - y[:, None]
    below = np.where(overlap & (apart > 0), apart, np.inf).min(axis=1)
    spacing = float(np.median(below[np.isfinite(below)])) if np.isfinite(below).any() else 0.0
    before = beside & (np.abs(apart) <= ROW * spacing)
    for i in np.flatnonzero(beside.any(axis=1)):
        spans = overlap[i] & overlap  # (right line, line over both)
        upper, lower = np.minimum(y[i], y)[:, None], np.maximum(y[i], y)[:, None]
        between = (spans & (y > upper) & (y < lower)).any(axis=1)
        top = np.where(spans & (y <= upper), y, -np.inf).max(axis=1)[:, None]
        bottom = np.where(spans & (y >= lower), y, np.inf).min(axis=1)[:, None]
        strip = (y > top) & (y < bottom) & ~spans
        columns = _columns(strip & overlap[i], strip & overlap, y, spacing)
        before[i] = (before[i] | (beside[i] & columns)) & ~between
    return before


def _columns(
    left: NDArray[np.bool_], right: NDArray[np.bool_], y: NDArray[np.float64], spacing: float
) -> NDArray[np.bool_]:
    """Whether lines on the left and on the right, (pairs, lines) each, are columns.

    Columns are side by side for at least half of the shorter's height. Either one of them has
    several lines, or the left column begins no lower.
    """
    tops = [np.where(side, y, np.inf).min(axis=1) for side in (left, right)]
    feet = [np.where(side, y, -np.inf).max(axis=1) for side in (left, right)]
    shorter = np.minimum(feet[0] - tops[0], feet[1] - tops[1])
    shared = np.minimum(*feet) - np.maximum(*tops)
    several = np.maximum(left.sum(axis=1), right.sum(axis=1)) >= COLUMN
    return (shared >= 0.5 * (shorter - spacing)) & (several | (tops[0] <= tops[1] + 0.5 * spacing))
