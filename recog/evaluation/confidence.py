"""Calibration of word confidences: reliability, calibration error, cross entropy.

A raw confidence (:func:`recog.decoding.ctc.word_spans.word_spans`) only ranks words. A
:class:`recog.model.config.Calibration` maps it to the share of words with this confidence that are
right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ReliabilityBin:
    """A bin of a reliability diagram: the words with a confidence from ``low`` up to ``high``.

    Attributes:
        low, high: the limits of the bin.
        count: number of words.
        confidence: mean confidence of the words.
        accuracy: share of the words that are right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(
    confidences: ArrayLike, correct: ArrayLike, *, bins: int = 10
) -> list[ReliabilityBin]:
    """Compute the bins of a reliability diagram, equally wide, without empty bins.

    Raises:
        ValueError: the lengths differ, a confidence lies outside 0 to 1, or ``bins`` is not
            positive.
    """
    values, right = as_arrays(confidences, correct)
    if bins < 1:
        raise ValueError(f"{bins} bins are no table")
    index = np.minimum((values * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    sums, hits = np.bincount(index, values, bins), np.bincount(index, right, bins)
    return [
        ReliabilityBin(k / bins, (k + 1) / bins, int(n), float(sums[k] / n), float(hits[k] / n))
        for k, n in enumerate(counts)
        if n
    ]


def expected_calibration_error(
    confidences: ArrayLike, correct: ArrayLike, *, bins: int = 15
) -> float:
    """Expected calibration error over equally wide bins (Guo et al. 2017, equation 3).

    This is the mean distance between confidence and accuracy, weighted by the words of each bin. It
    lies between 0 and 1, and lower is better. Without words it is 0. It raises the errors of
    :func:`reliability`.
    """
    table = reliability(confidences, correct, bins=bins)
    total = sum(row.count for row in table)
    return (
        sum(row.count * abs(row.confidence - row.accuracy) for row in table) / total
        if total
        else 0.0
    )


def normalised_cross_entropy(confidences: ArrayLike, correct: ArrayLike) -> float:
    """Normalised cross entropy of the confidences (NIST's NCE, Siu et al. 1997).

    It measures how much the confidences reduce the uncertainty about which words are right.
    Confidences are clipped to 1e-6 from 0 and 1.

    Returns:
        1 for confidences of 0 and 1 that are always right. 0 for confidences that are no better
        than the mean accuracy. Below 0 for misleading confidences. 0 where all words are right, or
        none is.
    """
    values, right = as_arrays(confidences, correct)
    share = float(right.mean()) if len(right) else 0.0
    if not 0.0 < share < 1.0:
        return 0.0
    values = np.clip(values, 1e-6, 1.0 - 1e-6)
    base = -(share * math.log(share) + (1.0 - share) * math.log(1.0 - share))
    return 1.0 + float(np.log(np.where(right, values, 1.0 - values)).mean()) / base


def reliability_svg(
    table: Sequence[ReliabilityBin], *, title: str = "", background: str = "white"
) -> str:
    """Draw a reliability diagram as SVG, for a model card.

    Each bin has a bar whose height is the share of its words that are right. The diagonal is drawn
    for comparison.

    Args:
        table: from :func:`reliability`.
        title: text above the diagram.
        background: background colour, or "none". Text inherits the colour of the page.

    Returns:
        An SVG document of 320 by 340 units, with a line of text for each mark. It has no scripts,
        fonts or links.
    """
    side, left, top = 250.0, 50.0, 30.0
    most = max((row.count for row in table), default=1)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + side * x, top + side * (1.0 - y)

    marks = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 340" width="320" height="340" '
        'font-family="sans-serif" font-size="11" fill="currentColor">',
        f'<path d="M0 0H320V340H0Z" fill="{escape(background)}"/>',
        f'<text x="{left + side / 2:g}" y="18" text-anchor="middle">{escape(title)}</text>',
    ]
    for row in table:
        x, y = place(row.low, row.accuracy)
        width, shade = side * (row.high - row.low), 0.25 + 0.75 * row.count / most
        about = f"{row.count} words, confidence {row.confidence:.3f}, right {row.accuracy:.3f}"
        marks.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{side * row.accuracy:.1f}" fill="#3b6ea5" '
            f'fill-opacity="{shade:.2f}" stroke="white"><title>{about}</title></rect>'
        )
    (x0, y0), (x1, y1) = place(0.0, 0.0), place(1.0, 1.0)
    marks.append(
        f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" stroke="#b03030" stroke-dasharray="4 3"/>'
    )
    marks.append(f'<path d="M{x0:g} {y1:g}V{y0:g}H{x1:g}" fill="none" stroke="currentColor"/>')
    for tick in (0.0, 0.5, 1.0):
        x, y = place(tick, tick)
        marks.append(f'<text x="{x:g}" y="{y0 + 16:g}" text-anchor="middle">{tick:g}</text>')
        marks.append(f'<text x="{x0 - 6:g}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>')
    marks.append(
        f'<text x="{left + side / 2:g}" y="{y0 + 36:g}" text-anchor="middle">confidence</text>'
    )
    marks.append(
        f'<text transform="translate(16 {top + side / 2:g}) rotate(-90)" text-anchor="middle">words right</text>'
    )
    return "\n".join([*marks, "</svg>", ""])


def as_arrays(confidences: ArrayLike, correct: ArrayLike) -> tuple[Floats, Flags]:
    """Convert confidences and correctness flags to arrays of equal length.

    Raises:
        ValueError: the lengths differ, or a confidence lies outside 0 to 1.
    """
    values, right = np.asarray(confidences, np.float64), np.asarray(correct, np.bool_)
    if values.shape != right.shape or values.ndim != 1:
        raise ValueError(f"there are {values.shape} confidences and {right.shape} flags")
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError("confidences must lie between 0 and 1")
    return values, right
