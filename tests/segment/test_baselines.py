"""Lines planted in the maps of a page network come out, in the order in which people read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recog.segment.baselines import find_baselines, outlines
from recog.segment.reading_order import reading_order

HEIGHT, WIDTH = 200, 300


def maps(
    lines: list[list[tuple[float, float]]], gaps: list[tuple[int, int]] = (), band: int = 12
) -> np.ndarray:  # type: ignore[assignment]
    """What a perfect network gives for these lines; in ``gaps`` (columns from, to) it sees no
    baseline."""
    found = np.zeros((3, HEIGHT, WIDTH), np.float32)
    for line in lines:
        points = np.array(line, np.int32)
        cv2.polylines(found[0], [points], False, 1.0, 3)
        for x, y in (points[0], points[-1]):
            cv2.circle(found[1], (int(x), int(y)), 4, 1.0, -1)
        outline = np.concatenate([points - np.array([0, band]), (points + np.array([0, 4]))[::-1]])
        cv2.fillPoly(found[2], [outline], 1.0)
    for start, end in gaps:
        found[0, :, start:end] = 0.0
    return found


def test_lines_are_found_where_they_are() -> None:
    planted = [[(20, 50), (150, 54), (280, 50)], [(20, 90), (280, 98)]]
    found = sorted(find_baselines(maps(planted)), key=lambda line: line[0, 1])
    assert len(found) == 2
    for line, true in zip(found, planted, strict=True):
        assert abs(line[0, 0] - true[0][0]) <= 5 and abs(line[-1, 0] - true[-1][0]) <= 5
        expected = np.interp(line[:, 0], [x for x, _ in true], [y for _, y in true])
        assert np.abs(line[:, 1] - expected).max() < 1.5


def test_a_gap_is_closed_but_two_lines_side_by_side_stay_two() -> None:
    assert len(find_baselines(maps([[(20, 50), (280, 56)]], gaps=[(120, 140)]))) == 1
    assert len(find_baselines(maps([[(20, 50), (140, 50)], [(156, 50), (280, 50)]]))) == 2
    assert len(find_baselines(maps([[(20, 50), (280, 50)]], gaps=[(100, 175)]))) == 2, (
        "too far apart to be one"
    )


def test_specks_and_nothing_are_no_lines() -> None:
    empty = np.zeros((3, HEIGHT, WIDTH), np.float32)
    assert find_baselines(empty) == []
    empty[0, 50:53, 50:54] = 1.0
    empty[0, 80:180, 100:103] = 1.0  # a stroke that stands
    assert find_baselines(empty) == []


def test_outlines_hold_the_body_and_end_before_the_neighbours() -> None:
    planted = [[(20, 50), (280, 50)], [(20, 80), (280, 80)], [(20, 110), (280, 110)]]
    seen = maps(planted, band=14)
    lines = sorted(find_baselines(seen), key=lambda line: line[0, 1])
    for line, polygon in zip(lines, outlines(lines, seen[2]), strict=True):
        y = line[:, 1].mean()
        assert polygon[:, 1].min() == pytest.approx(y - 14, abs=3)
        assert y + 3 <= polygon[:, 1].max() <= y + 15.5
        assert polygon[:, 0].min() < line[0, 0] and polygon[:, 0].max() > line[-1, 0]


def test_a_single_line_has_an_outline() -> None:
    seen = maps([[(20, 100), (280, 100)]])
    (polygon,) = outlines(find_baselines(seen), seen[2])
    assert 85 < polygon[:, 1].min() < 95 < 101 < polygon[:, 1].max() < 112


def test_a_page_full_of_scraps_does_not_take_forever() -> None:
    """A thousand pieces: by what they cost when pairs were gone through again after each join, this
    took minutes."""
    seen = np.zeros((3, 512, 400), np.float32)
    for y in range(8, 508, 6):
        for x in range(4, 380, 16):
            seen[0, y : y + 3, x : x + 11] = 1.0
    lines = find_baselines(seen)
    assert len(lines) == 84 == len(outlines(lines, seen[0]))
    assert reading_order(lines, 400.0) == list(
        np.argsort([line[:, 1].mean() for line in lines], kind="stable")
    )
