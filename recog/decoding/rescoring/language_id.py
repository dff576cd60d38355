"""Which of several language models a line is of: by what each says of the line's best path, and of
the lines around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

USUAL = 0.9  # probability of the first model before a line is seen
STAY = 0.99  # that a line is of the same language as the one above


def likeliest_models(log_probs: ArrayLike | Sequence[Sequence[float]]) -> list[int]:
    """The index of each line's language model: the most probable path of a hidden Markov model over
    the lines (Viterbi 1967).

    A line's probability is that of its text as read without any language model: noisy, but as noisy
    for all of them. The first model is the usual one: another must be ten times as probable on a
    line that stands alone, and changes from line to line are rare.

    Args:
        log_probs: (lines, models) natural log of the probability of each line's text in each model,
            of a page's lines in reading order; one number may be added to a line's in all models.
    """
    seen = np.asarray(log_probs, np.float64)
    if not len(seen) or seen.shape[1] == 1:
        return [0] * len(seen)
    count = seen.shape[1]
    start = np.full(count, np.log((1 - USUAL) / (count - 1)))
    start[0] = np.log(USUAL)
    step = np.full((count, count), np.log((1 - STAY) / (count - 1)))
    np.fill_diagonal(step, np.log(STAY))
    best = start + seen[0]
    came: list[NDArray[np.int64]] = []
    for line in seen[1:]:
        ways = best[:, None] + step
        came.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + line
    path = [int(best.argmax())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return path[::-1]
