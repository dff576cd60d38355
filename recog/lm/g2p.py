"""Grapheme-to-phoneme conversion: the pronunciation that a word's spelling suggests.

A joint-sequence model (Bisani and Ney 2008, "Joint-sequence models for grapheme-to-phoneme
conversion"): an n-gram model whose tokens are letters with their phones. :mod:`recog.training.g2p`
estimates it from a dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recog.lm.binary import load_lm
from recog.lm.trie import NGramTrie
from recog.model.folder import SPELLING
from recog.model.recogniser_folder import RecogniserFolder

NOTHING = "-"  # stands for no phone; not a phone itself
BEAM = 12  # hypotheses of a word after each letter
BATCH = 2_000  # words
LONGEST = 60  # letters; longer words get no pronunciation


class G2P:
    """Pronounces words as their spelling suggests.

    Args:
        lm: its words are a letter followed by the letter's phones, or by :data:`NOTHING`.
    """

    def __init__(self, lm: NGramTrie) -> None:
        self._lm = lm
        self._tokens: dict[str, tuple[list[str], NDArray[np.int64]]] = {}  # by letter
        for i, token in enumerate(lm.words):
            if len(token) > 1 and token not in ("<unk>", "<s>", "</s>"):
                phones, ids = self._tokens.get(token[0], ([], np.zeros(0, np.int64)))
                phones = [*phones, token[1:].replace(NOTHING, "")]
                self._tokens[token[0]] = phones, np.append(ids, i)

    def pronounce(self, words: Sequence[str]) -> list[str]:
        """Return each word's most probable pronunciation; empty for words with unknown letters."""
        pronunciations = [""] * len(words)
        known = [
            i
            for i, word in enumerate(words)
            if 0 < len(word) <= LONGEST and set(word) <= self._tokens.keys()
        ]
        for k in range(0, len(known), BATCH):
            batch = known[k : k + BATCH]
            for i, phones in zip(batch, self._search([words[i] for i in batch]), strict=True):
                pronunciations[i] = phones
        return pronunciations

    def _search(self, words: list[str]) -> list[str]:
        """Run a beam search over all words at once, letter by letter; finished words wait."""
        owner = np.arange(len(words))  # the word of each hypothesis
        scores = np.zeros(len(words))
        # in a model of order 1 no context has a node
        begin = 1 + self._lm.index["<s>"] if self._lm.order > 1 else 0
        states = np.full(len(words), begin, np.int64)
        texts = [""] * len(words)
        for position in range(max(map(len, words))):
            letters = np.array(
                [words[i][position] if position < len(words[i]) else "" for i in owner]
            )
            parts: list[
                tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], list[str]]
            ] = []
            for letter in np.unique(letters):
                rows = np.flatnonzero(letters == letter)
                if not letter:
                    finished = [texts[i] for i in rows]
                    parts.append((owner[rows], scores[rows], states[rows], finished))
                    continue
                phones, ids = self._tokens[str(letter)]
                before, choice = np.repeat(rows, len(ids)), np.tile(np.arange(len(ids)), len(rows))
                log_prob, after = self._lm.advance(states[before], ids[choice])
                extended = [texts[i] + phones[j] for i, j in zip(before, choice, strict=True)]
                parts.append((owner[before], scores[before] + log_prob, after, extended))
            owner, scores, states = (np.concatenate([part[i] for part in parts]) for i in range(3))
            texts = [text for part in parts for text in part[3]]
            best = _best_of_each(owner, scores, BEAM)
            owner, scores, states = owner[best], scores[best], states[best]
            texts = [texts[i] for i in best]
        ends = np.full(len(states), self._lm.index["</s>"], np.int64)
        scores = scores + self._lm.advance(states, ends)[0]
        return [texts[i] for i in _best_of_each(owner, scores, 1)]


def open_g2p(model_folder: RecogniserFolder) -> G2P | None:
    """Open a recogniser's grapheme-to-phoneme model; None where it has none.

    Raises:
        UserError: its file is missing or damaged.
    """
    return (
        G2P(load_lm(model_folder.file(SPELLING))) if SPELLING in model_folder.config.files else None
    )


def _best_of_each(
    owner: NDArray[np.int64], scores: NDArray[np.float64], count: int
) -> NDArray[np.int64]:
    """Return the rows of the ``count`` best scores of each owner, sorted by owner."""
    order = np.lexsort((-scores, owner))
    sorted_owner = owner[order]
    first = np.flatnonzero(np.diff(sorted_owner, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return np.asarray(order[rank < count])
