"""Scale a line image to a strip: a grey image of fixed height whose columns a network reads."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.model.config import StripConfig, View

# widest line, in heights; wider lines are squeezed so that memory stays bounded
MAX_ASPECT = 200
# share of the ink's contrast above which the grain of the paper is suppressed, as for faint pencil
NOISE = 0.03
INK = 110  # tone of a strip from which a pixel is ink
# strokes in the width of one height, between which writing keeps its width
SPARSE, DENSE = 2.6, 4.0


def is_dark_on_light(grey: NDArray[np.uint8]) -> bool:
    """Whether ink is darker than paper.

    Paper fills most of a line, so the median is nearer to paper than to ink.
    """
    histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    total = histogram.sum()
    cumulative = np.cumsum(histogram)
    low, middle, high = (int(np.searchsorted(cumulative, q * total)) for q in (0.01, 0.5, 0.99))
    return high - middle <= middle - low


def to_strip(grey: NDArray[np.uint8], config: StripConfig) -> NDArray[np.uint8]:
    """Scale a grey line image to the strip height, with bright ink on black paper.

    The contrast is stretched. The aspect is kept unless ``config.even`` evens out the density:
    dense writing becomes up to 1.4 times wider, sparse writing narrower, down to 0.8 times. Where
    the grain of the paper is strong against the ink, as for faint pencil, weak tones are reduced.

    Args:
        grey: (height, width) uint8, any size from 1x1.

    Returns:
        (config.height, new width) uint8, 0 paper to 255 the darkest ink; zeros for a blank image.
    """
    rows, columns = grey.shape
    width = columns * config.height / rows
    if not is_dark_on_light(grey):
        grey = 255 - grey
    strip = _stretch(_scaled(grey, width, config.height))
    if config.even:
        factor = _evening(strip)
        if abs(factor - 1.0) > 0.02:
            # height first: both sides at once would be coarser
            level = _scaled(grey, columns, config.height)
            strip = _stretch(_scaled(level, width * factor, config.height))
    return strip


def _scaled(grey: NDArray[np.uint8], width: float, height: int) -> NDArray[np.uint8]:
    """Scale to a width, within limits, and a height."""
    size = min(max(round(width), 4), MAX_ASPECT * height), height
    shrink = grey.shape[0] > height or grey.shape[1] > size[0]
    return np.asarray(
        cv2.resize(grey, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC),
        np.uint8,
    )


def _evening(strip: NDArray[np.uint8]) -> float:
    """The factor of a strip's width that gives its writing an even density.

    Density is the number of strokes that a row crosses in the width of one height, in the rows (a
    tenth of the height) that cross most. In dense writing a letter has too few columns for the
    network to tell it from its neighbours.
    """
    height = len(strip)
    ink = strip > INK
    written = np.flatnonzero(ink.any(axis=0))
    if not len(written):
        return 1.0
    crossed = np.count_nonzero(ink[:, 1:] != ink[:, :-1], axis=1) / 2.0
    rows = max(1, round(height / 10))
    crossings = float(np.convolve(crossed, np.full(rows, 1.0 / rows), "same").max())
    density = crossings * height / (written[-1] - written[0] + 1)
    if density < SPARSE:
        return max(density / SPARSE, 0.8)
    return min(max(density / DENSE, 1.0), 1.4)


def _stretch(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretch the contrast: paper becomes 0, the darkest ink 255."""
    histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    cumulative = np.cumsum(histogram)
    ink, darker, paper, lighter = (
        int(np.searchsorted(cumulative, q * cumulative[-1])) for q in (0.01, 0.3, 0.6, 0.9)
    )
    span = paper - ink
    if span < 8:  # nothing written: do not stretch noise into ink
        return np.zeros_like(grey)
    strength = np.clip((paper - np.arange(256)) / span, 0.0, 1.0)
    # noise is on both sides of the paper's tone, unlike ink and shadows
    noise = min(paper - darker, lighter - paper) / span
    if noise > NOISE:
        strength **= min(1.0 + 10.0 * (noise - NOISE), 1.5)
    return cv2.LUT(grey, (255.0 * strength).astype(np.uint8))  # type: ignore[return-value]


def variant(strip: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """A variant of a strip (height, width), slanted and stretched to width * ``view.width``."""
    if view == View():
        return strip
    height, width = strip.shape
    middle = (height - 1) / 2
    to_source = np.array([[1.0 / view.width, view.slant, -view.slant * middle], [0.0, 1.0, 0.0]])
    size = max(4, round(width * view.width)), height
    warped = cv2.warpAffine(strip, to_source, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(warped, np.uint8)


def to_columns(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A strip (height, width) uint8 as columns (width, height) float32 in [0, 1], time first."""
    return np.ascontiguousarray(strip.T, dtype=np.float32) / np.float32(255.0)
