"""The vocabulary as a trie of characters, which gives the words that begin with a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lexicon:
    """A trie in breadth-first order, node 0 the root; children are consecutive and sorted.

    Attributes:
        begin: (nodes + 1,) int32; the children of node i are begin[i] to begin[i + 1] - 1.
        code: (nodes,) int32, the node's character; 0 for the root.
        word: (nodes,) int32, start in ``members`` of the words that end at the node, or -1.
        members: (words,) int32, the indices of the words. Words that are spelled alike stand
            together, the most probable first, and the last of them as ``-1 - index``.
        best: (nodes,) float64, natural log of the best word's unigram at or below the node.
        depth: (nodes,) int32, characters from the root.
    """

    begin: NDArray[np.int32]
    code: NDArray[np.int32]
    word: NDArray[np.int32]
    members: NDArray[np.int32]
    best: NDArray[np.float64]
    depth: NDArray[np.int32]


def build_lexicon(
    words: Sequence[str], indices: NDArray[np.int32], log_prob: NDArray[Any], codes: dict[str, int]
) -> Lexicon:
    """Build the trie; words with a space, or a character without a code, are left out.

    Args:
        words: their spellings; several may be the same.
        indices: (words,) the index of each word in :attr:`Lexicon.members`.
        log_prob: (words,) natural log of each word's probability without context.
        codes: a number from 0 for each character; 0 is the space.
    """
    lengths, flat = _encode(words, codes)
    starts = np.cumsum(lengths) - lengths
    valid = lengths > 0
    owner = np.repeat(np.arange(len(words)), lengths)
    valid[owner[flat <= 0]] = False
    alive = np.flatnonzero(valid)
    alive = alive[_sorting(flat, starts[alive], lengths[alive])]

    node_of = np.zeros(len(words), np.int64)
    code, parent, best = [np.zeros(1, np.int32)], [np.zeros(0, np.int64)], [np.full(1, -np.inf)]
    depth, ends = [0], [np.zeros(0, np.int64)]
    size = 1
    while len(alive):  # level by level: words with equal parents and characters share a node
        d = len(depth) - 1
        above, here = node_of[alive], flat[starts[alive] + d]
        new = np.ones(len(alive), bool)
        new[1:] = (above[1:] != above[:-1]) | (here[1:] != here[:-1])
        node_of[alive] = size + np.cumsum(new) - 1
        code.append(here[new].astype(np.int32))
        parent.append(above[new])
        best.append(np.maximum.reduceat(log_prob[alive].astype(np.float64), np.flatnonzero(new)))
        depth.append(int(new.sum()))
        size += depth[-1]
        ending = alive[lengths[alive] == d + 1]
        ends.append(ending[np.lexsort((-log_prob[ending], node_of[ending]))])
        alive = alive[lengths[alive] > d + 1]
    ended = np.concatenate(ends)  # by node, the most probable first
    word, members = np.full(size, -1, np.int32), indices[ended].astype(np.int32)
    first = np.flatnonzero(np.diff(node_of[ended], prepend=-1))
    word[node_of[ended[first]]] = first
    last = np.append(first[1:], len(ended)) - 1 if len(ended) else first
    members[last] = -1 - members[last]
    if size > 1:
        best[0] = best[1].max(keepdims=True)
    begin = np.ones(size + 1, np.int64)
    begin[1:] += np.cumsum(np.bincount(np.concatenate(parent), minlength=size))
    counts = np.array([1, *depth[1:]])
    return Lexicon(
        begin.astype(np.int32),
        np.concatenate(code),
        word,
        members,
        np.concatenate(best),
        np.repeat(np.arange(len(counts)), counts).astype(np.int32),
    )


def _encode(
    words: Sequence[str], codes: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the words' lengths, and the codes of all characters; -1 for characters without one."""
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    points = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    known = np.array(sorted(map(ord, codes)), np.uint32)
    if len(known) == 0 or len(points) == 0:
        return lengths, np.full(len(points), -1, np.int64)
    position = np.minimum(np.searchsorted(known, points), len(known) - 1)
    numbers = np.array([codes[chr(point)] for point in known], np.int64)
    return lengths, np.where(known[position] == points, numbers[position], -1)


def _sorting(
    flat: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the order that sorts words by their codes, shorter words first."""
    order = np.arange(len(starts))
    if _sorted(flat, starts, lengths):
        return order
    for d in range(int(lengths.max()) - 1, -1, -1):  # least significant character first, stably
        key = np.where(lengths > d, flat[np.minimum(starts + d, len(flat) - 1)], 0)
        order = order[np.argsort(key[order], kind="stable")]
    return order


def _sorted(flat: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> bool:
    """Whether the words are sorted already, as most vocabularies sorted by code point are."""
    undecided = np.arange(max(0, len(starts) - 1))
    d = 0
    while len(undecided):
        undecided = undecided[lengths[undecided] > d]
        later = undecided + 1
        if (lengths[later] <= d).any():
            return False
        a, b = flat[starts[undecided] + d], flat[starts[later] + d]
        if (a > b).any():
            return False
        undecided = undecided[a == b]
        d += 1
    return True
