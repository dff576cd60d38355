"""Notes on a page are told from its own lines by their map; a page of nothing else is read whole.
Pages askew are levelled."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recog.segment.marginalia import main_text_lines
from recog.segment.page_lines import deskew


def line(left: float, right: float, y: float) -> np.ndarray:
    return np.array([[left, y], [right, y]], np.float64)


def test_lines_are_own_where_the_map_says_so() -> None:
    main = np.zeros((100, 200), np.float32)
    main[:60] = 0.9
    lines = [line(10, 190, 30), line(10, 190, 55), line(20, 90, 90), line(150, 199, 99)]
    assert main_text_lines(lines, main).tolist() == [True, True, False, False]
    assert main_text_lines(lines[2:], main).tolist() == [True, True], "a page of notes"
    assert main_text_lines([], main).tolist() == []


def test_a_doubtful_line_is_own_where_it_follows_as_lines_do() -> None:
    main = np.full((300, 200), 0.3, np.float32)
    main[:101] = 0.9
    text = [line(10, 190, y) for y in (40, 70, 100)]
    assert main_text_lines([*text, line(90, 150, 131), line(95, 140, 160)], main).all(), (
        "a greeting and a signature"
    )
    assert main_text_lines([*text, line(90, 150, 115)], main).tolist() == [True] * 3 + [False], (
        "too close"
    )
    assert main_text_lines([*text, line(90, 150, 200)], main).tolist() == [True] * 3 + [False], (
        "too far"
    )
    main[101:] = 0.1
    assert main_text_lines([*text, line(90, 150, 131)], main).tolist() == [True] * 3 + [False], (
        "surely another's"
    )


def test_a_doubtful_line_between_notes_is_one_of_them() -> None:
    main = np.zeros((200, 200), np.float32)
    text = [line(20, 150, 30.0 + 25 * k) for k in range(3)]
    notes = [line(20, 150, 140.0 + 12 * k) for k in range(3)]
    for k, sure in enumerate((0.9, 0.9, 0.9, 0.1, 0.55, 0.3)):
        y = round(float([*text, *notes][k][0, 1]))
        main[y - 6 : y + 1] = sure
    assert main_text_lines([*text, *notes], main).tolist() == [True] * 3 + [False] * 3
    assert main_text_lines([*text, notes[1]], main).tolist() == [True] * 4, "alone"
    assert main_text_lines([*text, *notes[:2]], main).tolist() == [True] * 3 + [False, True], (
        "below a note, above nothing"
    )
    main[146:153] = 0.7
    assert main_text_lines([*text, *notes], main).tolist() == [True] * 3 + [False, True, False], (
        "sure enough"
    )


def test_a_stub_at_the_edge_is_of_the_page_beside() -> None:
    main = np.full((200, 200), 0.9, np.float32)
    text = [line(30, 190, y) for y in (40, 70, 100)]
    assert main_text_lines([*text, line(0, 20, 85)], main).tolist() == [True] * 3 + [False]
    assert main_text_lines([*text, line(179, 199, 85)], main).tolist() == [True] * 3 + [False]
    assert main_text_lines([*text, line(6, 26, 85)], main).all(), "a number in the margin"
    assert main_text_lines([*text, line(0, 190, 130)], main).all(), "a line that the edge cuts"


@pytest.mark.parametrize("slope", [-0.05, 0.05, 0.2])
def test_a_levelled_page_is_level_and_whole_and_leads_back(slope: float) -> None:
    ink = np.zeros((300, 400), np.uint8)
    start, end = np.array([40.0, 150.0]), np.array([340.0, 150.0 + 300 * slope])
    cv2.line(ink, start.astype(int).tolist(), end.astype(int).tolist(), 255, 3)
    ink[2:6, 2:6] = 255  # a corner
    level, back = deskew(ink, slope)
    assert float(level.sum()) == pytest.approx(float(ink.sum()), rel=0.02)
    rows, columns = np.nonzero(level > 127)
    long = columns[np.abs(rows - np.median(rows)) < 4]
    assert np.ptp(long) > 280
    middle = np.array([np.median(columns), np.median(rows)])
    x, y = back[:, :2] @ middle + back[:, 2]
    assert y == pytest.approx(150 + slope * (x - 40), abs=2)


def test_a_page_that_is_level_stays_as_it_is() -> None:
    ink = np.ones((20, 30), np.uint8)
    level, back = deskew(ink, 0.001)
    assert level is ink and (back == np.eye(2, 3)).all()
