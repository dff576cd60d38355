"""Choose among words that sound alike: "there", "their" or "they're"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recog.lm.trie import NGramTrie

STATES = 16  # language model states that the search keeps after each word
UNKNOWN = 0  # the language model's index of <unk>

# of a position in the texts: the best row of each text, and for each row its word among its
# homophones and the row before it
Step = tuple[dict[int, int], NDArray[np.int64], NDArray[np.int64]]


class Homophones:
    """Homophones, told apart by the words on both sides of them.

    Args:
        lm: a model of words.
        lexicon: the pronunciations of words; words that the model lacks count as unknown.
        hotwords: words and phrases of the lexicon, and the boost of each, natural log. The boost is
            added to the score of its words where they stand together.
    """

    def __init__(
        self,
        lm: NGramTrie,
        lexicon: Mapping[str, Sequence[str]],
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        self._lm = lm
        self._words: dict[str, list[str]] = {}  # by pronunciation
        self._ids: dict[str, NDArray[np.int64]] = {}
        for word, pronunciations in lexicon.items():
            for sound in pronunciations:
                self._words.setdefault(sound, []).append(word)
        # by the pronunciation of their first words
        self._hotwords: dict[str, list[tuple[list[str], float]]] = {}
        for phrase, boost in (hotwords or {}).items():
            words = phrase.split()
            for sound in dict.fromkeys(lexicon[words[0]]):
                self._hotwords.setdefault(sound, []).append((words, boost))

    def words(self, sounds: Sequence[str]) -> list[str | None]:
        """Return the most probable words for the pronunciations of a text's words.

        None stands where no word has the pronunciation.
        """
        return self.words_of_each([sounds])[0]

    def words_of_each(self, texts: Sequence[Sequence[str]]) -> list[list[str | None]]:
        """Return :meth:`words` of several texts.

        A Viterbi search over the language model's states, which keeps the :data:`STATES` best.
        """
        lengths = np.array([len(sounds) for sounds in texts], np.int64)
        text = np.arange(len(texts))  # the text of each row
        boosts = [self._expected(sounds) for sounds in texts] if self._hotwords else []
        scores, states = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
        steps: list[Step] = []
        for position in range(lengths.max(initial=0)):
            rows = np.flatnonzero(lengths[text] > position)
            ids = [self._word_ids(texts[i][position]) for i in text[rows]]
            counts = np.array([len(each) for each in ids])
            before = np.repeat(rows, counts)
            choice = np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts, counts)
            log_prob, after = self._lm.advance(states[before], np.concatenate(ids))
            total, owner = scores[before] + log_prob, text[before]
            if self._hotwords:
                total += np.concatenate(
                    [
                        self._boosts(texts[i][position], boosts[i].get(position, {}))
                        for i in text[rows]
                    ]
                )
            best = _best_states(owner, after, total)
            text, scores, states = owner[best], total[best], after[best]
            first = np.flatnonzero(np.diff(text, prepend=-1))
            tops = dict(zip(text[first].tolist(), first.tolist(), strict=True))
            steps.append((tops, choice[best], before[best]))
        return [self._trace_back(i, sounds, steps) for i, sounds in enumerate(texts)]

    def _word_ids(self, sound: str) -> NDArray[np.int64]:
        """Return the language model's indices of a sound's words; <unk> where it has none."""
        if sound not in self._ids:
            words = self._words.get(sound, [""])
            self._ids[sound] = np.array(
                [self._lm.index.get(word, UNKNOWN) for word in words], np.int64
            )
        return self._ids[sound]

    def _expected(self, sounds: Sequence[str]) -> dict[int, dict[str, float]]:
        """Return the boosts of hotwords' words, by position in a text and by word."""
        expected: dict[int, dict[str, float]] = {}
        for position, sound in enumerate(sounds):
            for words, boost in self._hotwords.get(sound, []):
                here = sounds[position : position + len(words)]
                if len(here) == len(words) and all(
                    word in self._words.get(s, ()) for word, s in zip(words, here, strict=True)
                ):
                    for k, word in enumerate(words, position):
                        boosts = expected.setdefault(k, {})
                        boosts[word] = max(boost, boosts.get(word, 0.0))
        return expected

    def _boosts(self, sound: str, boosts: Mapping[str, float]) -> NDArray[np.float64]:
        return np.array([boosts.get(word, 0.0) for word in self._words.get(sound, [""])])

    def _trace_back(self, i: int, sounds: Sequence[str], steps: Sequence[Step]) -> list[str | None]:
        words: list[str | None] = []
        row = steps[len(sounds) - 1][0][i] if sounds else 0
        backwards = zip(reversed(sounds), reversed(steps[: len(sounds)]), strict=True)
        for sound, (_, choice, before) in backwards:
            words.append(self._words.get(sound, [None])[choice[row]])
            row = int(before[row])
        return words[::-1]


def _best_states(
    owner: NDArray[np.int64], states: NDArray[np.int64], scores: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the rows to keep: the best of each state, and the best :data:`STATES` of each text."""
    order = np.lexsort((-scores, owner))
    _, first = np.unique(np.stack((owner, states))[:, order], axis=1, return_index=True)
    best = order[np.sort(first)]
    begins = np.flatnonzero(np.diff(owner[best], prepend=-1))
    rank = np.arange(len(best)) - np.repeat(begins, np.diff(begins, append=len(best)))
    return np.asarray(best[rank < STATES])
