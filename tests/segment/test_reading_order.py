"""Lines come out in the order in which people read."""

from __future__ import annotations

import time

import numpy as np
import pytest

from recog.segment.reading_order import reading_order


def line(left: float, right: float, y: float) -> np.ndarray:
    return np.array([[left, y], [right, y]], np.float64)


@pytest.mark.parametrize(
    ("lines", "order"),
    [
        ([line(0, 300, 80), line(0, 300, 20), line(0, 300, 50)], [1, 2, 0]),
        # two facing pages, the right one a little higher
        (
            [line(10, 140, 30), line(160, 290, 25), line(10, 140, 60), line(160, 290, 55)],
            [0, 2, 1, 3],
        ),
        # a heading over two columns
        (
            [line(160, 290, 40), line(10, 140, 70), line(10, 290, 20), line(10, 140, 42)],
            [2, 3, 1, 0],
        ),
        # a heading between two pairs of columns
        (
            [
                line(10, 140, 20),
                line(160, 290, 20),
                line(10, 290, 50),
                line(10, 140, 80),
                line(160, 290, 80),
            ],
            [0, 1, 2, 3, 4],
        ),
        # a page askew: the short line at the right begins lower than the next line at the left
        (
            [
                line(10, 90, 60),
                np.array([[10.0, 20.0], [290.0, 62.0]]),
                np.array([[10.0, 50.0], [290.0, 92.0]]),
            ],
            [1, 2, 0],
        ),
        # the address at a letter's foot, below the signature at its right and beside what stands
        # under that
        (
            [
                line(10, 290, 20),
                line(100, 200, 50),
                line(150, 290, 80),
                line(190, 280, 110),
                line(15, 130, 112),
            ],
            [0, 1, 2, 4, 3],
        ),
        # a note in the margin beside the second of three lines comes first, the page's number at
        # the right last
        (
            [
                line(60, 270, 20),
                line(60, 270, 50),
                line(60, 270, 80),
                line(5, 50, 52),
                line(280, 298, 22),
            ],
            [3, 0, 1, 2, 4],
        ),
        # a date at the right above the lines of an address at the left
        (
            [line(180, 290, 20), line(10, 120, 50), line(10, 120, 80), line(10, 290, 110)],
            [0, 1, 2, 3],
        ),
        # lines in two pieces each
        (
            [
                line(10, 100, 20),
                line(115, 290, 21),
                line(10, 290, 50),
                line(160, 290, 79),
                line(10, 140, 80),
            ],
            [0, 1, 2, 4, 3],
        ),
        # columns of three lines side by side, the left one lower
        (
            [line(160, 290, y) for y in (20, 50, 80)] + [line(10, 140, y) for y in (45, 75, 105)],
            [3, 4, 5, 0, 1, 2],
        ),
        # an indented last line
        ([line(10, 290, 20), line(200, 290, 50)], [0, 1]),
        ([], []),
    ],
)
def test_reading_order(lines: list[np.ndarray], order: list[int]) -> None:
    assert reading_order(lines, 300.0) == order


@pytest.mark.parametrize("degrees", [-4.0, 4.0])
def test_a_page_askew_is_read_as_if_it_were_level(degrees: float) -> None:
    rows = [[(10, 140, 30 * k), (160, 290, 30 * k + 3)] for k in range(1, 6)]
    level = [line(*piece) for row in rows for piece in row]
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    assert reading_order(level, 300.0) == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert reading_order([points @ matrix for points in level], 300.0) == reading_order(
        level, 300.0
    )


def test_five_hundred_lines_are_ordered_at_once() -> None:
    rng = np.random.default_rng(1)
    lines = [line(x, x + 40, y) for x, y in rng.uniform(0, 400, (500, 2))]
    begun = time.process_time()
    assert sorted(reading_order(lines, 450.0)) == list(range(500))
    assert time.process_time() - begun < 10


def test_a_table_is_read_row_by_row() -> None:
    """A register: a heading over all of it, numbers, dates and amounts beside texts of two lines,
    one page askew."""
    heading = [line(10, 900, 20)]
    rows = []
    for k in range(6):
        y = 80.0 + 60 * k
        rows += [
            line(0, 30, y),
            line(50, 150, y + 3),
            line(180, 700, y - 2),
            line(180, 650, y + 30),
            line(750, 900, y + 31),
        ]
    rng = np.random.default_rng(3)
    order = rng.permutation(len(heading + rows))
    shuffled = [(heading + rows)[k] for k in order]
    assert order[reading_order(shuffled, 900)].tolist() == list(range(31))
    angle = np.deg2rad(2.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    assert order[reading_order([points @ turn for points in shuffled], 900)].tolist() == list(
        range(31)
    )


def test_columns_are_a_table_where_the_user_says_so() -> None:
    columns = [line(0, 140, 40 * k) for k in range(5)] + [line(160, 300, 40 * k) for k in range(5)]
    assert reading_order(columns, 300) == list(range(10))
    assert reading_order(columns, 300, table=True) == [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
    register = [
        line(100 * column, 100 * column + 80, 40 * row) for column in range(4) for row in range(5)
    ]
    assert reading_order(register, 400, table=False) == list(range(20))
