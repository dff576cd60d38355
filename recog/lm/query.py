"""Kernels that ask an n-gram model for a word's probability after a state, for the decoder's
compiled loops.

The model is the breadth-first trie of :mod:`recog.lm.trie`. A state is the node of the longest
context of the model that the words so far end in: 0, the root, knows nothing of them.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recog.util.jit import helper

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie


class Query(NamedTuple):
    """A trie's arrays as kernels take them: contiguous and read-only, whether mapped from a file or
    made in memory."""

    word: Any  # (nodes,) int32
    log_prob: Any  # (nodes,) float32, natural log
    backoff: Any  # (inner nodes,) float32, natural log
    begin: Any  # (inner nodes + 1,) int32: node i's children are begin[i] to begin[i + 1] - 1
    suffix: Any  # (inner nodes,) int32


def frozen(array: Any, dtype: Any) -> Any:
    """The array as kernels expect it: of one type, contiguous, aligned, read-only; copied only
    where it must be."""
    result = np.require(array, dtype, ["C", "A"]).view()
    result.flags.writeable = False
    return result


def make_query(trie: NGramTrie | None) -> Query:
    """The kernels' view of a trie; of None an empty one, never to be asked."""
    if trie is None:
        return Query(
            *(
                frozen([0], dtype)
                for dtype in (np.int32, np.float32, np.float32, np.int32, np.int32)
            )
        )
    return Query(
        frozen(trie.word, np.int32),
        frozen(trie.log_prob, np.float32),
        frozen(trie.backoff, np.float32),
        frozen(trie.begin, np.int32),
        frozen(trie.suffix, np.int32),
    )


@helper
def child(lm, node, word):
    """The node of a context's extension by a word, or -1."""
    if node == 0:
        return np.int64(word) + 1  # unigrams stand in the order of the vocabulary
    low, high = np.int64(lm.begin[node]), np.int64(lm.begin[node + 1]) - 1
    while low <= high:
        middle = (low + high) >> 1
        found = lm.word[middle]
        if found == word:
            return middle
        if found < word:
            low = middle + 1
        else:
            high = middle - 1
    return np.int64(-1)


@helper
def state_after(lm, state, node, word):
    """The state after a word whose n-gram was found at ``node``, the child of ``state``: itself, if
    it is a context."""
    while node < 0 or node >= len(lm.backoff):
        if state == 0:
            return np.int64(0)
        state = np.int64(lm.suffix[state])
        node = child(lm, state, word)
    return node


@helper
def score(lm, state, word):
    """Natural log of P(word | state), and the state after it (Katz 1987: back-offs until the n-gram
    is listed)."""
    log_prob = 0.0
    node = child(lm, state, word)
    while node < 0:
        log_prob += lm.backoff[state]
        state = np.int64(lm.suffix[state])
        node = child(lm, state, word)
    return log_prob + lm.log_prob[node], state_after(lm, state, node, word)
