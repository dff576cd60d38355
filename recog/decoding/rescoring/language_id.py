"""Choose the language model of each line, from its best path and from the lines around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

USUAL = 0.9  # prior probability of the first model
STAY = 0.99  # probability that a line has the language of the line above


def identify_languages(log_probs: ArrayLike | Sequence[Sequence[float]]) -> list[int]:
    """Return the index of each line's language model.

    This is the most probable path of a hidden Markov model over the lines (Viterbi 1967). A line's
    text comes from decoding without any language model: noisy, but equally noisy for all models.
    On a line that stands alone, another model than the first must be ten times as probable.
    Changes from line to line are rare.

    Args:
        log_probs: (lines, models) natural log of the probability of each line's text in each model,
            for the lines of a page in reading order. A constant may be added to a line's values.
    """
    scores = np.asarray(log_probs, np.float64)
    if not len(scores) or scores.shape[1] == 1:
        return [0] * len(scores)
    count = scores.shape[1]
    start = np.full(count, np.log((1 - USUAL) / (count - 1)))
    start[0] = np.log(USUAL)
    transitions = np.full((count, count), np.log((1 - STAY) / (count - 1)))
    np.fill_diagonal(transitions, np.log(STAY))
    best = start + scores[0]
    backpointers: list[NDArray[np.int64]] = []
    for line in scores[1:]:
        paths = best[:, None] + transitions
        backpointers.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + line
    path = [int(best.argmax())]
    for back in reversed(backpointers):
        path.append(int(back[path[-1]]))
    return path[::-1]
