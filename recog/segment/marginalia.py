"""Tell the main text of a page from marginalia: notes, visas and stamps by other hands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recog.segment.baselines import Floats, Polyline

MAIN_TEXT = 0.45  # mean probability of main text along a line, from which it is main text
POSSIBLY_MAIN = 0.2  # the same, for a line that follows main text at the usual distance:
FOLLOWING = (0.6, 1.25)  # of the usual distance between lines of main text
CLEARLY_MAIN = 0.65  # below it, a line between marginalia is marginalia
# Of the usual length: a shorter line at the edge of the image belongs to the neighbouring page.
SHORT_LINE = 0.25
EDGE = 2.0  # pixels
LIFT = 2.0  # pixels from a baseline up to the letters
# Of the length of all lines: a page with less main text is a page of notes, all of which is read.
LEAST_MAIN_TEXT = 0.25


def main_text_lines(baselines: list[Polyline], main: Floats) -> NDArray[np.bool_]:
    """Whether each line is main text: neither marginalia nor part of a neighbouring page.

    Args:
        baselines: from :func:`recog.segment.baselines.find_baselines`.
        main: (height, width) probability of main text.
    """
    scores = np.array([float(main[letter_pixels(line, main.shape)].mean()) for line in baselines])
    is_main = scores >= MAIN_TEXT
    below = _below(baselines)
    apart = np.where(is_main[:, None] & is_main, below, np.inf).min(axis=0, initial=np.inf)
    if np.isfinite(apart).any():
        nearest, furthest = np.array(FOLLOWING) * np.median(apart[np.isfinite(apart)])
        follows = (below >= nearest) & (below <= furthest)
        amid = (scores < CLEARLY_MAIN) & _between_marginalia(
            np.where(below <= furthest, below, np.inf), is_main
        )
        is_main &= ~amid
        # from above, for instance a signature under a greeting
        for k in np.argsort([line[:, 1].mean() for line in baselines]):
            is_main[k] |= bool(
                scores[k] >= POSSIBLY_MAIN and not amid[k] and (follows[:, k] & is_main).any()
            )
    left, right = (np.array([take(line) for line in baselines]) for take in (_left, _right))
    lengths = right - left
    if is_main.any():
        cut = (left <= EDGE) | (right >= main.shape[1] - 1 - EDGE)
        is_main &= ~(cut & (lengths < SHORT_LINE * np.median(lengths[is_main])))
    if lengths[is_main].sum() < LEAST_MAIN_TEXT * lengths.sum():
        return np.ones(len(baselines), np.bool_)
    return is_main


def _between_marginalia(
    below: NDArray[np.float64], is_main: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether the nearest lines above and below each line, within reach, are both marginalia."""
    near = [
        np.where(np.isfinite(way.min(axis=0)), ~is_main[way.argmin(axis=0)], False)
        for way in (below, below.T)
    ]
    return near[0] & near[1]


def _below(baselines: list[Polyline]) -> NDArray[np.float64]:
    """How far each line (columns) lies below each other line (rows) that it overlaps sideways.

    Infinite for all other pairs.
    """
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
    """Rows and columns of points in the letters of a line, two columns apart, in a map."""
    across = np.arange(line[0, 0], line[-1, 0] + 1.0, 2.0)
    up = np.interp(across, line[:, 0], line[:, 1]) - LIFT
    rows, columns = (
        np.clip(at.astype(np.int64), 0, size - 1)
        for at, size in zip((up, across), shape, strict=True)
    )
    return rows, columns
