"""Which way a page is turned: by what can be read, in doubt as it lies."""

from __future__ import annotations

import numpy as np
import pytest

from recog.segment.orientation import find_upright
from recog.segment.page_geometry import PageGeometry, page_geometry
from recog.segment.page_lines import Lines

CORNERS = ((0, 0), (0, -1), (-1, -1), (-1, 0))  # where the mark stands after 0 to 3 turns clockwise
LONG = ((5.0, 12.0), (95.0, 12.0)), ((5.0, 4.0), (95.0, 4.0), (95.0, 16.0), (5.0, 16.0))
SHORT = ((5.0, 12.0), (15.0, 12.0)), ((5.0, 4.0), (15.0, 4.0), (15.0, 16.0), (5.0, 16.0))


def page(clockwise: int) -> np.ndarray:
    """A square page with a dark corner, which is at the top left when it stands upright."""
    image = np.full((100, 100), 255, np.uint8)
    image[0, 0] = 0
    return np.ascontiguousarray(np.rot90(image, -clockwise))


def lies(image: np.ndarray) -> int:
    return next(k for k, corner in enumerate(CORNERS) if image[corner] == 0)


class Pages:
    """Pages of four long lines, which a network finds where they are level and a recogniser reads
    where they are upright.

    Args:
        guess: what the geometry network says of the direction of a page that lies turned
            ``clockwise`` times.
        up, down: nats a frame of a line that stands upright, and of one on its head.
        across: what is found along the wrong axis.
    """

    def __init__(
        self,
        guess=lambda clockwise: clockwise,
        certainty=0.9,
        up=-0.1,
        down=-0.4,
        across: Lines | None = None,
    ):
        self.guess, self.certainty, self.up, self.down, self.across = (
            guess,
            certainty,
            up,
            down,
            across or [],
        )
        self.looked_at: list[int] = []
        self._now = 0

    def geometry(self, image: np.ndarray) -> PageGeometry:
        return PageGeometry(
            20.0, 90.0 * self.guess(lies(image)), self.certainty, self.certainty, 50
        )

    def lines(self, image, geometry=None, *, marginalia=False, table=None) -> Lines:
        self._now = lies(image)
        self.looked_at.append(self._now)
        return [LONG] * 4 if self._now % 2 == 0 else list(self.across)

    def read(self, line: np.ndarray) -> np.ndarray:
        flipped = self.read_before
        self.read_before = not self.read_before
        upright = (self._now == 0) != flipped
        sure = -0.9 if self._now % 2 else self.up if upright else self.down
        return np.full(20, sure, np.float32)

    read_before = False


@pytest.mark.parametrize("clockwise", range(4))
def test_a_page_that_was_turned_is_set_right(clockwise: int) -> None:
    pages = Pages()
    turns, lines = find_upright(page(clockwise), pages, pages.read)
    assert turns == clockwise and len(lines) == 4
    assert lies(np.rot90(page(clockwise), turns)) == 0


def test_an_upright_page_is_looked_at_once() -> None:
    pages = Pages()
    assert find_upright(page(0), pages, pages.read)[0] == 0
    assert pages.looked_at == [0]


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_what_is_read_counts_more_than_what_a_page_looks_like(wrong: int) -> None:
    pages = Pages(guess=lambda clockwise: clockwise + wrong)
    for clockwise in range(4):
        pages.across = [SHORT]
        turns, _ = find_upright(page(clockwise), pages, pages.read)
        if clockwise == 0 or wrong == 2:
            assert turns == clockwise


def test_specks_do_not_turn_a_page() -> None:
    """Along the wrong axis specks are found, and few of them can be read at all."""
    pages = Pages(guess=lambda clockwise: 1, across=[SHORT] * 9)
    assert find_upright(page(0), pages, pages.read)[0] == 0


def test_a_page_on_which_nothing_can_be_read_stays() -> None:
    pages = Pages(guess=lambda clockwise: 0, certainty=0.1, up=-0.7, down=-0.68)
    assert find_upright(page(0), pages, pages.read)[0] == 0
    blank = np.full((80, 60), 255, np.uint8)

    class Nothing(Pages):
        def geometry(self, image):
            return PageGeometry(0.0, 0.0, 0.0, 0.0, 0)

        def lines(self, image, geometry=None, *, marginalia=False, table=None):
            return []

    assert find_upright(blank, Nothing(), lambda line: np.zeros(0, np.float32)) == (0, [])


def test_geometry_sums_up_its_cells() -> None:
    maps = np.zeros((6, 4, 6), np.float32)
    maps[0] = -9.0
    maps[0, 1:3, 1:5] = 9.0
    maps[1, 1:3, 1:5] = 1.0  # an octave above 16 pixels
    angle = np.deg2rad(93.0)
    for k, value in enumerate((np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle))):
        maps[2 + k, 1:3, 1:5] = value
    seen = page_geometry(maps, scale=0.5)
    assert seen.cells == 8 and seen.quarter == 1
    assert seen.size == pytest.approx(64.0) and seen.angle == pytest.approx(93.0, abs=0.01)
    assert seen.certainty == pytest.approx(1.0, abs=1e-3)
    assert seen.turned(1).quarter == 0 and seen.turned(1).angle == pytest.approx(3.0, abs=0.01)
    maps[2:4] *= -0.2  # a weak opinion that it is read the other way; the axis stays
    assert page_geometry(maps).angle == pytest.approx(-87.0, abs=0.01)
    maps[0] = -9.0
    assert page_geometry(maps).cells == 0
