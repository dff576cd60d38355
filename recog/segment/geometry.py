"""What a page's geometry network says of it: where it is written on, how large the writing is, and which way it runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CELL = 16  # pixels of the page to one cell of the network's output
UNIT = 16.0  # pixels between lines where the map of sizes is 0; it counts octaves from there
WRITTEN = 0.5  # probability from which a cell is written on


class PageGeometry(NamedTuple):
    """The geometry of a whole page.

    Attributes:
        size: distance between lines, in pixels.
        angle: the direction of writing in degrees, clockwise from a level line read from left to right, -180 to 180.
        certainty: of the direction, 0 to 1: the length of the mean of all directions.
        axis_certainty: of the axis along which lines run, whichever way they are read, 0 to 1.
        cells: how many cells are written on.
    """

    size: float
    angle: float
    certainty: float
    axis_certainty: float
    cells: int

    @property
    def quarter(self) -> int:
        """How often the page must be turned counter-clockwise by 90 degrees to stand upright, 0 to 3."""
        return round(self.angle / 90.0) % 4

    def turned(self, quarters: int) -> PageGeometry:
        """The geometry of the page turned so many times counter-clockwise by 90 degrees."""
        return self._replace(angle=_wrapped(self.angle - 90.0 * quarters))


NOTHING = PageGeometry(0.0, 0.0, 0.0, 0.0, 0)


def page_geometry(maps: NDArray[np.float32], scale: float = 1.0) -> PageGeometry:
    """Sum up a geometry network's output.

    Args:
        maps: (GEOMETRY_MAPS, rows, columns), what is written on as a logit.
        scale: pixels of what the network saw to one of the page.
    """
    written = 1.0 / (1.0 + np.exp(-maps[0].astype(np.float64)))
    weights = np.where(written > WRITTEN, written, 0.0)
    cells = int((weights > 0).sum())
    if not cells:
        return NOTHING
    cosine, sine, cosine2, sine2 = (float((weights * plane).sum() / weights.sum()) for plane in maps[2:])
    axis = 0.5 * np.degrees(np.arctan2(sine2, cosine2))
    direction = np.degrees(np.arctan2(sine, cosine))
    if abs(_wrapped(direction - axis)) > 90.0:  # the axis is the surer of the two
        axis += 180.0
    order = np.argsort(maps[1], axis=None)
    reached = np.cumsum(weights.ravel()[order])
    octaves = float(maps[1].ravel()[order][np.searchsorted(reached, reached[-1] / 2)])
    certainty, of_axis = (min(1.0, float(np.hypot(*pair))) for pair in ((cosine, sine), (cosine2, sine2)))
    size = UNIT * 2.0**octaves / scale
    return PageGeometry(size, _wrapped(axis), certainty, of_axis, cells)


def _wrapped(degrees: float) -> float:
    return float((degrees + 180.0) % 360.0 - 180.0)
