"""Negatives are told by their strokes, not by how dark a page is."""

from __future__ import annotations

import cv2
import numpy as np

from recog.segment.polarity import dark_on_light


def written(height: int = 400, width: int = 600) -> np.ndarray:
    page = np.full((height, width), 225, np.uint8)
    for y in range(60, height - 20, 50):
        cv2.putText(
            page, "Dear mother, we are well", (40, y), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.0, 40, 2
        )
    return page


def test_a_page_stays_and_a_negative_is_turned() -> None:
    page = written()
    assert dark_on_light(page) is page
    np.testing.assert_array_equal(dark_on_light(255 - page), page)


def test_a_dark_frame_or_an_empty_page_is_no_negative() -> None:
    framed = cv2.copyMakeBorder(written(), 300, 300, 300, 300, cv2.BORDER_CONSTANT, value=5)
    assert dark_on_light(framed) is framed
    for tone in (0, 128, 255):
        blank = np.full((300, 200), tone, np.uint8)
        assert dark_on_light(blank) is blank


def test_a_frame_around_a_negative_changes_nothing() -> None:
    negative = cv2.copyMakeBorder(
        255 - written(), 200, 200, 200, 200, cv2.BORDER_CONSTANT, value=250
    )
    assert dark_on_light(negative)[200:600, 200:800].mean() > 127
