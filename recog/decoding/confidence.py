"""How sure a word is: calibrating confidences on recognised texts whose truth is known, and judging the result.

A raw confidence (:func:`recog.decoding.align.spans_of`) puts words in order; what share of the words of one confidence
are right is another thing, and what a :class:`Calibration` maps it to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recog.errors import UserError
from recog.model.config import MIN_CONFIDENCE, Calibration

MAX_KNOTS = 20
MIN_COUNT = 30  # words a knot stands for

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ReliabilityBin:
    """The words whose confidence lies from ``low`` up to ``high``: how many, their mean confidence, the share that is
    right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def calibrate(confidences: ArrayLike, correct: ArrayLike, *, max_knots: int = MAX_KNOTS) -> Calibration:
    """Fit a calibration by centred isotonic regression (Oron and Flournoy 2017): the shares that never fall and fit best
    (pool adjacent violators), each at the mean ln confidence of the words that it was pooled from.

    Args:
        confidences: (words,) raw, 0 to 1; words of a set apart from the training data, at best some thousands.
        correct: (words,) whether each is right; see :func:`correct_words`.
        max_knots: how many knots to keep at most; those of fewest words join a neighbour.

    Returns:
        Its shares are never nearer to 0 or 1 than half a word of those they stand for.

    Raises:
        UserError: there are no words.
        ValueError: the lengths differ, or a confidence lies outside 0 to 1.
    """
    raw, right = _checked(confidences, correct)
    if not len(raw):
        raise UserError("There are no recognised words to calibrate confidences on; give more data.")
    order = np.argsort(raw, kind="stable")
    x = np.log(np.maximum(raw[order], MIN_CONFIDENCE))
    values, first = np.unique(x, return_index=True)  # equal confidences are one block from the beginning
    weights = np.diff(np.append(first, len(x))).astype(np.float64)
    blocks = _pool(values * weights, np.add.reduceat(right[order].astype(np.float64), first), weights)
    blocks = _thin(blocks, max(1, max_knots), MIN_COUNT)
    shares = [min(max(hits, 0.5), count - 0.5) / count if count > 1 else 0.5 for _, hits, count in blocks]
    knots = np.minimum(np.exp([total / count for total, _, count in blocks]), 1.0)
    return Calibration(
        raw=tuple(np.maximum(knots, MIN_CONFIDENCE).tolist()), right=tuple(np.maximum.accumulate(shares).tolist())
    )


Block = tuple[float, float, float]  # sum of ln confidence, of right words, of words


def _pool(xs: Floats, hits: Floats, counts: Floats) -> list[Block]:
    """Pool adjacent violators: neighbours join until the share of right words rises from block to block."""
    blocks: list[Block] = []
    for block in zip(xs.tolist(), hits.tolist(), counts.tolist(), strict=True):
        while blocks and blocks[-1][1] * block[2] >= block[1] * blocks[-1][2]:
            block = _join(blocks.pop(), block)
        blocks.append(block)
    return blocks


def _thin(blocks: list[Block], most: int, least: int) -> list[Block]:
    """Join the block of fewest words with its smaller neighbour until there are at most ``most`` of ``least`` each.

    Joining neighbours of rising shares leaves shares that rise.
    """
    blocks = list(blocks)
    while len(blocks) > 1:
        k = min(range(len(blocks)), key=lambda k: blocks[k][2])
        if len(blocks) <= most and blocks[k][2] >= least:
            break
        beside = [n for n in (k - 1, k + 1) if 0 <= n < len(blocks)]
        n = min(k, min(beside, key=lambda n: blocks[n][2]))
        blocks[n : n + 2] = [_join(blocks[n], blocks[n + 1])]
    return blocks


def _join(a: Block, b: Block) -> Block:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def reliability(confidences: ArrayLike, correct: ArrayLike, *, bins: int = 10) -> list[ReliabilityBin]:
    """The table behind a reliability diagram: equally wide bins of confidence, those without a word left out.

    Raises:
        ValueError: the lengths differ, a confidence lies outside 0 to 1, or ``bins`` is not positive.
    """
    values, right = _checked(confidences, correct)
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


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equally wide bins, weighed by their words (Guo et al. 2017,
    equation 3): 0 to 1, lower is better; 0 without words. Raises as :func:`reliability`."""
    table = reliability(confidences, correct, bins=bins)
    total = sum(row.count for row in table)
    return sum(row.count * abs(row.confidence - row.accuracy) for row in table) / total if total else 0.0


def normalised_cross_entropy(confidences: ArrayLike, correct: ArrayLike) -> float:
    """How much of the uncertainty of which words are right the confidences take away (NIST's NCE, Siu et al. 1997).

    Returns:
        1 for certainty that is always right, 0 for what the mean accuracy alone tells, below 0 for confidences that
        mislead; confidences of 0 and 1 count as 1e-6 from there. 0 where all words are right, or none.
    """
    values, right = _checked(confidences, correct)
    share = float(right.mean()) if len(right) else 0.0
    if not 0.0 < share < 1.0:
        return 0.0
    values = np.clip(values, 1e-6, 1.0 - 1e-6)
    base = -(share * math.log(share) + (1.0 - share) * math.log(1.0 - share))
    return 1.0 + float(np.log(np.where(right, values, 1.0 - values)).mean()) / base


def reliability_svg(table: Sequence[ReliabilityBin], *, title: str = "", background: str = "white") -> str:
    """A reliability diagram for a model card: a bar a bin, as high as its words are right, against the diagonal.

    Args:
        table: from :func:`reliability`.
        title: above it.
        background: its colour, or "none"; text has the colour of what the diagram stands in.

    Returns:
        An SVG document of 320 by 340 units, on one line for each mark, without scripts, fonts or links.
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
    marks.append(f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" stroke="#b03030" stroke-dasharray="4 3"/>')
    marks.append(f'<path d="M{x0:g} {y1:g}V{y0:g}H{x1:g}" fill="none" stroke="currentColor"/>')
    for tick in (0.0, 0.5, 1.0):
        x, y = place(tick, tick)
        marks.append(f'<text x="{x:g}" y="{y0 + 16:g}" text-anchor="middle">{tick:g}</text>')
        marks.append(f'<text x="{x0 - 6:g}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>')
    marks.append(f'<text x="{left + side / 2:g}" y="{y0 + 36:g}" text-anchor="middle">confidence</text>')
    marks.append(
        f'<text transform="translate(16 {top + side / 2:g}) rotate(-90)" text-anchor="middle">words right</text>'
    )
    return "\n".join([*marks, "</svg>", ""])


def _checked(confidences: ArrayLike, correct: ArrayLike) -> tuple[Floats, Flags]:
    values, right = np.asarray(confidences, np.float64), np.asarray(correct, np.bool_)
    if values.shape != right.shape or values.ndim != 1:
        raise ValueError(f"there are {values.shape} confidences and {right.shape} flags")
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError("confidences must lie between 0 and 1")
    return values, right
