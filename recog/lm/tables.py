"""An n-gram model as plain tables, one for each order.

Estimation makes them, files contain them, and the trie is built from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
SPACE = "|"  # the space between words in a character model's files
MAX_ORDER = 16

Unit = Literal["word", "character"]


@dataclass(frozen=True)
class Level:
    """The n-grams of one order.

    Attributes:
        ids: (count, n) int32, indices into the vocabulary, oldest word first; rows are sorted
            lexicographically and unique.
        log_prob: (count,) float32, log10 of the last word's probability after the others; at most
            0.
        backoff: (count,) float32, log10 of the factor for words that are not listed after this
            n-gram; 0 where there is none, and throughout the highest order.
    """

    ids: NDArray[np.int32]
    log_prob: NDArray[np.float32]
    backoff: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class NGrams:
    """A back-off model (Katz 1987).

    P(w | h) is the probability of the n-gram h w if it is listed, else the back-off of h (1 if h is
    not listed) times P(w | h without its oldest word).

    Attributes:
        unit: whether a token is a word or a character (with ``|`` for the space).
        words: the vocabulary by index: ``<unk>``, ``<s>``, ``</s>``, then all others sorted by code
            point.
        levels: by order, unigrams first. Every vocabulary entry has a unigram, in the order of the
            vocabulary; every n-gram's context (all but its last word) is listed one level below.
            ``<s>`` has the log-probability -99 (it is never predicted); a file without ``<unk>``
            gets one of -100, as KenLM does.
    """

    unit: Unit
    words: tuple[str, ...]
    levels: tuple[Level, ...]

    @property
    def order(self) -> int:
        return len(self.levels)
