"""Confidences of words as decoded, calibrated by which of the words are right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recog.decoding.confidence import (
    calibrate,
)
from recog.evaluation.rules import normalisation
from recog.model.config import Calibration
from recog.recogniser import Span, tempered
from recog.tuning.search import Search, Setting
from recog.util.edit_distance import correct_words

MIN_WORDS = 100


def calibrate_words(
    search: Search, setting: Setting
) -> tuple[Calibration | None, NDArray[np.float64], NDArray[np.bool_]]:
    """A calibration of the words' confidences; and to judge it confidences calibrated by halves, each half of the
    utterances by the other's, with which of the words are right. None where there are too few words."""
    raw: list[NDArray[np.float64]] = []
    right: list[NDArray[np.bool_]] = []
    normalise = normalisation(search.normalise)
    for u, found in zip(search.utterances, search.hypotheses(setting), strict=True):
        spans: list[Span] = []
        for piece, hypothesis in zip(u.pieces, found, strict=True):
            spans += search.spans(tempered(search.seen(piece), setting.temperature), hypothesis)
        words = [word for word, *_ in spans]
        raw.append(np.array([confidence for *_, confidence in spans]))
        right.append(np.array(correct_words(normalise(u.text).split(), words), bool))
    halves = [sum(map(len, raw[half::2])) for half in (0, 1)]
    if sum(halves) < 2 * MIN_WORDS or min(halves) < MIN_WORDS // 2:
        return None, np.zeros(0), np.zeros(0, bool)
    fitted, truth = [], []
    for half in (0, 1):
        own = calibrate(np.concatenate(raw[half::2]), np.concatenate(right[half::2]))
        fitted.append(own.apply(np.concatenate(raw[1 - half :: 2])))
        truth.append(np.concatenate(right[1 - half :: 2]))
    whole = calibrate(np.concatenate(raw), np.concatenate(right))
    return whole, np.concatenate(fitted), np.concatenate(truth)
