"""Line image -> strip: a fixed-height grey image with ink near 1 and paper near 0, whose columns the network reads."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.model.config import StripConfig

MAX_ASPECT = 200  # a line wider than this many heights is squeezed: no line of writing is, and memory stays bounded


NOISE = 0.03  # share of the ink's contrast above which the grain of the paper is held down, as on faint pencil


def is_dark_on_light(grey: NDArray[np.uint8]) -> bool:
    """Whether ink is darker than paper: paper fills most of a line, so the median lies nearer to it than the mean of the
    extremes does."""
    histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    total = histogram.sum()
    cumulative = np.cumsum(histogram)
    low, middle, high = (int(np.searchsorted(cumulative, q * total)) for q in (0.01, 0.5, 0.99))
    return high - middle <= middle - low


def to_strip(grey: NDArray[np.uint8], config: StripConfig) -> NDArray[np.uint8]:
    """Scale a grey line image to the strip height, aspect kept, ink bright on black paper, contrast stretched.

    Where the paper's grain is a large part of the ink's contrast, as it is for faint pencil, weak tones count for less.

    Args:
        grey: (height, width) uint8, any size from 1x1.

    Returns:
        (config.height, width') uint8, 0 the paper, 255 the darkest ink; a blank image gives zeros.
    """
    rows, columns = grey.shape
    width = round(columns * config.height / rows)
    width = min(max(width, 4), MAX_ASPECT * config.height)
    if not is_dark_on_light(grey):
        grey = 255 - grey
    shrink = rows > config.height
    small = cv2.resize(grey, (width, config.height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
    return _stretch(np.asarray(small, np.uint8))


def _stretch(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    cumulative = np.cumsum(histogram)
    ink, darker, paper, lighter = (int(np.searchsorted(cumulative, q * cumulative[-1])) for q in (0.01, 0.3, 0.6, 0.9))
    span = paper - ink
    if span < 8:  # nothing written: noise is not stretched into ink
        return np.zeros_like(grey)
    strength = np.clip((paper - np.arange(256)) / span, 0.0, 1.0)
    noise = min(paper - darker, lighter - paper) / span  # on both sides of the paper's tone, unlike ink and shadows
    if noise > NOISE:
        strength **= min(1.0 + 10.0 * (noise - NOISE), 1.5)
    return cv2.LUT(grey, (255.0 * strength).astype(np.uint8))  # type: ignore[return-value]


def to_columns(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Strip (height, width) uint8 -> columns (width, height) float32 in [0, 1], time first as the network reads them."""
    return np.ascontiguousarray(strip.T, dtype=np.float32) / np.float32(255.0)
