"""Points and pixels of an image as a camera stored it are turned alike."""

from __future__ import annotations

import numpy as np
import pytest

from recog.media.image.exif import upright, upright_point


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_point_lies_on_its_pixel(orientation: int) -> None:
    stored = np.arange(12).reshape(3, 4)
    turned = upright(stored, orientation)
    assert turned.shape == ((4, 3) if orientation >= 5 else (3, 4))
    corner = (turned.shape[1] - 1, turned.shape[0] - 1)
    for y in range(3):
        for x in range(4):
            column, row = upright_point((x, y), orientation, corner)
            assert turned[int(row), int(column)] == stored[y, x]


def test_the_first_row_of_a_phone_held_upright_is_its_right_side() -> None:
    assert upright(np.array([[1, 2], [3, 4], [5, 6]]), 6).tolist() == [[5, 3, 1], [6, 4, 2]]
