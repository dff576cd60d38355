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
        self._ids: dict[str, NDArray[np.int64]] = {}
        for word, ways in lexicon.items():
            for said in ways:
                self._alike.setdefault(said, []).append(word)

    def words(self, said: Sequence[str]) -> list[str | None]:
        """The likeliest words of a text that is given as it is said; None for those that no word sounds like."""
        return self.words_of_each([said])[0]

    def words_of_each(self, texts: Sequence[Sequence[str]]) -> list[list[str | None]]:
        """The same of several texts, side by side.

        The search is Viterbi's over the contexts of the language model, the likeliest of them kept.
        """
        lengths = np.array([len(said) for said in texts], np.int64)
        text = np.arange(len(texts))  # of each row
        scores, states = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
        steps: list[tuple[dict[int, int], NDArray[np.int64], NDArray[np.int64]]] = []
        for place in range(lengths.max(initial=0)):
            rows = np.flatnonzero(lengths[text] > place)
            ids = [self._alike_ids(texts[i][place]) for i in text[rows]]
            counts = np.array([len(one) for one in ids])
            before = np.repeat(rows, counts)
            which = np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts, counts)
            log_prob, after = self._lm.advance(states[before], np.concatenate(ids))
            total, of = scores[before] + log_prob, text[before]
            order = np.lexsort((-total, of))
            _, first = np.unique(np.stack((of, after))[:, order], axis=1, return_index=True)
            kept = order[np.sort(first)]
            begins = np.flatnonzero(np.diff(of[kept], prepend=-1))
            rank = np.arange(len(kept)) - np.repeat(begins, np.diff(begins, append=len(kept)))
            kept = kept[rank < STATES]
            text, scores, states = of[kept], total[kept], after[kept]
            best = np.flatnonzero(np.diff(text, prepend=-1))
            steps.append((dict(zip(text[best].tolist(), best.tolist(), strict=True)), which[kept], before[kept]))
        return [self._traced(i, said, steps) for i, said in enumerate(texts)]

    def _alike_ids(self, one: str) -> NDArray[np.int64]:
        """The language model's indices of the words that sound so; one unknown word where there are none."""
        if one not in self._ids:
            words = self._alike.get(one, [""])
            self._ids[one] = np.array([self._lm.index.get(word, UNKNOWN) for word in words], np.int64)
        return self._ids[one]

    def _traced(
        self, i: int, said: Sequence[str], steps: Sequence[tuple[dict[int, int], NDArray[np.int64], NDArray[np.int64]]]
    ) -> list[str | None]:
        """The words of a text, from its last back."""
        found: list[str | None] = []
        row = steps[len(said) - 1][0][i] if said else 0
        for one, (_, which, before) in zip(reversed(said), reversed(steps[: len(said)]), strict=True):
            found.append(self._alike.get(one, [None])[which[row]])
            row = int(before[row])
        return found[::-1]
