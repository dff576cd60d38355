"""Lines planted on a page, slanted and bent, come out level, whole and alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recog.errors import UserError
from recog.media.image.line_crop import crop_line

PAPER, INK = 210, 40
RISE, DEPTH = 30, 12  # of the polygon above and below the baseline


def page_with(baseline: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A page with a stroke 3 px thick right on the baseline, and a second line of writing 60 px
    below."""
    page = np.full((400, 700), PAPER, np.uint8)
    for shift in (0, 60):
        for x, y in dense(baseline):
            page[round(y) + shift - 1 : round(y) + shift + 2, round(x)] = INK
    return page


def dense(baseline: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.arange(baseline[0, 0], baseline[-1, 0] + 1)
    return np.stack([x, np.interp(x, baseline[:, 0], baseline[:, 1])], axis=1)


def band(baseline: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.subtract(baseline, (0, RISE)), np.add(baseline, (0, DEPTH))[::-1]])


LEVEL = np.array([[100.0, 200.0], [600.0, 200.0]])
SLANTED = np.array([[100.0, 120.0], [600.0, 250.0]])
X = np.linspace(100, 600, 26)
BENT = np.stack([X, 200 + 40 * np.sin((X - 100) / 500 * np.pi)], axis=1)


def ink_rows(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean row of the ink in each column, away from the ends."""
    ink = (crop < (PAPER + INK) / 2)[:, 30:-30]
    assert ink.any(axis=0).all()
    return (ink * np.arange(len(ink))[:, None]).sum(axis=0) / ink.sum(axis=0)


def test_a_level_line_is_a_plain_cut() -> None:
    page = np.random.default_rng(0).integers(0, 256, (400, 700)).astype(np.uint8)
    crop = crop_line(page, band(LEVEL), LEVEL)
    np.testing.assert_array_equal(crop, page[200 - RISE : 200 + DEPTH + 1, 100:601])


@pytest.mark.parametrize("baseline", [SLANTED, BENT], ids=["slanted", "bent"])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_slanted_and_bent_lines_come_out_level(
    baseline: NDArray[np.float64], is_reversed: bool
) -> None:
    crop = crop_line(
        page_with(baseline), band(baseline), baseline[::-1] if is_reversed else baseline
    )
    length = np.hypot(*np.diff(baseline, axis=0).T).sum()
    assert crop.shape[1] == pytest.approx(length, abs=16)
    assert crop.shape[0] == pytest.approx(RISE + DEPTH + 1, abs=4)
    rows = ink_rows(crop)
    assert np.ptp(rows) < 2.5
    assert rows.mean() == pytest.approx(RISE * len(crop) / (RISE + DEPTH), abs=3)
    assert (crop < 125).sum() < 4 * crop.shape[1]  # the line below is not in it


def test_without_a_baseline_the_polygon_is_levelled() -> None:
    crop = crop_line(page_with(SLANTED), band(SLANTED))
    assert np.ptp(ink_rows(crop)) < 2.5
    # the band's ends are upright, its axis is not
    assert crop.shape[0] == pytest.approx(RISE + DEPTH, abs=14)


def test_without_a_polygon_a_band_is_cut() -> None:
    crop = crop_line(page_with(BENT), None, BENT, height=40)
    assert crop.shape[0] == 41
    rows = ink_rows(crop)
    assert np.ptp(rows) < 2.5 and rows.mean() == pytest.approx(28, abs=1)
    with pytest.raises(UserError, match="needs a height"):
        crop_line(page_with(BENT), None, BENT)


def test_height_and_margin() -> None:
    page = page_with(LEVEL)
    assert crop_line(page, band(LEVEL), LEVEL, height=60).shape == (61, 501)
    wide = crop_line(page, band(LEVEL), LEVEL, margin=0.5)
    assert wide.shape == (RISE + DEPTH + 1 + 42, 501 + 42)
    # the ink below lies outside the polygon
    assert (wide[:20] == PAPER).all() and (wide[-20:] == PAPER).all()


@pytest.mark.parametrize("paper", [210, 30])
def test_outside_the_polygon_is_paper(paper: int) -> None:
    page = np.full((100, 300), paper, np.uint8)
    page[40:44, 50:250:3] = 120
    page[20:30] = 255 - paper  # writing of the line above
    polygon = [(40, 20), (60, 35), (250, 35), (260, 60), (40, 60)]
    crop = crop_line(page, polygon, [(40, 50), (260, 50)])
    assert (crop[:8, 100:] == paper).all()
    assert (crop == 120).any()


def test_a_line_upside_down_is_turned() -> None:
    page = page_with(LEVEL)
    page[195:200, 110:130] = 0  # a letter at the left, above the line
    turned = np.ascontiguousarray(page[::-1, ::-1])
    back = np.array([699, 399])
    expected = crop_line(page, band(LEVEL), LEVEL)
    np.testing.assert_array_equal(crop_line(turned, back - band(LEVEL), back - LEVEL), expected)


@pytest.mark.parametrize(
    ("polygon", "says"),
    [
        ([(1, 1), (50, 50)], "fewer than three points"),
        ([(1, 1), (50, 50), (100, 100)], "no area"),
        ([(900, 900), (950, 900), (950, 950)], "no area on this page"),
        ([(-90, -10), (-50, -10), (-50, -5)], "no area on this page"),
        ([(float("nan"), 1), (5, 5), (1, 5)], "not a list of"),
        ([1, 2, 3], "not a list of"),
        ([(0, 0)] * 20_000, "not a list of"),
        (None, "needs a polygon or a baseline"),
        ([], "needs a polygon or a baseline"),
    ],
)
def test_polygons_that_are_none(polygon: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        crop_line(page_with(LEVEL), polygon)  # type: ignore[arg-type]


def test_damaged_baselines() -> None:
    page = page_with(LEVEL)
    with pytest.raises(UserError, match="to and fro"):
        crop_line(page, band(LEVEL), [(0, 0), (699, 399)] * 50)
    same = crop_line(page, band(LEVEL), [(100, 200)] * 3)  # a point: the polygon's axis
    np.testing.assert_array_equal(same, crop_line(page, band(LEVEL)))


def test_any_polygon_gives_a_crop_or_one_sentence() -> None:
    random = np.random.default_rng(7)
    page = page_with(LEVEL)
    for _ in range(40):
        polygon = random.uniform(-200, 900, (random.integers(3, 12), 2))
        baseline = (
            random.uniform(-200, 900, (random.integers(1, 8), 2)) if random.random() < 0.7 else None
        )
        try:
            crop = crop_line(page, polygon, baseline, margin=float(random.uniform(0, 0.3)))
        except UserError:
            continue
        assert crop.dtype == np.uint8 and min(crop.shape) >= 1 and crop.size < 6_000_000
