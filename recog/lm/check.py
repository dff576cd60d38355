"""Validity of an n-gram trie whose arrays come from a file."""

from __future__ import annotations

import itertools

import numpy as np

from recog.lm.tables import BEGIN, END, MAX_ORDER, UNKNOWN
from recog.lm.trie import MAX_NODES, NGramTrie


def check_trie(trie: NGramTrie) -> None:
    """Check the arrays, so that kernels may use them.

    All indices are in range, every search and every chain of suffixes ends, and all numbers are
    finite.

    Raises:
        ValueError: a sentence that says what is wrong.
    """
    _check_words(trie.words)
    _check_shape(trie)
    _check_children(trie)
    for n in range(1, trie.order):
        low, high = trie.level_starts[n], trie.level_starts[n + 1]
        suffix = trie.suffix[low:high]
        if n == 1 and suffix.any():
            raise ValueError("a unigram's suffix is not the root")
        # suffixes of a lower order end every chain of them at the root
        if n > 1 and len(suffix) and (suffix.min() <= 0 or suffix.max() >= low):
            raise ValueError(f"a suffix of the {n}-grams lies outside the lower orders")
        if n > 1 and np.any(trie.word[suffix] != trie.word[low:high]):
            raise ValueError(f"a suffix of the {n}-grams ends in another word")
    if not (
        np.isfinite(trie.log_prob).all()
        and np.isfinite(trie.backoff).all()
        and trie.log_prob.max() <= 0
    ):
        raise ValueError("a log-probability is positive or not a finite number")


def _check_words(words: tuple[str, ...]) -> None:
    if words[:3] != (UNKNOWN, BEGIN, END):
        raise ValueError("the vocabulary does not begin with <unk>, <s> and </s>")
    if any(left >= right for left, right in itertools.pairwise(words[3:])):
        raise ValueError("the vocabulary is not sorted, or a word stands in it twice")
    if not {UNKNOWN, BEGIN, END}.isdisjoint(words[3:]):
        raise ValueError("<unk>, <s> or </s> stands twice in the vocabulary")
    together = "".join(words)
    if any(space in together for space in " \t\r\n") or "" in words:
        raise ValueError("a word of the vocabulary is empty or contains white space")


def _check_shape(trie: NGramTrie) -> None:
    """Check the lengths of all arrays, so that later checks may use them as indices."""
    starts = trie.level_starts
    if not 1 <= trie.order <= MAX_ORDER or starts[:3] != (0, 1, 1 + len(trie.words)):
        raise ValueError("the orders do not fit the vocabulary")
    if any(low > high for low, high in itertools.pairwise(starts)) or trie.nodes > MAX_NODES:
        raise ValueError("the orders' counts are not possible")
    lengths = [
        len(array) for array in (trie.word, trie.log_prob, trie.backoff, trie.begin, trie.suffix)
    ]
    if lengths != [trie.nodes, trie.nodes, trie.inner, trie.inner + 1, trie.inner]:
        raise ValueError("the arrays' lengths do not fit the orders' counts")


def _check_children(trie: NGramTrie) -> None:
    """Check that each node but the root has a parent one order below, and children are sorted."""
    begin, starts, word = trie.begin, trie.level_starts, trie.word
    if np.any(begin[1:] < begin[:-1]) or any(
        begin[low] != high for low, high in itertools.pairwise(starts)
    ):
        raise ValueError("the children of the nodes do not follow one another")
    if word[0] != -1 or not np.array_equal(word[1 : starts[2]], np.arange(len(trie.words))):
        raise ValueError("the unigrams are not the vocabulary in its order")
    if word[1:].min() < 0 or word.max() >= len(trie.words):
        raise ValueError("an n-gram's word is not in the vocabulary")
    first = np.zeros(trie.nodes + 1, np.bool_)
    first[begin] = True
    if not np.all(first[2:-1] | (word[2:] > word[1:-1])):
        raise ValueError("a node's children are not sorted, or one stands there twice")
    if trie.suffix[0] != 0:
        raise ValueError("the root's suffix is not the root")
