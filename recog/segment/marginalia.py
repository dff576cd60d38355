"""Which lines of a page are its own writing, and which are notes, visas and stamps of others on
it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recog.segment.baselines import Floats, Polyline

MAIN_TEXT = 0.45  # mean probability along a line of the page's own writing
POSSIBLY_MAIN = 0.2  # from which a line is own that follows another as lines of the page do:
FOLLOWING = (0.6, 1.25)  # of their usual distance below it
CLEARLY_MAIN = 0.65  # below it a line between notes is one of them
# of the usual length of a line: what is shorter, and touches the edge of the image, is of another
# page beside it
SHORT_LINE = 0.25
EDGE = 2.0  # pixels
LIFT = 2.0  # pixels from a baseline up into its letters
LEAST_MAIN_TEXT = (
    # of the length of all lines: a page with less writing of its own is a page of notes, and all of
    # it is read
    0.25
)


def main_text_lines(baselines: list[Polyline], main: Floats) -> NDArray[np.bool_]:
    """Whether each line is the page's own writing, and not of others on it or of a page that the
    image shows a strip of.

    Args:
        baselines: as :func:`recog.segment.baselines.find_baselines` gives them.
        main: (height, width) probability of the page's own writing.
    """
    scores = np.array([float(main[letter_pixels(line, main.shape)].mean()) for line in baselines])
    is_main = scores >= MAIN_TEXT
    below = _below(baselines)
    apart = np.where(is_main[:, None] & is_main, below, np.inf).min(axis=0, initial=np.inf)
    if np.isfinite(apart).any():
        least, most = np.array(FOLLOWING) * np.median(apart[np.isfinite(apart)])
        follows = (below >= least) & (below <= most)
        amid = (scores < CLEARLY_MAIN) & _between_marginalia(
            np.where(below <= most, below, np.inf), is_main
        )
        is_main &= ~amid
        # from above: a signature under a greeting
        for k in np.argsort([line[:, 1].mean() for line in baselines]):
            is_main[k] |= bool(
                scores[k] >= POSSIBLY_MAIN and not amid[k] and (follows[:, k] & is_main).any()
            )
    left, right = (np.array([take(line) for line in baselines]) for take in (_left, _right))
    lengths = right - left
    if is_main.any():
        cut = (left <= EDGE) | (right >= main.shape[1] - 1 - EDGE)
        is_main &= ~(cut & (lengths < SHORT_LINE * np.median(lengths[is_main])))
    return (
        is_main
        if lengths[is_main].sum() >= LEAST_MAIN_TEXT * lengths.sum()
        else np.ones(len(baselines), np.bool_)
    )


def _between_marginalia(
    below: NDArray[np.float64], is_main: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether the nearest line above each one and the nearest below it, within reach, are both
    notes."""
    near = [
        np.where(np.isfinite(way.min(axis=0)), ~is_main[way.argmin(axis=0)], False)
        for way in (below, below.T)
    ]
    return near[0] & near[1]


def _below(baselines: list[Polyline]) -> NDArray[np.float64]:
    """How far each line (columns) lies below each other one (rows) whose width it shares in part;
    else infinite."""
    left, right, y = (
        np.array([take(line) for line in baselines]) for take in (_left, _right, _height)
    )
    shared = np.minimum(right[:, None], right) > np.maximum(left[:, None], left)
    return np.where(shared & (y > y[:, None]), y - y[:, None], np.inf)


def _left(line: Polyline) -> float:
    return float(line[0, 0])


def _right(line: Polyline) -> float:
    return float(line[-1, 0])


def _height(line: Polyline) -> float:
    return float(line[:, 1].mean())


def letter_pixels(
    line: Polyline, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns in a map of this shape of the points, two columns apart, in the letters on a
    line."""
    across = np.arange(line[0, 0], line[-1, 0] + 1.0, 2.0)
    up = np.interp(across, line[:, 0], line[:, 1]) - LIFT
    rows, columns = (
        np.clip(at.astype(np.int64), 0, most - 1)
        for at, most in zip((up, across), shape, strict=True)
    )
    return rows, columns
