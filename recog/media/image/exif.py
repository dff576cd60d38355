"""The orientation of Exif: how the pixels of a camera are turned to stand upright (Exif 2.32, tag
274)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

EXCHANGED = (5, 6, 7, 8)  # rows and columns
MIRRORED = (2, 3, 6, 7)  # left and right, after that
FLIPPED = (3, 4, 7, 8)  # top and bottom


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of an image, as it is stored, that stands upright.

    Args:
        image: (height, width, ...).
        orientation: 1 to 8; where the first row and the first column of the stored image belong.
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
    """Where a point (x, y) of an image as it is stored lies on the upright image.

    Args:
        orientation: see :func:`upright`.
        corner: the upright image's corner that lies opposite (0, 0).
    """
    x, y = point
    if orientation in EXCHANGED:
        x, y = y, x
    if orientation in MIRRORED:
        x = corner[0] - x
    if orientation in FLIPPED:
        y = corner[1] - y
    return x, y
