"""Analyses of an evaluation: lines with the most errors, scores by length, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recog.evaluation.confidence import (
    ReliabilityBin,
    expected_calibration_error,
    normalised_cross_entropy,
    reliability,
)
from recog.evaluation.counts import Counts, Pair
from recog.evaluation.inputs.normalisation import Normalisation
from recog.evaluation.result import GroupScore, Result, Score
from recog.util.edit_distance import correct_words

LENGTHS = (0, 2, 5, 10, 20, 40, 80)  # upper limits of the length classes, in reference words


@dataclass(frozen=True)
class CalibrationReport:
    """Calibration of the confidences of words.

    Attributes:
        table: the bins of the reliability diagram.
        words: number of words with a confidence.
        mean: mean confidence of these words.
        accuracy: share of these words that are right.
        calibration_error: see :func:`recog.evaluation.confidence.expected_calibration_error`.
        cross_entropy: see :func:`recog.evaluation.confidence.normalised_cross_entropy`.
    """

    table: tuple[ReliabilityBin, ...]
    words: int
    mean: float
    accuracy: float
    calibration_error: float
    cross_entropy: float


def worst_lines(result: Result, number: int) -> list[Score]:
    """List the lines that raise the character error rate most.

    These are the lines with the most errors above the number expected from the overall rate and
    their length. Sorting by the number of errors would put long lines first, and sorting by rate
    would put short lines first. Lines without errors are left out.
    """
    rate = result.cer.errors / result.cer.reference if result.cer.reference else 0.0
    wrong = [score for score in result.scores if score.cer.errors or score.wer.errors]
    wrong.sort(key=lambda score: (rate * score.cer.reference - score.cer.errors, -score.wer.errors))
    return wrong[:number]


def by_length(result: Result) -> dict[str, GroupScore]:
    """Pooled counts of lines by length class, in order of length.

    The length is the number of words of the reference. Empty classes are left out.
    """
    edges = [*LENGTHS, None]
    names = ["none", *(f"{low + 1} to {high}" for low, high in pairwise(LENGTHS))]
    names.append(f"{LENGTHS[-1] + 1} or more")
    classes: dict[str, GroupScore] = {}
    for name, high, low in zip(names, edges, [-1, *LENGTHS], strict=True):
        own = [
            s
            for s in result.scores
            if low < s.wer.reference and (high is None or s.wer.reference <= high)
        ]
        if own:
            wer, cer = sum((s.wer for s in own), Counts()), sum((s.cer for s in own), Counts())
            classes[name] = GroupScore(len(own), wer, cer)
    return classes


def calibration_report(pairs: Sequence[Pair], rule: Normalisation) -> CalibrationReport | None:
    """Measure the calibration of word confidences; None where no word has a confidence."""
    confidences: list[float] = []
    right: list[bool] = []
    for pair in pairs:
        sure = [(part, word.confidence) for word in pair.words for part in rule(word.text).split()]
        correct = correct_words(rule(pair.reference).split(), [part for part, _ in sure])
        for (_, confidence), is_right in zip(sure, correct, strict=True):
            if confidence is not None and 0.0 <= confidence <= 1.0:
                confidences.append(confidence)
                right.append(is_right)
    if not confidences:
        return None
    values: NDArray[np.float64] = np.array(confidences)
    flags: NDArray[np.bool_] = np.array(right)
    return CalibrationReport(
        tuple(reliability(values, flags)),
        len(values),
        float(values.mean()),
        float(flags.mean()),
        expected_calibration_error(values, flags),
        normalised_cross_entropy(values, flags),
    )
