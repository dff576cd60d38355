"""Parts of a page that run another way, tiles of large pages, and points that are turned back."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from recog.model.page_model import open_page_model_folder
from recog.segment.page_geometry import CELL, page_geometry
from recog.segment.page_lines import HALO, PageSegmenter, _cuts, _unrotate


def geometry_maps(rows: int, columns: int) -> np.ndarray:
    """A page that is written on all over, level, lines 32 pixels apart."""
    maps = np.zeros((6, rows, columns), np.float32)
    maps[0], maps[1], maps[2], maps[4] = 5.0, 1.0, 1.0, 1.0
    return maps


def test_a_part_that_runs_along_the_other_axis_is_one_of_its_own() -> None:
    maps = geometry_maps(20, 30)
    maps[0, :, 20:23] = -5.0  # a margin
    maps[2:6, 4:14, 23:26] = np.array([0.0, -1.0, -1.0, 0.0])[:, None, None]  # upwards
    page = page_geometry(maps)
    assert abs(page.angle) < 10 and page.axis_certainty < 1.0
    [(cells, part)] = page.regions()
    assert cells[4:14, 23:26].all() and cells.sum() == 30
    assert part.quarter == 3 and part.angle == pytest.approx(-90.0)
    [(turned_cells, turned)] = page.turned(1).regions()
    assert turned_cells.sum() == 30 and turned.quarter == 2 and page.turned(1).quarter == 3
    back = page.turned(1).turned(3)
    np.testing.assert_allclose(back.maps, maps, atol=1e-6)


def test_small_print_is_a_part_and_a_speck_is_not() -> None:
    maps = geometry_maps(20, 30)
    maps[1, 2:6, 3:9] = -0.5  # an octave and a half smaller
    maps[1, 15, 15] = -2.0
    [(cells, part)] = page_geometry(maps).regions()
    assert cells.sum() == 24 and part.size == pytest.approx(16 * 2**-0.5)


@pytest.mark.parametrize("turns", range(4))
def test_points_are_turned_back_to_where_the_pixels_are(turns: int) -> None:
    image = np.zeros((40, 60), np.uint8)
    image[7, 50] = 255
    row, column = np.argwhere(np.rot90(image, turns))[0]
    assert _unrotate(((float(column), float(row)),), turns, image.shape) == ((50.0, 7.0),)


def test_tiles_cover_a_side_and_begin_where_the_network_has_a_pixel() -> None:
    for length in (10, 1632, 1633, 3000, 9999):
        cuts = _cuts(length)
        assert cuts[0][0] == 0 and cuts[-1][1] == length
        assert all(end == start for (_, end), (start, _) in pairwise(cuts))
        assert all(start % 2 == 0 for start, _ in cuts)


@pytest.mark.slow
def test_a_page_in_tiles_has_the_lines_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    page = np.full((1400, 1100), 235, np.uint8)
    for y in range(100, 1350, 60):
        cv2.putText(
            page,
            "The road was white with frost",
            (60, y),
            cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
            1.6,
            40,
            3,
        )
    segmenter = PageSegmenter(open_page_model_folder())
    whole = segmenter.lines(page, marginalia=True)
    monkeypatch.setattr("recog.segment.page_lines.TILE", 320)
    tiled = segmenter.lines(page, marginalia=True)
    assert len(whole) == 21 and HALO < 320
    assert len(tiled) == len(whole)
    for (one, _), (other, _) in zip(whole, tiled, strict=True):
        assert (
            np.abs(np.array(one[0]) - other[0]).max() < 2 * CELL
            and abs(one[-1][1] - other[-1][1]) < 8
        )
