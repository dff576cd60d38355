"""Turn stored pixels upright by their Exif orientation (Exif 2.32, tag 274)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

EXCHANGED = (5, 6, 7, 8)  # rows and columns are exchanged
MIRRORED = (2, 3, 6, 7)  # then left and right are exchanged
FLIPPED = (3, 4, 7, 8)  # then top and bottom are exchanged


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """An upright view of a stored image.

    Args:
        image: (height, width, ...).
        orientation: 1 to 8; the sides on which the first stored row and column belong.
    """
    if orientation in EXCHANGED:
        image = image.swapaxes(0, 1)
    if orientation in MIRRORED:
        image = image[:, ::-1]
    if orientation in FLIPPED:
        image = image[::-1]
    return image


def upright_point(
    point: tuple[float, float], orientation: int, corner: tuple[float, float]
) -> tuple[float, float]:
    """Map a point (x, y) of a stored image to the upright image.

    Args:
        orientation: see :func:`upright`.
        corner: the corner of the upright image opposite (0, 0).
    """
    x, y = point
    if orientation in EXCHANGED:
        x, y = y, x
    if orientation in MIRRORED:
        x = corner[0] - x
    if orientation in FLIPPED:
        y = corner[1] - y
    return x, y
