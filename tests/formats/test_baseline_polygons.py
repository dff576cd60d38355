"""Bands around lines that are known by their baselines alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from recog.corpora.importers.pages.page_files import page_rows
from recog.corpora.line_images import line_image
from recog.formats.layout.baseline_polygons import with_polygons
from recog.recognition.layout_xml import read_segmentation
from recog.transcript import Line

COLUMNS = {"one": [(20, 0)], "two": [(20, 0), (520, 7)], "touching": [(20, 0), (410, 30)]}


def height(line: Line) -> float:
    down = [y for _, y in line.polygon]
    return max(down) - min(down)


def test_the_band_follows_the_line_spacing() -> None:
    lines = [
        Line(str(i), baseline=((10.0, 100.0 + 40 * i), (300.0, 104.0 + 40 * i))) for i in range(4)
    ]
    band = with_polygons(lines)[1].polygon
    assert band[0] == (10.0, 140.0 - 30.0) and band[-1] == (10.0, 140.0 + 12.0)
    whole = Line(
        "x", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), baseline=((0.0, 1.0), (1.0, 1.0))
    )
    assert with_polygons([whole, *lines])[0] is whole


def test_a_line_alone_and_lines_that_run_down() -> None:
    (alone,) = with_polygons([Line("", baseline=((0.0, 50.0), (400.0, 50.0)))])
    assert height(alone) == pytest.approx(1.05 * 40)
    down = [Line("", baseline=((100.0 + 60 * i, 10.0), (100.0 + 60 * i, 500.0))) for i in range(3)]
    across = [Line("", baseline=((300.0, 20.0 + 30 * i), (500.0, 20.0 + 30 * i))) for i in range(3)]
    found = with_polygons([*down, *across])
    assert {
        max(x for x, _ in line.polygon) - min(x for x, _ in line.polygon) for line in found[:3]
    } == {63.0}
    assert {round(height(line), 6) for line in found[3:]} == {31.5}


@pytest.mark.parametrize("columns", COLUMNS)
def test_columns_do_not_narrow_each_other(columns: str) -> None:
    """Nor does a heading over both of them become a sliver, or a note in the margin that stands far
    from the next huge."""
    lines = [
        Line("", baseline=((x, 100.0 + 80 * k + dy), (x + 400.0, 100.0 + 80 * k + dy)))
        for k in range(10)
        for x, dy in COLUMNS[columns]
    ]
    heading = Line("", baseline=((20.0, 20.0), (920.0, 20.0)))
    notes = [Line("", baseline=((1000.0, y), (1080.0, y))) for y in (130.0, 700.0)]
    found = with_polygons([heading, *lines, *notes])
    assert {round(height(line)) for line in found[: 1 + len(lines)]} == {84}
    assert all(height(line) <= 168 for line in found[1 + len(lines) :])


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_training_and_reading_cut_whole_lines_out_of_columns(tmp_path: Path, kind: str) -> None:
    places = [(x, 100 + 80 * k + dy) for k in range(10) for x, dy in COLUMNS["two"]]
    if kind == "page":
        lines = "".join(
            f'<TextLine><Baseline points="{x},{y} {x + 380},{y}"/></TextLine>' for x, y in places
        )
        body = f'<PcGts><Page imageFilename="p.png" imageWidth="1000" imageHeight="1000">{lines}</Page></PcGts>'
    else:
        lines = "".join(f'<TextLine BASELINE="{x} {y} {x + 380} {y}"/>' for x, y in places)
        body = f'<alto><Layout><Page WIDTH="1000" HEIGHT="1000">{lines}</Page></Layout></alto>'
    (tmp_path / "p.xml").write_text(body)
    cv2.imwrite(str(tmp_path / "p.png"), np.full((1000, 1000), 255, np.uint8))
    assert {line_image(row).shape[0] for row in page_rows(tmp_path / "p.xml")} == {85}
    given, warnings = read_segmentation(tmp_path / "p.png", 0, (1000, 1000), (1000, 1000), 1)
    assert len(given) == 20 and not warnings
    assert {round(np.ptp([y for _, y in polygon])) for _, polygon in given} == {84}


def test_a_page_of_more_lines_than_any_has_takes_no_time() -> None:
    lines = [Line("", baseline=((0.0, 7.0 * k), (500.0, 7.0 * k))) for k in range(20_000)]
    assert {round(height(line), 3) for line in with_polygons(lines)} == {7.35}
