"""What a neural language model counts for beside the n-gram model, by the readings that are found with the weights of that."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from recog.decoding.rescore import MARGIN, RESCORED, LanguageModel, Rescorer, contenders
from recog.evaluation.counts import Counts, Pair
from recog.evaluation.score import evaluate
from recog.tuning.search import Search, Setting

WEIGHTS = tuple(round(0.1 * k, 1) for k in range(1, 16))
SHARES = tuple(round(0.1 * k, 1) for k in range(11))
GAIN = 0.0005  # what rescoring must lower the error rate by, 0.05 points, or it is not worth its time
MARGINS = (1.0, 1.5, 2.0, 3.0, 4.0, MARGIN)
LOSS = 0.0003  # what asking about fewer readings may cost of that


def choose_rescorer(search: Search, setting: Setting, lm: LanguageModel) -> Rescorer | None:
    """The weight of a neural model, and the share of the n-gram model's that it takes, with which the error rate is lowest,
    and the narrowest margin that leaves it there; None where rescoring gains nothing.

    Args:
        search: without rescoring.
        setting: how the readings are found.
        lm: the neural model.
    """
    pieces = [contenders(piece) for pieces in search.readings(setting, RESCORED) for piece in pieces]
    texts = [search.texts(piece) for piece in pieces]
    neural = [lm.score(piece) for piece in texts]
    log_probs = [np.array([reading.log_prob for reading in piece]) for piece in pieces]
    scores = [np.array([reading.score for reading in piece]) for piece in pieces]

    @cache
    def counts(number: int, text: str) -> Counts:
        utterance = search.utterances[number]
        result = evaluate(
            [Pair(utterance.name, utterance.text, text)], normalise=search.normalise, confusions=0, resamples=0
        )
        return result.wer if search.metric == "wer" else result.cer

    @cache
    def rate(weight: float, share: float, margin: float = math.inf) -> float:
        chosen = iter(
            text[int(np.argmax(np.where(s >= s[0] - margin, p + (1.0 - share) * (s - p) + weight * n, -np.inf)))]
            for text, p, s, n in zip(texts, log_probs, scores, neural, strict=True)
        )
        of_all = Counts()
        for i, utterance in enumerate(search.utterances):
            of_all += counts(i, search.in_order(" ".join(" ".join(next(chosen) for _ in utterance.pieces).split())))
        return of_all.rate

    lowest, weight, share = min((rate(weight, share), weight, share) for weight in WEIGHTS for share in SHARES)
    if lowest > rate(0.0, 0.0) - GAIN:
        return None
    margin = next(margin for margin in MARGINS if rate(weight, share, margin) <= lowest + LOSS)
    return Rescorer(lm, weight, share, margin)
