"""Geometry of a page from a network: where writing is, its size and its direction."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.segment.line_spacing import weighted_median

CELL = 16  # pixels of the page to one cell of the network's output
UNIT = 16.0  # pixels between lines at 0 in the map of sizes, which counts octaves
# minus the cosine of twice the angle between two axes, from which they differ
OTHER_AXIS = 0.5
# octaves between two sizes of writing from which each part of a page has its scale
OTHER_SIZE = 1.0
# cells of a part of a page, and parts that are segmented separately, the largest
LEAST_CELLS, MOST_REGIONS = 6, 6


class PageGeometry(NamedTuple):
    """Geometry of a page, or of a part of it.

    Attributes:
        size: distance between lines, in pixels.
        angle: the direction of writing in degrees, clockwise from a level line read from left to
            right, -180 to 180.
        certainty: of the direction, 0 to 1: the length of the mean of all direction vectors.
        axis_certainty: of the axis of the lines, whatever their direction, 0 to 1.
        cells: number of cells with writing.
        maps: output of the network, (GEOMETRY_MAPS, rows, columns).
        scale: pixels of the network's input to a pixel of the page.
    """

    size: float
    angle: float
    certainty: float
    axis_certainty: float
    cells: int
    maps: NDArray[np.float32] | None = None
    scale: float = 1.0

    @property
    def quarter(self) -> int:
        """Quarter turns, counter-clockwise, that make the page upright, 0 to 3."""
        return round(self.angle / 90.0) % 4

    def turned(self, quarters: int) -> PageGeometry:
        """The geometry after so many quarter turns, counter-clockwise."""
        turned = self._replace(angle=_wrap_degrees(self.angle - 90.0 * quarters))
        if self.maps is None:
            return turned
        maps = np.rot90(self.maps, quarters, axes=(1, 2)).copy()
        for first, times in ((2, 1), (4, 2)):
            angle = np.deg2rad(90.0 * quarters * times)
            cosine, sine = maps[first].copy(), maps[first + 1].copy()
            maps[first] = np.cos(angle) * cosine + np.sin(angle) * sine
            maps[first + 1] = np.cos(angle) * sine - np.sin(angle) * cosine
        return turned._replace(maps=maps)

    def regions(self) -> list[tuple[NDArray[np.bool_], PageGeometry]]:
        """Parts of the page whose writing runs along the other axis or has a very different size.

        Notes in a margin are such a part.

        Returns:
            The cells (rows, columns) of each part, and its geometry.
        """
        if self.maps is None or not self.cells:
            return []
        written = self.maps[0] > 0.0
        away = np.deg2rad(2.0 * self.angle)
        across = self.maps[4] * np.cos(away) + self.maps[5] * np.sin(away) < -OTHER_AXIS
        octaves = self.maps[1] - np.log2(self.size * self.scale / UNIT)
        odd = written & (across | (np.abs(octaves) > OTHER_SIZE))
        count, labels = cv2.connectedComponents(odd.astype(np.uint8), connectivity=8)
        masks = (labels == k for k in range(1, count))
        parts = [
            (mask, _summarise(self.maps, mask, self.scale))
            for mask in masks
            if mask.sum() >= LEAST_CELLS
        ]
        return sorted(parts, key=lambda part: -part[1].cells)[:MOST_REGIONS]


NOTHING = PageGeometry(0.0, 0.0, 0.0, 0.0, 0)


def page_geometry(maps: NDArray[np.float32], scale: float = 1.0) -> PageGeometry:
    """Summarise the output of a geometry network.

    Args:
        maps: (GEOMETRY_MAPS, rows, columns); the map of writing is a logit.
        scale: pixels of the network's input to a pixel of the page.
    """
    return _summarise(maps, maps[0] > 0.0, scale)


def _summarise(maps: NDArray[np.float32], cells: NDArray[np.bool_], scale: float) -> PageGeometry:
    count = int(cells.sum())
    if not count:
        return NOTHING
    values = maps[:, cells].astype(np.float64)
    weights = 1.0 / (1.0 + np.exp(-values[0]))
    cosine, sine, cosine2, sine2 = (
        float((weights * plane).sum() / weights.sum()) for plane in values[2:]
    )
    axis = 0.5 * np.degrees(np.arctan2(sine2, cosine2))
    direction = np.degrees(np.arctan2(sine, cosine))
    if abs(_wrap_degrees(direction - axis)) > 90.0:  # the axis is the more reliable of the two
        axis += 180.0
    octaves = weighted_median(values[1], weights)
    certainty, of_axis = (
        min(1.0, float(np.hypot(*pair))) for pair in ((cosine, sine), (cosine2, sine2))
    )
    size = UNIT * 2.0**octaves / scale
    return PageGeometry(size, _wrap_degrees(axis), certainty, of_axis, count, maps, scale)


def _wrap_degrees(degrees: float) -> float:
    return float((degrees + 180.0) % 360.0 - 180.0)
