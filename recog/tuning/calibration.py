"""Calibration of word confidences on recognised words that are right or wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recog.errors import UserError
from recog.evaluation.confidence import Floats, as_arrays
from recog.evaluation.inputs.normalisation import normalisation
from recog.model.config import MIN_CONFIDENCE, Calibration
from recog.recognition.base import apply_temperature
from recog.recognition.words import Span
from recog.tuning.search import Search, Setting
from recog.util.edit_distance import correct_words

MIN_WORDS = 100
MAX_KNOTS = 20
MIN_COUNT = 30  # words of a knot


def calibrate_words(
    search: Search, setting: Setting
) -> tuple[Calibration | None, NDArray[np.float64], NDArray[np.bool_]]:
    """Calibrate the word confidences of a setting.

    Returns:
        The calibration, None if there are too few words. For its evaluation, (words,) confidences
        of each half of the utterances, calibrated on the other half, and (words,) which words are
        right.
    """
    raw: list[NDArray[np.float64]] = []
    right: list[NDArray[np.bool_]] = []
    normalise = normalisation(search.normalise)
    for u, hypotheses in zip(search.utterances, search.hypotheses(setting), strict=True):
        spans: list[Span] = []
        for piece, hypothesis in zip(u.pieces, hypotheses, strict=True):
            spans += search.spans(
                apply_temperature(search.log_probs(piece), setting.temperature), hypothesis
            )
        words = [word for word, *_ in spans]
        raw.append(np.array([confidence for *_, confidence in spans]))
        right.append(np.array(correct_words(normalise(u.text).split(), words), bool))
    halves = [sum(map(len, raw[half::2])) for half in (0, 1)]
    if sum(halves) < 2 * MIN_WORDS or min(halves) < MIN_WORDS // 2:
        return None, np.zeros(0), np.zeros(0, bool)
    fitted, truth = [], []
    for half in (0, 1):
        calibration = calibrate(np.concatenate(raw[half::2]), np.concatenate(right[half::2]))
        fitted.append(calibration.apply(np.concatenate(raw[1 - half :: 2])))
        truth.append(np.concatenate(right[1 - half :: 2]))
    whole = calibrate(np.concatenate(raw), np.concatenate(right))
    return whole, np.concatenate(fitted), np.concatenate(truth)


def calibrate(
    confidences: ArrayLike, correct: ArrayLike, *, max_knots: int = MAX_KNOTS
) -> Calibration:
    """Fit a calibration by centred isotonic regression (Oron and Flournoy 2017).

    The shares of right words never fall and fit best (pool adjacent violators). Each stands at the
    mean ln confidence of its words.

    Args:
        confidences: (words,) raw, 0 to 1; of data apart from the training data, at best some
            thousands.
        correct: (words,) whether each is right; see :func:`recog.util.edit_distance.correct_words`.
        max_knots: most knots; those of fewest words join a neighbour.

    Returns:
        A calibration whose shares are at least half a word of their knot away from 0 and 1.

    Raises:
        UserError: there are no words.
        ValueError: the lengths differ, or a confidence lies outside 0 to 1.
    """
    raw, right = as_arrays(confidences, correct)
    if not len(raw):
        raise UserError(
            "There are no recognised words to calibrate confidences on; give more data."
        )
    order = np.argsort(raw, kind="stable")
    x = np.log(np.maximum(raw[order], MIN_CONFIDENCE))
    # equal confidences are one block
    values, first = np.unique(x, return_index=True)
    weights = np.diff(np.append(first, len(x))).astype(np.float64)
    blocks = _pool(
        values * weights, np.add.reduceat(right[order].astype(np.float64), first), weights
    )
    blocks = _thin(blocks, max(1, max_knots), MIN_COUNT)
    shares = [
        min(max(hits, 0.5), count - 0.5) / count if count > 1 else 0.5 for _, hits, count in blocks
    ]
    knots = np.minimum(np.exp([total / count for total, _, count in blocks]), 1.0)
    return Calibration(
        raw=tuple(np.maximum(knots, MIN_CONFIDENCE).tolist()),
        right=tuple(np.maximum.accumulate(shares).tolist()),
    )


Block = tuple[float, float, float]  # sum of ln confidence, of right words, of words


def _pool(xs: Floats, hits: Floats, counts: Floats) -> list[Block]:
    """Pool adjacent violators: join neighbours until the share of right words rises."""
    blocks: list[Block] = []
    for block in zip(xs.tolist(), hits.tolist(), counts.tolist(), strict=True):
        while blocks and blocks[-1][1] * block[2] >= block[1] * blocks[-1][2]:
            block = _join(blocks.pop(), block)
        blocks.append(block)
    return blocks


def _thin(blocks: list[Block], max_blocks: int, min_count: int) -> list[Block]:
    """Join the smallest blocks with neighbours, to ``max_blocks`` of ``min_count`` words.

    The shares still rise, as neighbours of rising shares are joined.
    """
    blocks = list(blocks)
    while len(blocks) > 1:
        k = min(range(len(blocks)), key=lambda k: blocks[k][2])
        if len(blocks) <= max_blocks and blocks[k][2] >= min_count:
            break
        beside = [n for n in (k - 1, k + 1) if 0 <= n < len(blocks)]
        n = min(k, min(beside, key=lambda n: blocks[n][2]))
        blocks[n : n + 2] = [_join(blocks[n], blocks[n + 1])]
    return blocks


def _join(a: Block, b: Block) -> Block:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]
