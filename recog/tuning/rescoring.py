"""What a neural language model counts for beside the n-gram model, by the readings that are found with the weights of that."""

from __future__ import annotations

import numpy as np

from recog.decoding.rescore import RESCORED, LanguageModel, Rescorer, contenders
from recog.evaluation.counts import Pair
from recog.evaluation.score import evaluate
from recog.tuning.search import Search, Setting, rate_of

WEIGHTS = tuple(round(0.1 * k, 1) for k in range(1, 16))
SHARES = tuple(round(0.1 * k, 1) for k in range(11))
GAIN = 0.0005  # what rescoring must lower the error rate by, 0.05 points, or it is not worth its time


def choose_rescorer(search: Search, setting: Setting, lm: LanguageModel) -> Rescorer | None:
    """The weight of a neural model, and the share of the n-gram model's that it takes, with which the error rate is lowest;
    None where rescoring gains nothing.

    Args:
        search: without rescoring.
        setting: how the readings are found.
        lm: the neural model.
    """
    pieces = [contenders(piece) for pieces in search.readings(setting, RESCORED) for piece in pieces]
    texts = [search.texts(piece) for piece in pieces]
    neural = [lm.score(piece) for piece in texts]
    log_probs = [np.array([reading.log_prob for reading in piece]) for piece in pieces]
    added = [np.array([reading.score for reading in piece]) - own for piece, own in zip(pieces, log_probs, strict=True)]

    def rate(weight: float, share: float) -> float:
        chosen = iter(
            text[int(np.argmax(p + (1.0 - share) * a + weight * n))]
            for text, p, a, n in zip(texts, log_probs, added, neural, strict=True)
        )
        pairs = [
            Pair(u.name, u.text, search.in_order(" ".join(" ".join(next(chosen) for _ in u.pieces).split())), u.group)
            for u in search.utterances
        ]
        return rate_of(evaluate(pairs, normalise=search.normalise, confusions=0), search.metric)

    best = min((rate(weight, share), weight, share) for weight in WEIGHTS for share in SHARES)
    return Rescorer(lm, best[1], best[2]) if best[0] <= rate(0.0, 0.0) - GAIN else None
