"""Line strips from pages whose ink is known."""

import numpy as np
import pytest

from recog.features.line_strip import is_dark_on_light, to_columns, to_strip, variant
from recog.model.config import StripConfig, View

CONFIG = StripConfig(height=48, even=False)
EVEN = StripConfig(height=48)


def page(height: int = 96, width: int = 400, paper: int = 220, ink: int = 40) -> np.ndarray:
    image = np.full((height, width), paper, np.uint8)
    for x in range(20, width - 20, 30):
        image[height // 4 : 3 * height // 4, x : x + 6] = ink
    return image


def test_height_is_fixed_and_aspect_kept():
    assert to_strip(page(96, 400), CONFIG).shape == (48, 200)
    assert to_strip(page(24, 100), CONFIG).shape == (48, 200)


def test_ink_is_bright_on_black_whatever_the_polarity():
    dark, light = page(), 255 - page()
    assert is_dark_on_light(dark) and not is_dark_on_light(light)
    a, b = to_strip(dark, CONFIG), to_strip(light, CONFIG)
    assert np.abs(a.astype(int) - b.astype(int)).max() <= 1
    assert a[24, 11] > 200 and a[2, :].max() == 0


def test_contrast_is_stretched():
    faint = to_strip(page(paper=180, ink=140), CONFIG)
    assert faint.max() >= 250 and np.median(faint) == 0


def grainy(paper: int, ink: int, grain: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0.0, grain, (48, 400))
    return np.clip(page(48, 400, paper, ink) + noise, 0, 255).astype(np.uint8)


def test_the_grain_of_the_paper_is_held_down_under_faint_ink():
    faint, strong = to_strip(grainy(200, 170, 4.0), CONFIG), to_strip(grainy(200, 60, 4.0), CONFIG)
    written = page(48, 400, 1, 0) == 0
    # what a plain stretch would make of the grain, about
    tone = (200 - np.arange(256)) / (200 - 160)
    plain = 255 * np.clip(tone[grainy(200, 170, 4.0)], 0, 1)
    assert faint[~written].mean() < 0.6 * plain[~written].mean()
    assert faint[written].mean() > 5 * faint[~written].mean()
    assert strong[written].mean() > 230  # ink that stands out is as ever


def test_thick_writing_is_not_taken_for_grain():
    image = page(48, 400, 220, 40)
    image[:, 100:300] = 40  # ink on half of the line
    image[10:20, 100:300] = 130
    tones = set(np.unique(to_strip(image, CONFIG)))
    assert min(abs(int(tone) - 127) for tone in tones) <= 1  # half as dark as ink: linear


def strokes(apart: int, height: int = 48, width: int = 960) -> np.ndarray:
    """Vertical strokes, so many pixels apart at a height of 48."""
    image = np.full((height, width), 220, np.uint8)
    step = apart * height // 48
    for x in range(step, width - step, step):
        image[height // 4 : 3 * height // 4, x : x + max(2, step // 4)] = 40
    return image


@pytest.mark.parametrize("height", [48, 96])
@pytest.mark.parametrize(
    ("apart", "factor"),
    [(6, 1.4), (10, 1.2), (14, 1.0), (18, 1.0), (20, 48 / 20 / 2.6), (40, 0.8)],
    ids=lambda value: f"{value:.2f}",
)
def test_dense_writing_becomes_wider_and_sparse_writing_narrower(
    apart: int, factor: float, height: int
):
    strip = to_strip(strokes(apart, height), EVEN)
    assert strip.shape[1] == pytest.approx(960 * 48 / height * factor, rel=0.05)
    ink = strip[24] > 127
    starts = np.flatnonzero(ink[1:] & ~ink[:-1])
    # the same strokes, no more and no fewer
    assert np.diff(starts).mean() == pytest.approx(apart * factor, rel=0.05)


def test_the_density_of_writing_does_not_depend_on_the_margins():
    narrow = strokes(8)
    wide = np.pad(narrow, ((0, 0), (700, 300)), constant_values=220)
    a, b = (
        to_strip(narrow, EVEN).shape[1] / narrow.shape[1],
        to_strip(wide, EVEN).shape[1] / wide.shape[1],
    )
    assert a == pytest.approx(b, rel=0.01)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_line_has_no_ink(value: int):
    assert not to_strip(np.full((60, 300), value, np.uint8), EVEN).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 3)])
def test_odd_sizes(shape: tuple[int, int]):
    strip = to_strip(np.random.default_rng(0).integers(0, 255, shape, np.uint8), EVEN)
    assert strip.shape[0] == 48 and 4 <= strip.shape[1] <= 48 * 200


def test_columns_are_time_first_and_scaled():
    columns = to_columns(np.array([[0, 255], [51, 0]], np.uint8))
    np.testing.assert_allclose(columns, [[0, 0.2], [1, 0]])


def test_a_view_leans_and_widens_a_strip():
    strip = np.zeros((48, 200), np.uint8)
    strip[:, 100] = 255
    assert variant(strip, View()) is strip
    left = variant(strip, View(slant=-0.25))
    assert left.shape == strip.shape
    middle = 23.5
    for y in (0, 10, 23, 40, 47):  # to the left above the middle, to the right below it
        assert np.average(np.arange(200), weights=left[y]) == pytest.approx(
            100 + 0.25 * (y - middle), abs=0.05
        )
    wide = variant(strip, View(width=1.5))
    assert wide.shape == (48, 300) and np.average(
        np.arange(300), weights=wide[20]
    ) == pytest.approx(150, abs=0.1)
    assert variant(np.zeros((48, 1), np.uint8), View(width=0.5)).shape == (48, 4)
