"""Facing pages that stand closer together than words, and pages that only look like them."""

from __future__ import annotations

import numpy as np
import pytest

from recog.segment.fold import find_fold, split_at_fold

SPACING = 32


def page(lines: int, fold: float | None, *, width: int = 1200, seed: int = 0, slope: float = 0.0):
    """Ink of words, 3 to 9 characters of 9 pixels with 14 between them, and a baseline a line over
    the whole width; with a fold, no word stands over it."""
    rng = np.random.default_rng(seed)
    ink = np.zeros((SPACING * (lines + 2), width), np.uint8)
    baselines = []
    for k in range(lines):
        y, x = SPACING * (k + 1.5), 40 + int(rng.integers(0, 20))
        first = x
        while x < width - 120:
            length = 9 * int(rng.integers(3, 10))
            at = None if fold is None else fold + slope * y
            if at is not None and x - 8 < at < x + length + 8:
                x = int(at) + 9
            ink[int(y) - 12 : int(y), x : x + length] = 255
            x += length + 14
        baselines.append(np.array([[first, y], [x - 14, y]], np.float64))
    return ink, baselines


@pytest.mark.parametrize("slope", [0.0, 0.03])
def test_lines_over_a_fold_are_cut(slope: float) -> None:
    ink, baselines = page(14, 580.0, slope=slope)
    fold = find_fold(baselines, ink, SPACING)
    assert fold is not None
    middle = ink.shape[0] / 2
    assert fold.at + fold.slope * middle == pytest.approx(580.0 + slope * middle, abs=12)
    pieces = split_at_fold(baselines, ink, SPACING)
    assert len(pieces) == 28
    for left, right in zip(pieces[::2], pieces[1::2], strict=True):
        at = 580.0 + slope * left[0, 1]
        assert left[-1, 0] < right[0, 0]
        assert abs(left[-1, 0] - at) < 16
        assert abs(right[0, 0] - at) < 16


@pytest.mark.parametrize("seed", range(5))
def test_a_page_without_a_fold_stays(seed: int) -> None:
    ink, baselines = page(14, None, seed=seed)
    assert find_fold(baselines, ink, SPACING) is None
    assert split_at_fold(baselines, ink, SPACING) is baselines


def test_a_narrow_page_has_no_fold() -> None:
    ink, baselines = page(60, 580.0)
    assert find_fold(baselines, ink, SPACING) is None


def test_a_column_of_the_right_page_is_no_fold() -> None:
    """The left page holds lines of its own: what crosses are cells of the right page."""
    ink, baselines = page(14, 200.0)
    shift = 560.0
    right = [line + np.array([shift, 0.0]) for line in baselines]
    left = [np.array([[40.0, line[0, 1]], [440.0, line[0, 1]]]) for line in baselines]
    wide = np.pad(ink, ((0, 0), (int(shift), 0)))
    assert find_fold(left + right, wide, SPACING) is None


def test_few_lines_show_nothing() -> None:
    ink, baselines = page(3, 580.0)
    assert find_fold(baselines, ink, SPACING) is None
    assert find_fold([], ink, SPACING) is None
