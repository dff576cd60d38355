"""The weight of a neural language model in rescoring, searched on N-best lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np

from recog.decoding.rescoring.nbest import MARGIN, RESCORED, LanguageModel, Rescorer, within_margin
from recog.evaluation.counts import Counts, Pair
from recog.evaluation.score import evaluate
from recog.tuning.search import Search, Setting

WEIGHTS = tuple(round(0.1 * k, 1) for k in range(1, 16))
SHARES = tuple(round(0.1 * k, 1) for k in range(11))
GAIN = 0.0005  # least gain in the error rate (0.05 points) that is worth the time
MARGINS = (1.0, 1.5, 2.0, 3.0, 4.0, MARGIN)
LOSS = 0.0003  # of that gain, for a narrower margin


def choose_rescorer(
    search: Search, setting: Setting, lms: Sequence[LanguageModel]
) -> Rescorer | None:
    """Choose a neural model, its weight, its share of the n-gram model's, and the margin.

    The error rate is the lowest, and the margin the narrowest that leaves it there.

    Args:
        search: without rescoring.
        setting: of the N-best lists.
        lms: the neural models to choose from.

    Returns:
        None if rescoring gains nothing.
    """
    pieces = [
        within_margin(piece) for pieces in search.readings(setting, RESCORED) for piece in pieces
    ]
    texts = [search.transcripts(piece) for piece in pieces]
    neural = [[lm.score(piece) for piece in texts] for lm in lms]
    log_probs = [np.array([reading.log_prob for reading in piece]) for piece in pieces]
    scores = [np.array([reading.score for reading in piece]) for piece in pieces]

    @cache
    def counts(number: int, text: str) -> Counts:
        utterance = search.utterances[number]
        result = evaluate(
            [Pair(utterance.name, utterance.text, text)],
            normalise=search.normalise,
            confusions=0,
            resamples=0,
        )
        return result.wer if search.metric == "wer" else result.cer

    @cache
    def rate(lm: int, weight: float, share: float, margin: float = math.inf) -> float:
        chosen = iter(
            text[
                int(
                    np.argmax(
                        np.where(
                            s >= s[0] - margin, p + (1.0 - share) * (s - p) + weight * n, -np.inf
                        )
                    )
                )
            ]
            for text, p, s, n in zip(texts, log_probs, scores, neural[lm], strict=True)
        )
        total = Counts()
        for i, utterance in enumerate(search.utterances):
            total += counts(
                i,
                search.in_order(" ".join(" ".join(next(chosen) for _ in utterance.pieces).split())),
            )
        return total.rate

    ways = product(range(len(lms)), WEIGHTS, SHARES)
    lowest, way = min((rate(*way), way) for way in ways)
    if lowest > rate(0, 0.0, 0.0) - GAIN:
        return None
    margin = next(margin for margin in MARGINS if rate(*way, margin) <= lowest + LOSS)
    return Rescorer(lms[way[0]], *way[1:], margin)
