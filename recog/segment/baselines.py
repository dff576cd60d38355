"""From what the page network sees to lines: baselines as polylines, and an outline around each.

The network gives, for every second pixel of the page it is shown, how likely a baseline, the end of one, and the body of a
line lie there. All coordinates here are those of its output; :mod:`recog.segment.page` scales them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Polyline = NDArray[np.float64]  # (points, 2) x and y

THRESHOLD = 0.35  # of a pixel that belongs to a baseline
END_WEIGHT = 0.6  # what the map of ends takes away there, so that lines side by side come apart
MOST = 500  # lines of a page, the longest: no page has more
SHORTEST = 10  # pixels of a baseline
LEAST_AREA = 18  # pixels of a piece of one
LONGEST_GAP = 45  # pixels between two pieces of one line
DRIFT = 6.0  # pixels that the second may lie above or below where the first leads
STEEPEST = 0.3  # of a line at its end, down or up for a pixel to the right
CERTAIN_END = 0.5
TAIL = 20  # columns that say where a piece leads
LONELY = 20.0  # pixels between lines where a page has but one
FREE = 0.85  # of the way to the next baseline that a line may take
INSIDE = 0.4  # probability of its body
COARSENESS = 0.7  # pixels by which a polyline may leave the points it was found from


def find_baselines(maps: Floats) -> list[Polyline]:
    """Baselines, from left to right each, in no order.

    Args:
        maps: (2 or more, height, width) probabilities: of a baseline, and of the end of one.
    """
    line = cv2.GaussianBlur(maps[0] - END_WEIGHT * maps[1], (0, 0), 1.0)
    pieces = sorted(_joined(_pieces(line), maps[1]), key=lambda piece: piece[0, 0] - piece[-1, 0])[:MOST]
    return [_simple(piece) for piece in pieces if piece[-1, 0] - piece[0, 0] >= SHORTEST]


def _pieces(line: NDArray[np.floating]) -> list[Polyline]:
    """For each connected stretch of baseline its height in every column, weighed by the probability."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((line > THRESHOLD).astype(np.uint8), connectivity=8)
    found = []
    for k in range(1, count):
        x, y, width, height, area = (int(v) for v in stats[k])
        if area < LEAST_AREA or width < SHORTEST // 2 or height > 1.2 * width:
            continue
        weights = np.where(labels[y : y + height, x : x + width] == k, line[y : y + height, x : x + width], 0.0)
        sums = weights.sum(0)
        columns = np.flatnonzero(sums > 0)
        middle = (weights * np.arange(height)[:, None]).sum(0)[columns] / sums[columns]
        found.append(np.stack([columns + x, middle + y], axis=1).astype(np.float64))
    return found


def _joined(pieces: list[Polyline], ends: Floats) -> list[Polyline]:
    """Join pieces that go on in each other, the nearest first, unless a line ends between them."""
    starts = np.array([piece[0] for piece in pieces]).reshape(-1, 2)
    links: list[tuple[float, int, int]] = []
    for i, first in enumerate(pieces):
        across, down = starts[:, 0] - first[-1, 0], np.abs(starts[:, 1] - first[-1, 1])
        near = (across > -4) & (across < LONGEST_GAP) & (down <= DRIFT + STEEPEST * LONGEST_GAP)
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
    whole = []
    for i, piece in enumerate(pieces):
        if i in preceded:
            continue
        chain, k = [piece], i
        while k in following:  # from left to right: never in a circle
            k = following[k]
            chain.append(pieces[k][pieces[k][:, 0] > chain[-1][-1, 0]])
        whole.append(np.concatenate(chain))
    return whole


def _gap(first: Polyline, second: Polyline, ends: Floats) -> float | None:
    """How far the second piece lies from where the first leads; None where it is no continuation of it."""
    across = second[0, 0] - first[-1, 0]
    if not -4 < across < LONGEST_GAP or second[-1, 0] <= first[-1, 0]:
        return None
    tail = first[-TAIL:]
    slope = np.clip(np.polyfit(tail[:, 0], tail[:, 1], 1)[0], -STEEPEST, STEEPEST) if len(tail) > 5 else 0.0
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


def _simple(piece: Polyline) -> Polyline:
    """Smoothed over nine columns, and reduced to the points that it needs (Douglas and Peucker 1973)."""
    smooth = np.convolve(np.pad(piece[:, 1], 4, mode="edge"), np.full(9, 1 / 9), mode="valid")
    points = np.stack([piece[:, 0], smooth], axis=1).astype(np.float32)
    return cv2.approxPolyDP(points[:, None], COARSENESS, False)[:, 0].astype(np.float64)


def outlines(baselines: list[Polyline], body: Floats) -> list[Polyline]:
    """A polygon around each line: column by column up to where its body ends, or is thinnest before its upper
    neighbour's begins, and down likewise.

    Args:
        baselines: as :func:`find_baselines` gives them.
        body: (height, width) probability of a line's body, ascenders and descenders included.
    """
    dense = [_dense(line) for line in baselines]
    apart = [_to_neighbours(own, dense) for own in range(len(dense))]
    found = []
    for own, columns in enumerate(dense):
        spacing = _spacing(own, apart)
        sides = []
        for step, least, most in ((-1, 0.35, 1.15), (1, 0.1, 0.6)):
            room = np.minimum(_room(own, dense, step), most * spacing / FREE)
            reach = np.array([_extent(body, x, y, step, r) for (x, y), r in zip(columns, room, strict=True)])
            reach = np.clip(_smoothed(reach), least * spacing, most * spacing)
            sides.append(columns + np.stack([np.zeros(len(columns)), step * reach], axis=1))
        upper, lower = sides
        pad = 0.15 * spacing
        for side in sides:
            side[0, 0] -= pad
            side[-1, 0] += pad
        around = np.concatenate([upper, lower[::-1]]).astype(np.float32)
        found.append(cv2.approxPolyDP(around[:, None], COARSENESS, True)[:, 0].astype(np.float64))
    return found


def _room(own: int, lines: list[Polyline], step: int) -> NDArray[np.float64]:
    """For each point of a line how far it is to the next line above (-1) or below (1) it; infinite where there is none."""
    mine = lines[own]
    room = np.full(len(mine), np.inf)
    for k, other in enumerate(lines):
        if k == own:
            continue
        y = np.interp(mine[:, 0], other[:, 0], other[:, 1], left=np.nan, right=np.nan)
        apart = step * (y - mine[:, 1])
        room = np.where(np.isfinite(apart) & (apart > 3.0), np.minimum(room, apart), room)
    return room


def _smoothed(reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest of three neighbours, so that no stroke is cut, without what stands out alone."""
    padded = np.pad(reach, 2, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
    return np.lib.stride_tricks.sliding_window_view(middle, 3).max(axis=1)


def _dense(line: Polyline) -> Polyline:
    across = np.arange(np.ceil(line[0, 0]), line[-1, 0] + 1, 4.0)
    return np.stack([across, np.interp(across, line[:, 0], line[:, 1])], axis=1)


def _spacing(own: int, apart: list[float | None]) -> float:
    """Distance to the nearest line above or below, within what is usual on the page; where there is none, the usual."""
    known = [d for d in apart if d is not None]
    usual = float(np.median(known)) if known else LONELY
    nearest = apart[own]
    return usual if nearest is None else float(np.clip(nearest, 0.6 * usual, 1.6 * usual))


def _to_neighbours(own: int, lines: list[Polyline]) -> float | None:
    mine, found = lines[own], []
    for k, other in enumerate(lines):
        left, right = max(mine[0, 0], other[0, 0]), min(mine[-1, 0], other[-1, 0])
        if k == own or right - left < SHORTEST:
            continue
        at = np.linspace(left, right, 9)
        apart = np.interp(at, other[:, 0], other[:, 1]) - np.interp(at, mine[:, 0], mine[:, 1])
        if abs(np.median(apart)) > 3.0:
            found.append(abs(float(np.median(apart))))
    return min(found) if found else None


def _extent(body: Floats, x: float, y: float, step: int, room: float) -> float:
    """How far the body reaches from a point on the baseline, up (-1) or down (1): to where it ends, or to its thinnest
    place in the ``FREE`` share of the ``room`` that is left before the next baseline."""
    column, row = int(np.clip(round(x), 0, body.shape[1] - 1)), int(np.clip(round(y), 0, body.shape[0] - 1))
    most = max(4, int(FREE * room)) if np.isfinite(room) else body.shape[0]
    reach = body[max(0, row - most) : row + 1, column][::-1] if step < 0 else body[row : row + most + 1, column]
    gone = np.flatnonzero(reach < INSIDE)
    if (gone > 2).any():
        return float(gone[gone > 2][0])
    first = len(reach) // (2 if step < 0 else 5)
    return float(first + reach[first:].argmin()) if len(reach) > first else float(len(reach))
