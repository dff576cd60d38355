"""Which words were said, of those that sound alike: "there", "their" or "they're"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recog.lm.trie import NGramTrie

STATES = 16  # contexts of the language model that are kept after each word
UNKNOWN = 0  # the language model's index of <unk>


class Homophones:
    """Words by how they sound, told apart by the words on both sides of them.

    Args:
        lm: a model of words.
        lexicon: how words are spelled in the symbols of a network; those that the model does not have are unknown to it.
    """

    def __init__(self, lm: NGramTrie, lexicon: Mapping[str, Sequence[str]]) -> None:
        self._lm = lm
        self._alike: dict[str, list[str]] = {}
        for word, ways in lexicon.items():
            for said in ways:
                self._alike.setdefault(said, []).append(word)

    def words(self, said: Sequence[str]) -> list[str | None]:
        """The likeliest words of a text that is given as it is said; None for those that no word sounds like.

        The search is Viterbi's over the contexts of the language model, the likeliest of them kept.
        """
        scores, states = np.zeros(1), np.zeros(1, np.int64)
        steps: list[tuple[list[str | None], NDArray[np.int64], NDArray[np.int64]]] = []
        for one in said:
            words = [*self._alike.get(one, [None])]
            ids = np.array([self._lm.index.get(word or "", UNKNOWN) for word in words])
            before = np.repeat(np.arange(len(scores)), len(words))
            which = np.tile(np.arange(len(words)), len(scores))
            log_prob, after = self._lm.advance(states[before], ids[which])
            total = scores[before] + log_prob
            order = np.argsort(-total, kind="stable")
            _, first = np.unique(after[order], return_index=True)
            kept = order[np.sort(first)[:STATES]]
            scores, states = total[kept], after[kept]
            steps.append((words, which[kept], before[kept]))
        found: list[str | None] = []
        row = 0
        for words, which, before in reversed(steps):
            found.append(words[which[row]])
            row = int(before[row])
        return found[::-1]
