"""The score of baselines: what is known of it at its corners."""

from __future__ import annotations

import pytest

from recog.evaluation.baselines import BaselineScore, mean_score, score_page

# tolerance 10, nothing from 30 on
PAGE = [[(0.0, 40.0 * k), (400.0, 40.0 * k)] for k in range(1, 6)]


def moved(by: float) -> list[list[tuple[float, float]]]:
    return [[(x, y + by) for x, y in line] for line in PAGE]


def test_the_same_lines_are_all_right_and_so_are_those_within_the_tolerance() -> None:
    assert score_page(PAGE, PAGE) == BaselineScore(1.0, 1.0)
    assert score_page(PAGE, moved(9.0)).f1 == 1.0


def test_it_fades_out_between_one_and_three_tolerances() -> None:
    two = [PAGE[0], PAGE[2]]  # 80 apart: tolerance 20
    score = score_page(two, [[(x, y - 40.0) for x, y in PAGE[0]], PAGE[2]])
    assert score.recall == pytest.approx(0.75) and score.precision == pytest.approx(0.75)


def test_missing_spurious_and_split_lines() -> None:
    missing = score_page(PAGE, PAGE[:4])
    assert missing.precision == 1.0 and missing.recall == pytest.approx(0.8, abs=0.001)
    extra = score_page(PAGE, [*PAGE, [(500.0, 40.0), (900.0, 40.0)]])
    assert extra.recall == 1.0 and extra.precision == pytest.approx(5 / 6)
    halves = [[(0.0, 120.0), (199.0, 120.0)], [(201.0, 120.0), (400.0, 120.0)]]
    split = score_page(PAGE, [*PAGE[:2], *halves, *PAGE[3:]])
    assert split.recall == 1.0 and split.precision == pytest.approx(5 / 6, abs=0.01), (
        "only one half may have the line"
    )


def test_empty_pages() -> None:
    assert score_page([], []).f1 == 1.0
    assert score_page(PAGE, []).f1 == 0.0 and score_page([], PAGE).f1 == 0.0
    assert mean_score([BaselineScore(1.0, 0.5), BaselineScore(0.5, 0.5)]) == BaselineScore(
        0.75, 0.5
    )
