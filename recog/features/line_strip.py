"""Line image -> strip: a fixed-height grey image with ink near 1 and paper near 0, whose columns
the network reads."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.model.config import StripConfig, View

# a line wider than this many heights is squeezed: no line of writing is, and memory stays bounded
MAX_ASPECT = 200


# share of the ink's contrast above which the grain of the paper is held down, as on faint pencil
NOISE = 0.03

INK = 110  # of a strip's tones: where a stroke begins
# strokes in the width of one height, between which writing is left as it is
SPARSE, DENSE = 2.6, 4.0


def is_dark_on_light(grey: NDArray[np.uint8]) -> bool:
    """Whether ink is darker than paper: paper fills most of a line, so the median lies nearer to it
    than the mean of the extremes does."""
    histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    total = histogram.sum()
    cumulative = np.cumsum(histogram)
    low, middle, high = (int(np.searchsorted(cumulative, q * total)) for q in (0.01, 0.5, 0.99))
    return high - middle <= middle - low


def to_strip(grey: NDArray[np.uint8], config: StripConfig) -> NDArray[np.uint8]:
    """Scale a grey line image to the strip height, aspect kept but for even writing, ink bright on
    black paper, contrast stretched.

    Dense writing is made up to 1.4 times wider, sparse writing up to 0.8 times narrower
    (``config.even``). Where the paper's grain is a large part of the ink's contrast, as it is for
    faint pencil, weak tones count for less.

    Args:
        grey: (height, width) uint8, any size from 1x1.

    Returns:
        (config.height, width') uint8, 0 the paper, 255 the darkest ink; a blank image gives zeros.
    """
    rows, columns = grey.shape
    width = columns * config.height / rows
    if not is_dark_on_light(grey):
        grey = 255 - grey
    strip = _stretch(_scaled(grey, width, config.height))
    if config.even:
        factor = _evening(strip)
        if abs(factor - 1.0) > 0.02:
            # first in height alone: both ways at once would be coarser
            level = _scaled(grey, columns, config.height)
            strip = _stretch(_scaled(level, width * factor, config.height))
    return strip


def _scaled(grey: NDArray[np.uint8], width: float, height: int) -> NDArray[np.uint8]:
    size = min(max(round(width), 4), MAX_ASPECT * height), height
    shrink = grey.shape[0] > height or grey.shape[1] > size[0]
    return np.asarray(
        cv2.resize(grey, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC),
        np.uint8,
    )


def _evening(strip: NDArray[np.uint8]) -> float:
    """The factor of a strip's width with which its writing is neither denser nor sparser than most.

    Density is the strokes that a row crosses in the width of one height, in the rows (a tenth of
    the height together) that cross most. Where it is high a letter has too few columns for the
    network to tell it from its neighbours.
    """
    height = len(strip)
    ink = strip > INK
    written = np.flatnonzero(ink.any(axis=0))
    if not len(written):
        return 1.0
    crossed = np.count_nonzero(ink[:, 1:] != ink[:, :-1], axis=1) / 2.0
    rows = max(1, round(height / 10))
    most = float(np.convolve(crossed, np.full(rows, 1.0 / rows), "same").max())
    density = most * height / (written[-1] - written[0] + 1)
    if density < SPARSE:
        return max(density / SPARSE, 0.8)
    return min(max(density / DENSE, 1.0), 1.4)


def _stretch(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    cumulative = np.cumsum(histogram)
    ink, darker, paper, lighter = (
        int(np.searchsorted(cumulative, q * cumulative[-1])) for q in (0.01, 0.3, 0.6, 0.9)
    )
    span = paper - ink
    if span < 8:  # nothing written: noise is not stretched into ink
        return np.zeros_like(grey)
    strength = np.clip((paper - np.arange(256)) / span, 0.0, 1.0)
    # on both sides of the paper's tone, unlike ink and shadows
    noise = min(paper - darker, lighter - paper) / span
    if noise > NOISE:
        strength **= min(1.0 + 10.0 * (noise - NOISE), 1.5)
    return cv2.LUT(grey, (255.0 * strength).astype(np.uint8))  # type: ignore[return-value]


def variant(strip: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """A strip (height, width) in another view: (height, width * ``view.width``)."""
    if view == View():
        return strip
    height, width = strip.shape
    middle = (height - 1) / 2
    to_source = np.array([[1.0 / view.width, view.slant, -view.slant * middle], [0.0, 1.0, 0.0]])
    size = max(4, round(width * view.width)), height
    warped = cv2.warpAffine(strip, to_source, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(warped, np.uint8)


def to_columns(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Strip (height, width) uint8 -> columns (width, height) float32 in [0, 1], time first as the
    network reads them."""
    return np.ascontiguousarray(strip.T, dtype=np.float32) / np.float32(255.0)
