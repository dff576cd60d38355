"""How far apart lines are, and how large the writing is."""

from __future__ import annotations

import numpy as np
import pytest

from recog.segment.line_spacing import line_sizes, line_spacings, writing_size


def line(left: float, right: float, y: float, height: float = 0.0):
    baseline = np.array([[left, y], [right, y]])
    polygon = (
        np.array([[left, y - height], [right, y - height], [right, y], [left, y]])
        if height
        else np.zeros((0, 2))
    )
    return baseline, polygon


def test_columns_are_measured_each_on_its_own() -> None:
    lines = [line(20, 400, 100 + 80 * k) for k in range(5)] + [
        line(520, 900, 107 + 80 * k) for k in range(5)
    ]
    np.testing.assert_allclose(line_spacings([base for base, _ in lines]), 80.0)


def test_pieces_of_one_line_are_not_its_neighbours() -> None:
    lines = [line(0, 300, 50), line(290, 600, 52), line(0, 600, 90), line(0, 600, 130)]
    np.testing.assert_allclose(
        line_spacings([base for base, _ in lines]), [40, 38, 40, 40], atol=2.1
    )


def test_writing_in_a_sparse_table_is_as_large_as_its_lines_are_high() -> None:
    table = [line(0, 200, 100 * k, 30) for k in range(6)]
    assert writing_size(table) == pytest.approx(30.0)
    dense = [line(0, 200, 25 * k, 30) for k in range(6)]
    assert writing_size(dense) == pytest.approx(25.0)


def test_one_line_alone_tells_by_its_height() -> None:
    assert writing_size([line(0, 100, 40, 22)]) == pytest.approx(22.0)
    assert np.isinf(line_sizes([line(0, 100, 40)])[0]) and writing_size([line(0, 100, 40)]) == 0.0
    assert writing_size([]) == 0.0
