"""How a word is said that no dictionary has, by its spelling.

A joint-sequence model (Bisani and Ney 2008, "Joint-sequence models for grapheme-to-phoneme
conversion"): an n-gram model of letters with the sounds that they stand for.
:mod:`recog.training.g2p` makes one from a dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recog.lm.binary import load_lm
from recog.lm.trie import NGramTrie
from recog.model.folder import SPELLING
from recog.model.recogniser_folder import RecogniserFolder

NOTHING = "-"  # what stands for no sound; no sound itself
BEAM = 12  # readings kept after each letter
AT_ONCE = 2_000  # words
LONGEST = 60  # letters; longer words are said as nothing


class Speller:
    """Says words as their spelling suggests.

    Args:
        lm: its words are a letter and the sounds that it stands for, or :data:`NOTHING`.
    """

    def __init__(self, lm: NGramTrie) -> None:
        self._lm = lm
        self._ways: dict[str, tuple[list[str], NDArray[np.int64]]] = {}
        for i, token in enumerate(lm.words):
            if len(token) > 1 and token not in ("<unk>", "<s>", "</s>"):
                sounds, ids = self._ways.get(token[0], ([], np.zeros(0, np.int64)))
                self._ways[token[0]] = [*sounds, token[1:].replace(NOTHING, "")], np.append(ids, i)

    def say(self, words: Sequence[str]) -> list[str]:
        """The likeliest pronunciation of each word; empty where a letter of it is unknown."""
        found = [""] * len(words)
        known = [
            i
            for i, word in enumerate(words)
            if 0 < len(word) <= LONGEST and set(word) <= self._ways.keys()
        ]
        for k in range(0, len(known), AT_ONCE):
            part = known[k : k + AT_ONCE]
            for i, said in zip(part, self._search([words[i] for i in part]), strict=True):
                found[i] = said
        return found

    def _search(self, words: list[str]) -> list[str]:
        """Beam search through all words, letter by letter; a word that has ended waits."""
        owner = np.arange(len(words))  # of each reading, the word that it is of
        scores = np.zeros(len(words))
        # of single letters alone no context has a node
        begin = 1 + self._lm.index["<s>"] if self._lm.order > 1 else 0
        states = np.full(len(words), begin, np.int64)
        said = [""] * len(words)
        for place in range(max(map(len, words))):
            letters = np.array([words[i][place] if place < len(words[i]) else "" for i in owner])
            grown: list[
                tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], list[str]]
            ] = []
            for letter in np.unique(letters):
                rows = np.flatnonzero(letters == letter)
                if not letter:
                    grown.append((owner[rows], scores[rows], states[rows], [said[i] for i in rows]))
                    continue
                sounds, ids = self._ways[str(letter)]
                before, which = np.repeat(rows, len(ids)), np.tile(np.arange(len(ids)), len(rows))
                log_prob, after = self._lm.advance(states[before], ids[which])
                texts = [said[i] + sounds[j] for i, j in zip(before, which, strict=True)]
                grown.append((owner[before], scores[before] + log_prob, after, texts))
            owner, scores, states = (np.concatenate([part[i] for part in grown]) for i in range(3))
            said = [text for part in grown for text in part[3]]
            kept = _best_of_each(owner, scores, BEAM)
            owner, scores, states, said = (
                owner[kept],
                scores[kept],
                states[kept],
                [said[i] for i in kept],
            )
        ends = np.full(len(states), self._lm.index["</s>"], np.int64)
        scores = scores + self._lm.advance(states, ends)[0]
        best = _best_of_each(owner, scores, 1)
        return [said[i] for i in best]


def open_speller(model_folder: RecogniserFolder) -> Speller | None:
    """The speller of a recogniser, where the model has one.

    Raises:
        UserError: its file is missing or damaged.
    """
    return (
        Speller(load_lm(model_folder.file(SPELLING)))
        if SPELLING in model_folder.config.files
        else None
    )


def _best_of_each(
    owner: NDArray[np.int64], scores: NDArray[np.float64], count: int
) -> NDArray[np.int64]:
    """The rows of the best ``count`` scores of each owner, by owner."""
    order = np.lexsort((-scores, owner))
    sorted_owner = owner[order]
    first = np.flatnonzero(np.diff(sorted_owner, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return np.asarray(order[rank < count])
