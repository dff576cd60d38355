"""Rows of n-gram tables: keys to sort and search by, missing contexts, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.lm.tables import Level, NGrams
from recog.lm.trie import LN10, NGramTrie, search

Ids = NDArray[np.int32]


def row_keys(ids: Ids, size: int) -> NDArray[Any]:
    """Return a key for each row of word indices, (rows,); keys sort like the rows, but faster.

    Keys are integers if the rows fit into 63 bits, else byte strings.

    Args:
        size: word indices are below this.
    """
    n = ids.shape[1]
    if size**n < 2**63:
        key = np.zeros(len(ids), np.int64)
        for column in ids.T:
            key = key * size + column
        return key
    # big-endian bytes compare as the numbers do. NumPy drops null bytes at the end, which does no
    # harm to keys of equal length
    return np.ascontiguousarray(ids, ">i4").view(f"S{4 * n}").ravel()


def sort_order(ids: Ids, size: int) -> tuple[NDArray[np.int64] | slice, NDArray[np.int64]]:
    """Return the index that sorts rows, and the sorted positions of repeated rows.

    Returns:
        An index that puts rows in lexicographic order (stable), and the positions in that order of
        all rows that equal the row before.
    """
    keys = row_keys(ids, size)
    if np.all(keys[1:] > keys[:-1]):
        return slice(None), np.empty(0, np.int64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    return order, 1 + np.flatnonzero(keys[1:] == keys[:-1])


def empty_level(n: int) -> Level:
    """Return a level without n-grams."""
    return Level(np.empty((0, n), np.int32), np.empty(0, np.float32), np.empty(0, np.float32))


def log_probs(trie: NGramTrie, ids: Ids) -> NDArray[np.float64]:
    """Return ln P of each row's last word, given the others; (rows,)."""
    state, log_prob = np.zeros(len(ids), np.int64), np.zeros(len(ids))
    for word in ids.T:
        log_prob, state = trie.advance(state, word)
    return log_prob


def add_contexts(words: tuple[str, ...], levels: Sequence[Level]) -> list[Level]:
    """Add the missing contexts of n-grams to the level below.

    A missing context gets the probability that the model gives it by backing off, and a back-off of
    1, which a missing context has too. So no probability changes.

    Args:
        levels: unigrams first, sorted; each word has a unigram.
    """
    size = len(words)
    additions: dict[int, Ids] = {}
    for n in range(len(levels), 2, -1):  # from the top: an added context needs contexts in turn
        contexts = levels[n - 1].ids[:, :-1]
        if n in additions:
            contexts = np.concatenate([contexts, additions[n][:, :-1]])
        keys, first = np.unique(row_keys(contexts, size), return_index=True)
        absent = search(row_keys(levels[n - 2].ids, size), keys) < 0
        if absent.any():
            additions[n - 1] = contexts[first[absent]]
    result = list(levels)
    # from the bottom: each probability follows from the orders below
    for n, ids in sorted(additions.items()):
        trie = NGramTrie.from_ngrams(NGrams("word", words, (*result[: n - 1], empty_level(n))))
        log10 = np.minimum(log_probs(trie, ids) / LN10, 0.0).astype(np.float32)
        result[n - 1] = _merge(result[n - 1], Level(ids, log10, np.zeros_like(log10)), size)
    return result


def _merge(left: Level, right: Level, size: int) -> Level:
    ids = np.concatenate([left.ids, right.ids])
    order, _ = sort_order(ids, size)
    log_prob = np.concatenate([left.log_prob, right.log_prob])
    return Level(ids[order], log_prob[order], np.concatenate([left.backoff, right.backoff])[order])
