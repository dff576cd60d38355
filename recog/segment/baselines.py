"""Baselines as polylines, and an outline around each, from the maps of the line network.

The network gives, for every second pixel of a page, the probability of a baseline, of the end of a
baseline, and of the body of a line. All coordinates are those of its output;
:mod:`recog.segment.page_lines` scales them.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.segment.line_spacing import COLUMN, line_heights, line_spacings

Floats = NDArray[np.float32]
Polyline = NDArray[np.float64]  # (points, 2) x and y

THRESHOLD = 0.35  # of a pixel of a baseline
END_WEIGHT = 0.6  # of the map of ends, which is subtracted so that neighbouring lines separate
MAX_LINES = 500  # lines of a page, the longest ones: no page has more
MIN_LENGTH = 10  # pixels of a baseline
MIN_AREA = 18  # pixels of a piece of a baseline
MAX_GAP = 45  # pixels between two pieces of one line
DRIFT = 6.0  # pixels by which the second may miss the direction of the first
MAX_SLOPE = 0.3  # of a line at its end, pixels down or up for one to the right
CERTAIN_END = 0.5
TAIL = 20  # columns at the end of a piece that give its direction
TOUCHING = 3.0  # pixels between two baselines up to which they are pieces of one line
DEFAULT_SPACING = 20.0  # pixels between lines, for a page of one line
FREE_SHARE = 0.85  # of the way to the next baseline that an outline may take
BODY_THRESHOLD = 0.4  # probability from which a pixel is in the body of a line
SIMPLIFICATION = 0.7  # pixels by which a simplified polyline may leave its points


def find_baselines(maps: Floats) -> list[Polyline]:
    """Find baselines, each from left to right, in no order.

    Args:
        maps: (2 or more, height, width) probabilities: of a baseline, and of its ends.
    """
    line = cv2.GaussianBlur(maps[0] - END_WEIGHT * maps[1], (0, 0), 1.0)
    pieces = sorted(_join(_pieces(line), maps[1]), key=lambda piece: piece[0, 0] - piece[-1, 0])[
        :MAX_LINES
    ]
    return [_simplify(piece) for piece in pieces if piece[-1, 0] - piece[0, 0] >= MIN_LENGTH]


def _pieces(line: NDArray[np.floating]) -> list[Polyline]:
    """Pieces of baselines: the height of each connected component, column by column.

    Heights are means weighted by probability.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (line > THRESHOLD).astype(np.uint8), connectivity=8
    )
    pieces = []
    for k in range(1, count):
        x, y, width, height, area = (int(v) for v in stats[k])
        if area < MIN_AREA or width < MIN_LENGTH // 2 or height > 1.2 * width:
            continue
        weights = np.where(
            labels[y : y + height, x : x + width] == k, line[y : y + height, x : x + width], 0.0
        )
        sums = weights.sum(0)
        columns = np.flatnonzero(sums > 0)
        middle = (weights * np.arange(height)[:, None]).sum(0)[columns] / sums[columns]
        pieces.append(np.stack([columns + x, middle + y], axis=1).astype(np.float64))
    return pieces


def _join(pieces: list[Polyline], ends: Floats) -> list[Polyline]:
    """Join pieces that continue each other, nearest first, unless a line ends between them."""
    starts = np.array([piece[0] for piece in pieces]).reshape(-1, 2)
    links: list[tuple[float, int, int]] = []
    for i, first in enumerate(pieces):
        across, down = starts[:, 0] - first[-1, 0], np.abs(starts[:, 1] - first[-1, 1])
        near = (across > -4) & (across < MAX_GAP) & (down <= DRIFT + MAX_SLOPE * MAX_GAP)
        for j in np.flatnonzero(near).tolist():
            cost = _gap(first, pieces[j], ends) if i != j else None
            if cost is not None:
                links.append((cost, i, j))
    following: dict[int, int] = {}
    preceded: set[int] = set()
    for _, i, j in sorted(links):
        if i not in following and j not in preceded:
            following[i] = j
            preceded.add(j)
    joined = []
    for i, piece in enumerate(pieces):
        if i in preceded:
            continue
        chain, k = [piece], i
        while k in following:  # from left to right, so never in a circle
            k = following[k]
            chain.append(pieces[k][pieces[k][:, 0] > chain[-1][-1, 0]])
        joined.append(np.concatenate(chain))
    return joined


def _gap(first: Polyline, second: Polyline, ends: Floats) -> float | None:
    """The cost of joining two pieces; None where the second does not continue the first."""
    across = second[0, 0] - first[-1, 0]
    if not -4 < across < MAX_GAP or second[-1, 0] <= first[-1, 0]:
        return None
    tail = first[-TAIL:]
    slope = (
        np.clip(np.polyfit(tail[:, 0], tail[:, 1], 1)[0], -MAX_SLOPE, MAX_SLOPE)
        if len(tail) > 5
        else 0.0
    )
    drift = abs(second[0, 1] - (first[-1, 1] + slope * across))
    if drift > DRIFT:
        return None
    if across > DRIFT:
        left, right = int(first[-1, 0]) - 3, int(second[0, 0]) + 4
        middle = int((first[-1, 1] + second[0, 1]) / 2)
        between = ends[max(0, middle - 3) : middle + 4, max(0, left) : right]
        if between.size and between.max() > CERTAIN_END:
            return None
    return float(max(across, 0.0) + 3.0 * drift)


def _simplify(piece: Polyline) -> Polyline:
    """Smooth a piece over nine columns and reduce its points (Douglas and Peucker 1973)."""
    smooth = np.convolve(np.pad(piece[:, 1], 4, mode="edge"), np.full(9, 1 / 9), mode="valid")
    points = np.stack([piece[:, 0], smooth], axis=1).astype(np.float32)
    return cv2.approxPolyDP(points[:, None], SIMPLIFICATION, False)[:, 0].astype(np.float64)


def outlines(baselines: list[Polyline], body: Floats) -> list[Polyline]:
    """A polygon around each line.

    Column by column it reaches up to where the body of the line ends, or to the thinnest place
    before the upper neighbour; down likewise.

    Args:
        baselines: from :func:`find_baselines`.
        body: (height, width) probability of a line's body, ascenders and descenders included.
    """
    if not baselines:
        return []
    heights, first = line_heights(baselines)
    spacings = line_spacings(baselines)
    known = np.isfinite(spacings)
    default = float(np.median(spacings[known])) if known.any() else DEFAULT_SPACING
    spacings = np.clip(np.where(known, spacings, default), 0.6 * default, 1.6 * default)
    lines, columns = np.nonzero(np.isfinite(heights))
    points = np.stack([first + COLUMN * columns, heights[lines, columns]], axis=1)
    rooms = _rooms(heights)
    sides = []
    for step, room, low, high in ((-1, rooms[0], 0.35, 1.15), (1, rooms[1], 0.1, 0.6)):
        limit = np.minimum(room[lines, columns], high * spacings[lines] / FREE_SHARE)
        sides.append(
            (
                step,
                _extents(body, points, step, limit),
                low * spacings[lines],
                high * spacings[lines],
            )
        )
    polygons = []
    ends = np.searchsorted(lines, np.arange(len(baselines) + 1))
    for k, (start, end) in enumerate(pairwise(ends)):
        line = points[start:end]
        edges = []
        for step, reach, min_reach, max_reach in sides:
            smooth = np.clip(_smooth(reach[start:end]), min_reach[start], max_reach[start])
            edge = np.stack([line[:, 0], line[:, 1] + step * smooth], axis=1)
            edge[[0, -1], 0] += np.array([-0.15, 0.15]) * spacings[k]
            edges.append(edge)
        around = np.concatenate([edges[0], edges[1][::-1]]).astype(np.float32)
        polygons.append(
            cv2.approxPolyDP(around[:, None], SIMPLIFICATION, True)[:, 0].astype(np.float64)
        )
    return polygons


def _rooms(heights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance from each line to the next above and below (lines, columns); may be infinite."""
    order = np.argsort(heights, axis=0)  # NaN comes last
    level = np.take_along_axis(heights, order, axis=0)
    rooms = []
    for step in (1, -1):
        apart = np.full_like(level, np.inf)
        for further in (1, 2):  # the next but one, where the next is a piece of the same line
            if further >= len(level):
                break
            gap = level[further:] - level[:-further]
            near = apart[further:] if step == 1 else apart[:-further]
            near[:] = np.where(np.isinf(near) & (gap > TOUCHING), gap, near)
        room = np.empty_like(apart)
        np.put_along_axis(room, order, apart, axis=0)
        rooms.append(room)
    return rooms[0], rooms[1]


def _extents(
    body: Floats, points: NDArray[np.float64], step: int, room: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far the body of a line reaches from each point of its baseline, up (-1) or down (1).

    It reaches to where the body ends, or to its thinnest place within the share
    :data:`FREE_SHARE` of the ``room`` before the next baseline.
    """
    limit = np.maximum(4, FREE_SHARE * room).astype(np.int64)
    away = np.arange(int(limit.max(initial=4)) + 1)
    column = np.clip(np.round(points[:, 0]).astype(np.int64), 0, body.shape[1] - 1)
    row = np.clip(np.round(points[:, 1]).astype(np.int64), 0, body.shape[0] - 1)
    rows = row[:, None] + step * away
    inside = (rows >= 0) & (rows < body.shape[0]) & (away <= limit[:, None])
    values = np.where(inside, body[np.clip(rows, 0, body.shape[0] - 1), column[:, None]], np.inf)
    gone = (values < BODY_THRESHOLD) & (away > 2)
    length = inside.sum(axis=1)
    thinnest = np.where(away >= (length // (2 if step < 0 else 5))[:, None], values, np.inf).argmin(
        axis=1
    )
    return np.where(gone.any(axis=1), gone.argmax(axis=1), np.minimum(thinnest, length)).astype(
        np.float64
    )


def _smooth(reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth extents: the largest of three neighbours, after outliers are removed."""
    padded = np.pad(reach, 2, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
    return np.lib.stride_tricks.sliding_window_view(middle, 3).max(axis=1)
