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
        lexicon: how words are spelled in the symbols of a network; those that the model does not
            have are unknown to it.
        hotwords: words and phrases of the lexicon to expect, and what each adds to the score of its
            words where they stand together, natural log.
    """

    def __init__(
        self,
        lm: NGramTrie,
        lexicon: Mapping[str, Sequence[str]],
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        self._lm = lm
        self._alike: dict[str, list[str]] = {}
        self._ids: dict[str, NDArray[np.int64]] = {}
        for word, ways in lexicon.items():
            for said in ways:
                self._alike.setdefault(said, []).append(word)
        # by how their first words sound
        self._hotwords: dict[str, list[tuple[list[str], float]]] = {}
        for phrase, boost in (hotwords or {}).items():
            words = phrase.split()
            for said in dict.fromkeys(lexicon[words[0]]):
                self._hotwords.setdefault(said, []).append((words, boost))

    def words(self, said: Sequence[str]) -> list[str | None]:
        """The likeliest words of a text that is given as it is said; None for those that no word
        sounds like."""
        return self.words_of_each([said])[0]

    def words_of_each(self, texts: Sequence[Sequence[str]]) -> list[list[str | None]]:
        """The same of several texts, side by side.

        The search is Viterbi's over the contexts of the language model, the likeliest of them kept.
        """
        lengths = np.array([len(said) for said in texts], np.int64)
        text = np.arange(len(texts))  # of each row
        expected = [self._expected(said) for said in texts] if self._hotwords else []
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
            if self._hotwords:
                total += np.concatenate(
                    [self._boosts(texts[i][place], expected[i].get(place, {})) for i in text[rows]]
                )
            order = np.lexsort((-total, of))
            _, first = np.unique(np.stack((of, after))[:, order], axis=1, return_index=True)
            kept = order[np.sort(first)]
            begins = np.flatnonzero(np.diff(of[kept], prepend=-1))
            rank = np.arange(len(kept)) - np.repeat(begins, np.diff(begins, append=len(kept)))
            kept = kept[rank < STATES]
            text, scores, states = of[kept], total[kept], after[kept]
            best = np.flatnonzero(np.diff(text, prepend=-1))
            steps.append(
                (
                    dict(zip(text[best].tolist(), best.tolist(), strict=True)),
                    which[kept],
                    before[kept],
                )
            )
        return [self._traced(i, said, steps) for i, said in enumerate(texts)]

    def _alike_ids(self, one: str) -> NDArray[np.int64]:
        """The language model's indices of the words that sound so; one unknown word where there are
        none."""
        if one not in self._ids:
            words = self._alike.get(one, [""])
            self._ids[one] = np.array(
                [self._lm.index.get(word, UNKNOWN) for word in words], np.int64
            )
        return self._ids[one]

    def _expected(self, said: Sequence[str]) -> dict[int, dict[str, float]]:
        """For the words of a text at which a hotword may stand, by how it sounds, those of the
        hotword, and their boosts."""
        found: dict[int, dict[str, float]] = {}
        for place, one in enumerate(said):
            for words, boost in self._hotwords.get(one, []):
                heard = said[place : place + len(words)]
                if len(heard) == len(words) and all(
                    w in self._alike.get(s, ()) for w, s in zip(words, heard, strict=True)
                ):
                    for k, word in enumerate(words, place):
                        boosts = found.setdefault(k, {})
                        boosts[word] = max(boost, boosts.get(word, 0.0))
        return found

    def _boosts(self, one: str, boosts: Mapping[str, float]) -> NDArray[np.float64]:
        """Of each word that sounds so."""
        return np.array([boosts.get(word, 0.0) for word in self._alike.get(one, [""])])

    def _traced(
        self,
        i: int,
        said: Sequence[str],
        steps: Sequence[tuple[dict[int, int], NDArray[np.int64], NDArray[np.int64]]],
    ) -> list[str | None]:
        """The words of a text, from its last back."""
        found: list[str | None] = []
        row = steps[len(said) - 1][0][i] if said else 0
        for one, (_, which, before) in zip(
            reversed(said), reversed(steps[: len(said)]), strict=True
        ):
            found.append(self._alike.get(one, [None])[which[row]])
            row = int(before[row])
        return found[::-1]
