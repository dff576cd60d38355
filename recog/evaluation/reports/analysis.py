"""What an evaluation's report shows beside its figures: the lines that matter most, how length
tells, how far confidences can be trusted."""

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

LENGTHS = (0, 2, 5, 10, 20, 40, 80)  # words of the reference, the upper ends of the classes


@dataclass(frozen=True)
class CalibrationReport:
    """How far the words' confidences can be trusted.

    Attributes:
        table: of the reliability diagram.
        words: how many have a confidence.
        mean: their mean confidence.
        accuracy: the share of them that is right.
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
    """The lines that raise the character error rate most: those with most errors beyond what it
    gives their length.

    By the number of errors long lines would come first, by the rate short ones. Lines without
    errors are none.
    """
    rate = result.cer.errors / result.cer.reference if result.cer.reference else 0.0
    wrong = [score for score in result.scores if score.cer.errors or score.wer.errors]
    wrong.sort(key=lambda score: (rate * score.cer.reference - score.cer.errors, -score.wer.errors))
    return wrong[:number]


def by_length(result: Result) -> dict[str, GroupScore]:
    """Pooled counts of lines by the words of their reference, in order of length; empty classes
    left out."""
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
    """How well confidences tell right words from wrong ones; None where no word has one."""
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
