"""Precision and recall of baseline detection.

After Gruening et al. 2017, "READ-BAD: A New Dataset and Evaluation Scheme for Baseline Detection in
Archival Documents". Recall is the share of a true line that detected lines cover. Precision is the
share of a detected line that follows a true line, and each true line matches at most one detected
line. The tolerance is a quarter of the distance to the next line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.transcript import Point

STEP = 4.0  # pixels between the points that stand for a baseline
TOLERANCE = 0.25  # of the distance between lines; fades out to three times that value
LONELY = 50.0  # pixels between lines, assumed where a page has a single line

Baseline = Sequence[Point] | NDArray[np.floating]


@dataclass(frozen=True)
class BaselineScore:
    """Precision and recall, as shares from 0 to 1."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total > 0 else 0.0


def score_page(true: Iterable[Baseline], found: Iterable[Baseline]) -> BaselineScore:
    """Score the baselines detected on a page.

    A page without lines on which none is detected scores 1.
    """
    truth, hypotheses = [_points(line) for line in true], [_points(line) for line in found]
    if not truth or not hypotheses:
        return BaselineScore(float(not hypotheses), float(not truth))
    tolerances = _tolerances(truth)
    everything = np.concatenate(hypotheses)
    recall = np.mean(
        [_coverage(line, everything, t) for line, t in zip(truth, tolerances, strict=True)]
    )
    match = np.zeros((len(hypotheses), len(truth)))
    boxes = [(line.min(axis=0), line.max(axis=0)) for line in truth]
    for i, h in enumerate(hypotheses):
        low, high = h.min(axis=0), h.max(axis=0)
        for j, (line, tolerance) in enumerate(zip(truth, tolerances, strict=True)):
            reach = 3.0 * tolerance
            # lines whose boxes are further apart cannot match
            if (boxes[j][0] - reach <= high).all() and (boxes[j][1] + reach >= low).all():
                match[i, j] = _coverage(h, line, tolerance)
    total = 0.0
    for _ in range(min(match.shape)):  # at most one true line each, the best pairs first
        best = np.unravel_index(int(match.argmax()), match.shape)
        i, j = int(best[0]), int(best[1])
        if match[i, j] <= 0.0:
            break
        total += float(match[i, j])
        match[i, :] = match[:, j] = -1.0
    return BaselineScore(total / len(hypotheses), float(recall))


def mean_score(pages: Sequence[BaselineScore]) -> BaselineScore:
    """Mean precision and recall over pages."""
    return BaselineScore(
        float(np.mean([page.precision for page in pages])),
        float(np.mean([page.recall for page in pages])),
    )


def _points(line: Baseline) -> NDArray[np.float64]:
    corners = np.asarray(line, np.float64).reshape(-1, 2)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.linspace(0.0, along[-1], max(2, int(along[-1] / STEP) + 1))
    return np.stack(
        [np.interp(at, along, corners[:, 0]), np.interp(at, along, corners[:, 1])], axis=1
    )


def _nearest(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to the nearest of the other points."""
    found = np.empty(len(points))
    for start in range(0, len(points), 128):
        block = points[start : start + 128, None, :] - others[None, :, :]
        found[start : start + 128] = np.sqrt(np.einsum("ijk,ijk->ij", block, block).min(axis=1))
    return found


def _coverage(points: NDArray[np.float64], others: NDArray[np.float64], tolerance: float) -> float:
    return float(
        np.clip((3.0 * tolerance - _nearest(points, others)) / (2.0 * tolerance), 0.0, 1.0).mean()
    )


def _tolerances(lines: list[NDArray[np.float64]]) -> list[float]:
    low, high = (np.array([side(line, axis=0) for line in lines]) for side in (np.min, np.max))
    apart: list[float] = []
    for i, line in enumerate(lines):
        # lower bounds of the distances, so that the search can stop early
        gaps = np.hypot(*np.maximum(0.0, np.maximum(low - high[i], low[i] - high)).T)
        nearest = np.inf
        for j in np.argsort(gaps, kind="stable"):
            if gaps[j] >= nearest:
                break
            if j != i and min(high[i, 0], high[j, 0]) > max(low[i, 0], low[j, 0]):
                nearest = min(nearest, float(np.median(_nearest(line[::3], lines[j]))))
        apart.append(nearest)
    known = np.isfinite(apart)
    usual = float(np.mean(np.array(apart)[known])) if known.any() else LONELY
    return [TOLERANCE * max(1.0, min(d, 2.0 * usual) if np.isfinite(d) else usual) for d in apart]
