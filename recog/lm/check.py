"""Whether the tables of an n-gram model are what :class:`recog.lm.tables.NGrams` promises."""

from __future__ import annotations

import numpy as np

from recog.lm.tables import NGrams
from recog.lm.trie import LOG10_BEGIN, NGramTrie


def check_ngrams(ngrams: NGrams) -> None:
    """Check all that the docstrings of :class:`NGrams` and :class:`Level` promise.

    Raises:
        ValueError: one sentence that says what is wrong.
    """
    if ngrams.unit not in ("word", "character"):
        raise ValueError(f"there is no unit {ngrams.unit!r}")
    for n, level in enumerate(ngrams.levels, 1):
        if (level.ids.dtype, level.log_prob.dtype, level.backoff.dtype) != (
            np.int32,
            np.float32,
            np.float32,
        ):
            raise ValueError(
                f"the columns of the {n}-grams have other types than int32 and float32"
            )
        if not (np.isfinite(level.log_prob).all() and np.isfinite(level.backoff).all()):
            raise ValueError(f"a log-probability of the {n}-grams is not a finite number")
        if np.any(level.log_prob > 0):
            raise ValueError(f"a log-probability of the {n}-grams is positive")
    trie = NGramTrie.from_ngrams(ngrams)  # the rows: sorted, unique, with their contexts
    trie.verify()  # the vocabulary too
    if ngrams.levels[0].log_prob[1] != LOG10_BEGIN:
        raise ValueError(f"<s> has not the log-probability {LOG10_BEGIN:g}")
    if ngrams.levels[-1].backoff.any():
        raise ValueError("an n-gram of the highest order has a back-off")
