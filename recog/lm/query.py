"""Compiled queries of an n-gram model, for the decoder's kernels.

The model is the breadth-first trie of :mod:`recog.lm.trie`. A state is the node of the longest
context in the model that the words so far end in. State 0, the root, is the empty context.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recog.util.jit import helper

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie


class Query(NamedTuple):
    """A trie's arrays for kernels: contiguous and read-only, in memory or mapped from a file."""

    word: Any  # (nodes,) int32
    log_prob: Any  # (nodes,) float32, natural log
    backoff: Any  # (inner nodes,) float32, natural log
    begin: Any  # (inner nodes + 1,) int32: node i's children are begin[i] to begin[i + 1] - 1
    suffix: Any  # (inner nodes,) int32


def frozen(array: Any, dtype: Any) -> Any:
    """Return a contiguous, aligned, read-only view of an array, copied only if necessary."""
    result = np.require(array, dtype, ["C", "A"]).view()
    result.flags.writeable = False
    return result


def make_query(trie: NGramTrie | None) -> Query:
    """Return a trie's arrays; for None arrays that are never read."""
    types = (np.int32, np.float32, np.float32, np.int32, np.int32)
    arrays = (
        [[0]] * len(types)
        if trie is None
        else [trie.word, trie.log_prob, trie.backoff, trie.begin, trie.suffix]
    )
    return Query(*map(frozen, arrays, types))


@helper
def child(lm, node, word):
    """Return the node of a context's extension by a word, or -1."""
    if node == 0:
        return np.int64(word) + 1  # unigrams stand in the order of the vocabulary
    low, high = np.int64(lm.begin[node]), np.int64(lm.begin[node + 1]) - 1
    while low <= high:
        middle = (low + high) >> 1
        other = lm.word[middle]
        if other == word:
            return middle
        if other < word:
            low = middle + 1
        else:
            high = middle - 1
    return np.int64(-1)


@helper
def state_after(lm, state, node, word):
    """Return the state after a word.

    Args:
        node: the child of ``state`` for the word, or -1. It is the new state if it is a context.
    """
    while node < 0 or node >= len(lm.backoff):
        if state == 0:
            return np.int64(0)
        state = np.int64(lm.suffix[state])
        node = child(lm, state, word)
    return node


@helper
def score(lm, state, word):
    """Return ln P(word | state), and the state after the word (Katz 1987).

    Backs off until the n-gram is listed.
    """
    log_prob = 0.0
    node = child(lm, state, word)
    while node < 0:
        log_prob += lm.backoff[state]
        state = np.int64(lm.suffix[state])
        node = child(lm, state, word)
    return log_prob + lm.log_prob[node], state_after(lm, state, node, word)
