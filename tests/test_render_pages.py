"""scripts/render_pages.py: baselines lie under ink, also when warped; a seed gives the same
files."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("PIL", reason="rendering needs pillow")
pytest.importorskip("fontTools", reason="rendering needs fonttools")

import page_damage
import render_pages
from page_ink import Hand, Sheet, SheetLine
from rendering import Face, built_in_face

from recog.corpora import importer
from recog.formats.layout import page as page_xml

SCRIPT = Path(render_pages.__file__)
SMALL = (500, 700)


@pytest.fixture(scope="module")
def face() -> Face:
    try:
        return built_in_face()
    except RuntimeError as error:
        pytest.skip(f"no font is at hand: {error}")


@pytest.fixture(scope="module")
def fonts(face: Face) -> render_pages.Fonts:
    return render_pages.Fonts([face], [face], [face])


def darkness(pixels: np.ndarray, points: np.ndarray, up: float) -> float:
    """Mean darkness, 0 to 255, a few pixels above the points of a baseline and between them."""
    along = np.linspace(0, len(points) - 1, 200)
    x, y = (np.interp(along, np.arange(len(points)), points[:, k]) for k in (0, 1))
    rows = np.clip(np.round(y - up).astype(int), 0, pixels.shape[0] - 1)
    columns = np.clip(np.round(x).astype(int), 0, pixels.shape[1] - 1)
    paper = float(np.median(pixels))
    return float(np.maximum(0.0, paper - pixels[rows, columns].mean(axis=1)).mean())


def blank(width: int = 600, height: int = 400) -> Sheet:
    return Sheet(
        np.full((height, width, 3), 240, np.uint8), random.Random(1), np.random.default_rng(1)
    )


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0])
@pytest.mark.parametrize("slant", [0.0, 0.3])
def test_a_baseline_lies_at_the_feet_of_the_letters(face: Face, slant: float, angle: float) -> None:
    sheet = blank()
    hand = Hand(face, 14.0, slant=slant, stretch=1.0 + slant, wander=slant)
    sheet.line([("numerous mums run", hand, 250.0)], 370.0, angle=angle)
    (line,) = sheet.lines
    assert line.text == "numerous mums run"
    away = np.deg2rad(angle)
    ahead = line.baseline[-1] - line.baseline[0]
    assert np.rad2deg(np.arctan2(-ahead[1], ahead[0])) == pytest.approx(angle, abs=2.0)
    rows, columns = np.nonzero(sheet.pixels.min(axis=2) < 120)
    # How far each dark pixel is below the baseline, across its direction.
    below = (rows - line.baseline[0][1]) * np.cos(away) + (columns - line.baseline[0][0]) * np.sin(
        away
    )
    assert np.percentile(below, 99) < 6 and np.percentile(below, 1) == pytest.approx(-14, abs=6)
    inside = cv2.fillPoly(
        np.zeros(sheet.pixels.shape[:2], np.uint8), [np.round(line.outline).astype(int)], 1
    )
    assert inside[rows, columns].mean() > 0.97


@pytest.mark.parametrize("kind", ["letter", "register", "notes"])
def test_every_line_of_a_page_has_ink_on_it(fonts: render_pages.Fonts, kind: str) -> None:
    _, pixels, lines, _ = render_pages.render(
        fonts, [[render_pages.BUILT_IN]], 3, 1, kind=kind, sides=(700, 800), damage=False
    )
    assert len(lines) >= 5
    for line in lines:
        assert line.text
        base = np.array(line.baseline)
        level = abs(base[-1, 1] - base[0, 1]) < 0.3 * abs(base[-1, 0] - base[0, 0])
        # half of a small letter above the baseline lies more ink than below the descenders
        if level:
            assert darkness(pixels, base, 3.0) > 15, line.text


def test_warping_moves_baselines_with_the_ink(face: Face) -> None:
    sheet = blank()
    for y in (100.0, 200.0, 300.0):
        sheet.line([("m" * 20, Hand(face, 14.0), 60.0)], y)
    x = np.arange(sheet.width)
    bow = 40 * np.exp(-np.abs(x - 300) / 120)
    narrowed = np.cumsum(1 - 0.3 * np.exp(-np.abs(x - 300) / 60))
    seen = np.array([[1, 0.05, 20], [-0.04, 1, 30], [5e-5, 1e-4, 1]])
    warp = page_damage.Warp(narrowed, np.full(len(x), 0.95), bow, seen)
    page_damage._pictured(sheet, warp, 2000, [], random.Random(6), np.random.default_rng(1))
    for line in sheet.lines:
        straight = np.linspace(line.baseline[0], line.baseline[-1], 50)
        assert (
            np.abs(line.baseline - np.linspace(*line.baseline[[0, -1]], len(line.baseline))).max()
            > 15
        )
        on_letters = darkness(sheet.pixels, line.baseline, 5.0)
        assert on_letters > 60 > 5 > darkness(sheet.pixels, line.baseline, -6.0)
        assert darkness(sheet.pixels, straight, 5.0) < 0.75 * on_letters


def test_the_maps_of_a_warp_undo_what_it_does_to_points() -> None:
    warp = page_damage.Warp.drawn(900, 700, 400.0, random.Random(2))
    x, y = warp.maps(900, 700)
    points = np.stack(
        [x[40:660:31, 40:860:31].ravel(), y[40:660:31, 40:860:31].ravel()], axis=1
    ).astype(np.float64)
    v, u = np.mgrid[40:660:31, 40:860:31]
    kept = (points[:, 0] > 1) & (points[:, 0] < 898)
    there = warp.points(points)
    assert kept.sum() > 300
    assert np.abs(there - np.stack([u.ravel(), v.ravel()], axis=1))[kept].max() < 0.5


def test_what_nobody_transcribes_is_no_line(face: Face) -> None:
    sheet = blank()
    page_damage.stamp(sheet, Hand(face, 10.0), "ARCHIVES DEPARTMENT", random.Random(3))
    assert (sheet.pixels < 200).any() and not sheet.lines
    sheet.lines.append(SheetLine("a", np.array([[50.0, 50.0], [90.0, 50.0]]), np.zeros((4, 2))))
    page_damage._beside(sheet, np.full((400, 300, 3), 200, np.uint8), random.Random(1))
    assert len(sheet.lines) == 1 and sheet.pixels.shape[1] > 600


def test_a_seed_gives_the_same_files_and_they_are_pages(tmp_path: Path) -> None:
    for name, jobs in (("one", 1), ("two", 2)):
        command = [sys.executable, SCRIPT, tmp_path / name, "--pages", "3", "--seed", "4"]
        command += ["--jobs", str(jobs), "--sides", *map(str, SMALL)]
        subprocess.run(command, check=True, capture_output=True)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 7
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), (
            name
        )
    rows = list(importer("page")(tmp_path / "one"))
    table = [
        row.split("\t")
        for row in (tmp_path / "one" / "pages.tsv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    assert len(rows) == sum(int(row[2]) for row in table) > 3
    for row in rows:
        assert row.media.is_file() and row.text and row.line is not None
        assert len(row.line.baseline) >= 2 and len(row.line.polygon) >= 4
    for name in files:
        if name.endswith(".xml"):
            transcript = page_xml.read((tmp_path / "one" / name).read_text(encoding="utf-8"))
            height, width = cv2.imread(str(tmp_path / "one" / transcript.source)).shape[:2]
            assert transcript.size == (width, height)
