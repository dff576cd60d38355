"""An n-gram model as a breadth-first trie, for binary files and for the decoder's kernels.

Node 0 is the root, the empty context. Nodes 1 to V are the unigrams in the order of the vocabulary,
followed by the bigrams, and so on. The n-grams of an order are sorted lexicographically by their
word indices, oldest word first. So a node's children, the n-grams that extend it by a word, are
consecutive and sorted by that word, and a binary search for each word finds an n-gram. KenLM has
the same trie (Heafield 2011, section 3.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recog.lm.tables import MAX_ORDER, Level, NGrams, Unit

LN10 = math.log(10.0)
MAX_NODES = 2**31 - 1  # nodes are int32
LOG10_BEGIN = -99.0  # <s> is never predicted


@dataclass(frozen=True, eq=False)
class NGramTrie:
    """A back-off model for queries; its arrays may be mapped from a file and stay unchanged.

    Attributes:
        unit: whether a token is a word or a character.
        words: the vocabulary by index: ``<unk>``, ``<s>``, ``</s>``, then all others sorted by code
            point.
        word: (nodes,) int32, index of the n-gram's last word; -1 for the root.
        log_prob: (nodes,) float32, natural log of the last word's probability after the others; 0
            for the root.
        backoff: (inner,) float32, natural log of the factor for words that are not a child of the
            node; 0 for the root. Inner nodes are those below the highest order, with the root: 0 to
            ``inner - 1``.
        begin: (inner + 1,) int32: the children of inner node i are the nodes ``begin[i]`` to
            ``begin[i + 1] - 1``.
        suffix: (inner,) int32, the node of the longest proper suffix that the model lists: for ``a
            b c`` this is ``b c``, or ``c`` if ``b c`` is not listed; the root for a unigram.
        level_starts: (order + 2,) first node of each order. The n-grams of order n are the nodes
            ``level_starts[n]`` to ``level_starts[n + 1] - 1``. Order 0 is the root, and the last
            entry is the number of nodes.
    """

    unit: Unit
    words: tuple[str, ...]
    word: NDArray[np.int32]
    log_prob: NDArray[np.float32]
    backoff: NDArray[np.float32]
    begin: NDArray[np.int32]
    suffix: NDArray[np.int32]
    level_starts: tuple[int, ...]

    @property
    def order(self) -> int:
        return len(self.level_starts) - 2

    @property
    def nodes(self) -> int:
        return self.level_starts[-1]

    @property
    def inner(self) -> int:
        return self.level_starts[-2]

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each word of the vocabulary."""
        return {word: index for index, word in enumerate(self.words)}

    @cached_property
    def parent(self) -> NDArray[np.int32]:
        """The parent of each node i but the root, ``parent[i - 1]``; (nodes - 1,)."""
        return np.repeat(np.arange(self.inner, dtype=np.int32), np.diff(self.begin))

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """Parent and word of each node but the root as a number; (nodes - 1,), rising."""
        return self.parent.astype(np.int64) * len(self.words) + self.word[1:]

    def find(self, nodes: ArrayLike, words: ArrayLike) -> NDArray[np.int64]:
        """Return the child of each node by a word, element by element.

        Args:
            nodes: any shape; -1 has no children.
            words: indices into the vocabulary, of the same shape; -1 is no child.

        Returns:
            The children, -1 where the model does not list the n-gram.
        """
        words = np.asarray(words, np.int64)
        keys = np.asarray(nodes, np.int64) * len(self.words) + words
        return np.where(words >= 0, search(self._keys, keys, 1), -1)

    def advance(
        self, states: ArrayLike, words: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each word's probability after a state, and the next state.

        Args:
            states: (n,) inner nodes; 0, the root, is the empty context.
            words: (n,) indices into the vocabulary, 0 (``<unk>``) for unknown words.

        Returns:
            (n,) natural log of each word's probability after its state, and (n,) the next states:
            nodes of the longest contexts in the model that the words so far end in.
        """
        state, words = np.array(states, np.int64), np.asarray(words, np.int64)
        if len(words) and not 0 <= words.min() <= words.max() < len(self.words):
            raise ValueError("a word's index lies outside the vocabulary")
        total = np.zeros(len(words))
        node = self.find(state, words)
        while len(rows := np.flatnonzero(node < 0)):  # ends: every word is a child of the root
            total[rows] += self.backoff[state[rows]]
            state[rows] = self.suffix[state[rows]]
            node[rows] = self.find(state[rows], words[rows])
        total += self.log_prob[node]
        # n-grams that are not a context
        while len(rows := np.flatnonzero((node < 0) | (node >= self.inner))):
            after = self.find(self.suffix[state[rows]], words[rows])
            node[rows] = np.where(state[rows] == 0, 0, after)
            state[rows] = self.suffix[state[rows]]
        return total, node

    @classmethod
    def from_ngrams(cls, ngrams: NGrams) -> NGramTrie:
        """Build the trie of tables. Raises ValueError if they are not valid :class:`NGrams`."""
        starts = _level_starts(ngrams)
        size, inner = len(ngrams.words), starts[-2]
        keys: list[NDArray[np.int64]] = []
        parents: list[NDArray[np.int64]] = []
        for n, level in enumerate(ngrams.levels, 1):
            parent = _parents(level.ids, keys, starts, size)
            key = parent * size + level.ids[:, -1]
            if np.any(parent < 0) or np.any(key[1:] <= key[:-1]):
                raise ValueError(
                    f"the {n}-grams are not sorted, not unique, or without their contexts"
                )
            keys.append(key)
            parents.append(parent)
        children = sum(
            (np.bincount(parent, minlength=inner) for parent in parents), np.zeros(inner, np.int64)
        )
        return cls(
            unit=ngrams.unit,
            words=ngrams.words,
            word=np.concatenate(
                [np.array([-1], np.int32), *(level.ids[:, -1] for level in ngrams.levels)]
            ),
            log_prob=_natural([level.log_prob for level in ngrams.levels]),
            backoff=_natural([level.backoff for level in ngrams.levels[:-1]]),
            begin=np.concatenate([[1], 1 + np.cumsum(children)]).astype(np.int32),
            suffix=_suffixes(ngrams, keys, parents, starts),
            level_starts=starts,
        )

    def to_ngrams(self) -> NGrams:
        """Return the tables of this trie.

        Log-probabilities are rounded to float32 again, by at most a unit in the last place.
        """
        rows = np.empty((1, 0), np.int32)
        levels = []
        for n in range(1, self.order + 1):
            low, high = self.level_starts[n], self.level_starts[n + 1]
            children = np.diff(self.begin[self.level_starts[n - 1] : low + 1])
            rows = np.column_stack([np.repeat(rows, children, axis=0), self.word[low:high]])
            log_prob = (self.log_prob[low:high] / LN10).astype(np.float32)
            if n == 1:
                log_prob[1] = LOG10_BEGIN
            backoff = np.zeros(high - low) if n == self.order else self.backoff[low:high] / LN10
            levels.append(Level(rows, log_prob, backoff.astype(np.float32)))
        return NGrams(self.unit, self.words, tuple(levels))


def _natural(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Convert log10 by order to natural log by node; in float64, so that each is rounded once."""
    joined = np.concatenate([np.zeros(1, np.float32), *parts])
    return (joined.astype(np.float64) * LN10).astype(np.float32)


def _level_starts(ngrams: NGrams) -> tuple[int, ...]:
    """Return the first node of each order; ValueError where the tables' shapes are wrong."""
    size = len(ngrams.words)
    if not 1 <= ngrams.order <= MAX_ORDER:
        raise ValueError(f"a model has orders 1 to {MAX_ORDER}, not {ngrams.order}")
    if not np.array_equal(ngrams.levels[0].ids[:, 0], np.arange(size)):
        raise ValueError("the unigrams are not the vocabulary in its order")
    starts = [0, 1]
    for n, level in enumerate(ngrams.levels, 1):
        if level.ids.shape != (len(level), n) or not len(level.log_prob) == len(
            level.backoff
        ) == len(level):
            raise ValueError(f"the columns of the {n}-grams differ in length")
        if len(level) and not 0 <= level.ids.min() <= level.ids.max() < size:
            raise ValueError(f"a word of the {n}-grams is not in the vocabulary")
        starts.append(starts[-1] + len(level))
    if starts[-1] > MAX_NODES:
        raise ValueError(
            f"{starts[-1]:,} n-grams are more than the {MAX_NODES:,} that a model can hold"
        )
    return tuple(starts)


def search(keys: NDArray[Any], queries: NDArray[Any], first: int = 0) -> NDArray[np.int64]:
    """Return each query's position in sorted keys, counted from ``first``; -1 where absent."""
    if not len(keys):
        return np.full(np.shape(queries), -1)
    position = keys.searchsorted(queries)
    present = keys[np.minimum(position, len(keys) - 1)] == queries
    return np.where(present, position + first, -1)


def _parents(
    ids: NDArray[np.int32], keys: list[NDArray[np.int64]], starts: tuple[int, ...], size: int
) -> NDArray[np.int64]:
    """Return the node of each row's context, -1 where it is absent; (rows,).

    Args:
        keys: of the orders below.
    """
    rows, n = ids.shape
    if n == 1 or not rows:
        return np.zeros(rows, np.int64)
    # rows are sorted, so those of a context are consecutive, and each context is looked up once
    fresh = np.concatenate([[True], np.any(ids[1:, :-1] != ids[:-1, :-1], axis=1)])
    context = ids[fresh, :-1].astype(np.int64)
    node = context[:, 0] + 1
    for k in range(1, n - 1):
        node = np.where(node < 0, -1, search(keys[k], node * size + context[:, k], starts[k + 1]))
    return np.repeat(node, np.diff(np.append(np.flatnonzero(fresh), rows)))


def _suffixes(
    ngrams: NGrams,
    keys: list[NDArray[np.int64]],
    parents: list[NDArray[np.int64]],
    starts: tuple[int, ...],
) -> NDArray[np.int32]:
    """Return each inner node's longest proper suffix, (inner,).

    This is its parent's suffix extended by its word, or a shorter one.
    """
    size = len(ngrams.words)
    lower = np.empty(0, np.int64)  # the keys of all orders below, which rise from order to order
    suffix = np.zeros(starts[-2], np.int32)
    for n in range(2, ngrams.order):
        lower = np.concatenate([lower, keys[n - 2]])
        word = ngrams.levels[n - 1].ids[:, -1].astype(np.int64)
        state = suffix[parents[n - 1]].astype(np.int64)
        nodes = search(lower, state * size + word, 1)
        while len(missing := np.flatnonzero(nodes < 0)):  # ends: the root's children are all words
            state[missing] = suffix[state[missing]]
            nodes[missing] = search(lower, state[missing] * size + word[missing], 1)
        suffix[starts[n] : starts[n + 1]] = nodes
    return suffix
