"""Convert pixels of any depth to 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRIP = 1 << 20  # values scaled at a time


def to_eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale pixels to 8 bits.

    16-bit values are scaled by the bits in use, all others from the smallest to the largest.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        largest = int(pixels.max())
        bits = next(bits for bits in (8, 10, 12, 14, 16) if largest < 1 << bits)
        table = (
            np.rint(np.arange(1 << 16) * (255 / ((1 << bits) - 1))).clip(0, 255).astype(np.uint8)
        )
        return table[pixels]
    height = max(1, STRIP // max(1, pixels[:1].size))

    # in strips: a whole page of float64 would be many times the picture
    def strips() -> Iterator[tuple[slice, NDArray[np.float64]]]:
        for first in range(0, len(pixels), height):
            rows = slice(first, first + height)
            yield (
                rows,
                np.nan_to_num(pixels[rows].astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0),
            )

    ranges = [(float(values.min()), float(values.max())) for _, values in strips()]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = np.empty(pixels.shape, np.uint8)
    for rows, values in strips():
        scaled[rows] = np.rint((values - low) * (255 / max(high - low, 1e-300))).clip(0, 255)
    return scaled
