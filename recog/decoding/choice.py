"""Which of several language models a line is of: by what each says of the line's best path, and of the lines around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recog.lm.perplexity import score_lines
from recog.lm.trie import LN10, NGramTrie

USUAL = 0.9  # probability of the first model before a line is seen
STAY = 0.99  # that a line is of the same language as the one above


def likeliest_models(models: Sequence[NGramTrie], texts: Sequence[str]) -> list[int]:
    """The index of each line's language model: the most probable path of a hidden Markov model over the lines (Viterbi 1967).

    A line's probability is that of its text as read without any language model: noisy, but as noisy for all of them. The
    first model is the usual one: another must be ten times as probable on a line that stands alone, and changes from line to
    line are rare.

    Args:
        models: of characters, all trained on text of the same normalisation; at least one.
        texts: a page's lines in reading order, as the network displays them.
    """
    if len(models) == 1 or not texts:
        return [0] * len(texts)
    seen = np.array([[line.log10 * LN10 for line in score_lines(model, texts, sentence=False)] for model in models]).T
    return _best_path(seen)


def _best_path(seen: NDArray[np.float64]) -> list[int]:
    """(lines, models) natural log of each line's probability -> the states of the most probable path."""
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
