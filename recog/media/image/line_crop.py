"""Cut a text line out of a page along its polygon, with a level, straight baseline.

The page is sampled on a grid that follows the baseline: a column for each pixel of its length,
along the normal there. With a straight baseline that is a rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError

MAX_SIDE = 32_000  # pixels: cv2.remap counts in 16 bits
MAX_POINTS = 10_000  # of a polygon or a baseline
# of the height, for a line without a polygon: ascenders reach further than descenders points of a
# polygon at which its distance from the baseline is measured
SHARE_ABOVE = 0.7
POLYGON_POINTS = 256

Points = Sequence[Sequence[float]] | Sequence[tuple[float, float]] | NDArray[np.floating]


class LineCrop(NamedTuple):
    """A line cut out of a page, and the place of each of its columns on the page."""

    image: NDArray[np.uint8]  # (above + below + 1, columns)
    points: NDArray[np.float64]  # (columns, 2) x and y on the page, on the baseline
    normals: NDArray[np.float64]  # (columns, 2) unit vectors down the letters there
    above: int  # pixels
    below: int

    def box(self, left: float, right: float) -> tuple[float, float, float, float]:
        """The box (left, top, right, bottom) on the page of some columns of the crop."""
        first = int(np.clip(np.floor(left), 0, len(self.points) - 1))
        last = int(np.clip(np.ceil(right), first, len(self.points) - 1))
        part, normals = self.points[first : last + 1], self.normals[first : last + 1]
        corners = np.concatenate([part - self.above * normals, part + self.below * normals])
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        return float(x0), float(y0), float(x1), float(y1)


def crop_line(
    image: NDArray[np.uint8],
    polygon: Points | None,
    baseline: Points | None = None,
    *,
    height: int | None = None,
    margin: float = 0.0,
) -> NDArray[np.uint8]:
    """Cut one line out of a page, as :func:`cut_line`, and return its image alone."""
    return cut_line(image, polygon, baseline, height=height, margin=margin).image


def cut_line(
    image: NDArray[np.uint8],
    polygon: Points | None,
    baseline: Points | None = None,
    *,
    height: int | None = None,
    margin: float = 0.0,
) -> LineCrop:
    """Cut one line out of a grey page, level, with the paper's grey outside the polygon.

    Args:
        image: uint8 page of shape (height, width).
        polygon: (x, y) points around the line in pixels. None or empty cuts a band along the
            baseline.
        baseline: (x, y) points under the writing from its first to its last letter. None takes the
            long axis of the polygon.
        height: pixels above and below the baseline together; by default the extent of the polygon.
            Required without a polygon: 70 % of it is above the baseline.
        margin: paper to add on all sides, as a share of the line's height.

    Returns:
        The image, of shape (height, length) in pixels of the page, and its place on the page.

    Raises:
        UserError: the polygon has fewer than three points or no area on this page, or there is
            nothing to cut along.
    """
    outline = (
        None if polygon is None or len(polygon) == 0 else _checked_polygon(polygon, image.shape)
    )
    line = None if baseline is None else _checked_baseline(baseline, image.shape)
    if line is None:
        if outline is None:
            raise UserError("a text line needs a polygon or a baseline of at least two points")
        line = _long_axis(outline)
    elif outline is not None:
        line = reading_direction(line, outline)
    if outline is None and (height is None or height < 1):
        raise UserError("a text line without a polygon needs a height")

    points, normals, (above, below) = _frame(line, outline, height)
    pad = round(margin * (above + below))
    if pad > 0:
        points, normals = _extended(points, normals, pad)
    above, below = above + pad, below + pad
    return LineCrop(
        _sampled(image, outline, points, normals, above, below), points, normals, above, below
    )


def _checked_points(points: Points, what: str) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64)
    if (
        array.ndim != 2
        or array.shape[1] != 2
        or len(array) > MAX_POINTS
        or not np.isfinite(array).all()
    ):
        raise UserError(f"the {what} of a text line is not a list of (x, y) points")
    return array


def _checked_polygon(polygon: Points, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The part of the polygon on the page."""
    import cv2

    array = _checked_points(polygon, "polygon")
    if len(array) < 3:
        raise UserError("the polygon of a text line has fewer than three points")
    array = array.clip(0, (shape[1] - 1, shape[0] - 1))
    if cv2.contourArea(array.astype(np.float32)) < 1:
        raise UserError("the polygon of a text line has no area on this page")
    return array


def _checked_baseline(baseline: Points, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """The baseline without repeated points, on the page; None if it is a point."""
    array = _checked_points(baseline, "baseline").clip(0, (shape[1] - 1, shape[0] - 1))
    array = array[np.r_[True, np.hypot(*np.diff(array, axis=0).T) > 1e-6]] if len(array) else array
    if len(array) < 2:
        return None
    if np.hypot(*np.diff(array, axis=0).T).sum() > 4 * sum(shape[:2]):
        raise UserError("the baseline of a text line runs to and fro over the page")
    return array


def _long_axis(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """A straight baseline through the middle of the polygon, along its longer axis.

    A polygon without a longer axis gets a level baseline.
    """
    import cv2

    centre, (width, height), degrees = cv2.minAreaRect(outline.astype(np.float32))
    angle = np.deg2rad(degrees if width >= height else degrees + 90)
    direction = np.array([np.cos(angle), np.sin(angle)])
    # a word or a number: its axis does not give its slope
    if max(width, height) < 2 * min(width, height):
        direction = np.array([1.0, 0.0])
    if direction[0] < 0:
        direction = -direction
    along = (outline - centre) @ direction
    return np.asarray(centre) + np.outer([along.min(), along.max()], direction)


def reading_direction(
    line: NDArray[np.float64], outline: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Direct a baseline from its first letter to its last, in whatever direction it was drawn.

    A baseline that runs to the right stays. For any other, letters stand on the side on which most
    of the polygon lies. If that is the lower side, the baseline is reversed.
    """
    across, down = line[-1] - line[0]
    if across >= abs(down):
        return line
    upward = outline.mean(axis=0) - line.mean(axis=0)
    return line if upward @ (down, -across) >= 0 else line[::-1]


def _frame(
    line: NDArray[np.float64], outline: NDArray[np.float64] | None, height: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int]]:
    """The grid of a line: points a pixel apart, normals (downward), and pixels above and below."""
    if outline is None:
        above = max(1, round(SHARE_ABOVE * (height or 1)))
        points, normals = _grid(line, smooth=height or 1)
        return points, normals, (above, max(1, (height or 1) - above))
    import cv2

    length = np.hypot(*np.diff(line, axis=0).T).sum()
    mean_height = cv2.contourArea(outline.astype(np.float32)) / max(
        length, np.ptp(outline[:, 0]), np.ptp(outline[:, 1])
    )
    points, normals = _grid(line, smooth=round(mean_height))
    overhang = max(
        float(((outline - points[end]) @ tangent).max())
        for end, tangent in ((0, -_tangents(normals[:1])[0]), (-1, _tangents(normals[-1:])[0]))
    )
    points, normals = _extended(points, normals, max(0, int(overhang)) + 1)
    column, offset = _project(_densified(outline), points, normals)
    if height is None:
        above, below = max(0, int(np.ceil(-offset.min()))), max(0, int(np.ceil(offset.max())))
    else:
        above = round(height * np.clip(-offset.min() / max(np.ptp(offset), 1e-9), 0, 1))
        below = height - above
    reach = slice(int(column.min()), int(column.max()) + 1)
    return points[reach], normals[reach], (above, max(below, 1 - above))


def _grid(
    line: NDArray[np.float64], *, smooth: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points a pixel apart along a polyline, with unit normals averaged over `smooth` pixels."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    distance = np.r_[0.0, np.cumsum(steps)]
    at = np.linspace(0.0, distance[-1], max(2, round(distance[-1]) + 1))
    points = np.stack(
        [np.interp(at, distance, line[:, 0]), np.interp(at, distance, line[:, 1])], axis=1
    )
    tangents = np.gradient(points, axis=0)
    width = min(max(1, smooth), len(points)) | 1
    if width > 1:
        padded = np.pad(tangents, ((width // 2, width // 2), (0, 0)), mode="edge")
        sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
        tangents = sums[width:] - sums[:-width]
    length = np.hypot(*tangents.T)[:, None]
    tangents = np.where(length > 1e-9, tangents / np.maximum(length, 1e-9), [[1.0, 0.0]])
    return points, np.stack([-tangents[:, 1], tangents[:, 0]], axis=1)


def _tangents(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors along the line, from its normals."""
    return np.stack([normals[:, 1], -normals[:, 0]], axis=1)


def _extended(
    points: NDArray[np.float64], normals: NDArray[np.float64], pixels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Extend the grid straight at both ends."""
    tangents = _tangents(normals[[0, -1]])
    steps = np.arange(1, pixels + 1)[:, None]
    before, after = points[0] - steps[::-1] * tangents[0], points[-1] + steps * tangents[1]
    return np.concatenate([before, points, after]), np.pad(
        normals, ((pixels, pixels), (0, 0)), mode="edge"
    )


def _densified(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evenly spaced points along the closed outline, and its corners."""
    closed = np.concatenate([outline, outline[:1]])
    distance = np.r_[0.0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]
    at = np.union1d(np.linspace(0, distance[-1], POLYGON_POINTS), distance)
    return np.stack(
        [np.interp(at, distance, closed[:, 0]), np.interp(at, distance, closed[:, 1])], axis=1
    )


def _project(
    dense: NDArray[np.float64], points: NDArray[np.float64], normals: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest column of the grid for each point, and its distance along the normal."""
    column = np.empty(len(dense), dtype=np.int64)
    for start in range(0, len(dense), 64):  # 64 rows of distances at a time
        block = dense[start : start + 64, None, :] - points[None, :, :]
        column[start : start + 64] = np.einsum("ijk,ijk->ij", block, block).argmin(axis=1)
    return column, np.einsum("ij,ij->i", dense - points[column], normals[column])


def _sampled(
    image: NDArray[np.uint8],
    outline: NDArray[np.float64] | None,
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    above: int,
    below: int,
) -> NDArray[np.uint8]:
    """Sample the page along the grid, with the grey of paper outside the polygon or the page."""
    import cv2

    depth = np.arange(-above, below + 1)[:, None]
    across, down = points[:, 0] + depth * normals[:, 0], points[:, 1] + depth * normals[:, 1]
    bottom, right = image.shape[0], image.shape[1]
    left, top = (
        int(np.clip(across.min() - 2, 0, right - 1)),
        int(np.clip(down.min() - 2, 0, bottom - 1)),
    )
    right, bottom = (
        int(np.clip(across.max() + 3, left + 1, right)),
        int(np.clip(down.max() + 3, top + 1, bottom)),
    )
    if max(across.shape) > MAX_SIDE or max(right - left, bottom - top) > MAX_SIDE:
        raise UserError(
            f"a text line is longer than {MAX_SIDE} pixels: make the page smaller first"
        )
    window = np.ascontiguousarray(image[top:bottom, left:right])
    inside = np.full(window.shape, 255, dtype=np.uint8)
    if outline is not None:
        inside[:] = 0
        cv2.fillPoly(inside, [np.rint(outline - (left, top)).astype(np.int32)], 255)
    paper = _paper(window, inside)
    grid = (across - left).astype(np.float32), (down - top).astype(np.float32)
    crop = cv2.remap(window, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.remap(
        inside, *grid, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    crop[mask == 0] = paper
    return np.asarray(crop, dtype=np.uint8)


def _paper(window: NDArray[np.uint8], inside: NDArray[np.uint8]) -> int:
    """The grey of the paper: the upper quartile of bright paper, the lower of dark paper.

    Ink is the smaller part of a line, so the median is on the paper's side of the middle between
    dark and bright.
    """
    import cv2

    counts = cv2.calcHist([window], [0], inside, [256], [0, 256]).ravel()
    low, dark, median, bright, high = np.searchsorted(
        counts.cumsum(), np.array([0.01, 0.25, 0.5, 0.75, 0.99]) * counts.sum()
    ).clip(0, 255)
    return int(bright if median >= (int(low) + int(high)) / 2 else dark)
