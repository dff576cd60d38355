"""Which lines of a page are its own writing, and which are notes, visas and stamps of others on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recog.segment.baselines import Floats, Polyline

OWN = 0.5  # mean probability along a line of the page's own writing
LIFT = 2.0  # pixels from a baseline up into its letters
LEAST = (
    0.25  # of the length of all lines: a page with less writing of its own is a page of notes, and all of it is read
)


def own_lines(baselines: list[Polyline], main: Floats) -> NDArray[np.bool_]:
    """Whether each line is the page's own writing.

    Args:
        baselines: as :func:`recog.segment.baselines.find_baselines` gives them.
        main: (height, width) probability of the page's own writing.
    """
    own = np.array([float(main[along(line, main.shape)].mean()) >= OWN for line in baselines], np.bool_)
    lengths = np.array([line[-1, 0] - line[0, 0] for line in baselines])
    return own if lengths[own].sum() >= LEAST * lengths.sum() else np.ones(len(baselines), np.bool_)


def along(line: Polyline, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns in a map of this shape of the points, two columns apart, in the letters on a line."""
    across = np.arange(line[0, 0], line[-1, 0] + 1.0, 2.0)
    up = np.interp(across, line[:, 0], line[:, 1]) - LIFT
    rows, columns = (np.clip(at.astype(np.int64), 0, most - 1) for at, most in zip((up, across), shape, strict=True))
    return rows, columns
