"""Entropy pruning: leave out n-grams that hardly change a model's predictions.

The criterion is Stolcke's, "Entropy-based Pruning of Backoff Language Models" (DARPA Broadcast News
Workshop 1998). Histories are weighted by their counts in the text, since Kneser-Ney's lower orders
do not estimate how often a history occurs: Chelba et al., "Study on Interaction between Entropy
Pruning and Kneser-Ney Smoothing" (Interspeech 2010).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.estimation.counts import BEGIN_ID, END_ID
from recog.lm.estimation.kneser_ney import CountedNGrams
from recog.lm.tables import Level, NGrams
from recog.lm.trie import search

_LEAST = 1e-6  # masses below this are rounding errors of float32, and never divisors
_LN10 = math.log(10.0)


def prune(ngrams: NGrams, threshold: float) -> NGrams:
    """Leave out each n-gram whose loss raises the perplexity by a share less than ``threshold``.

    Unigrams stay, and so do contexts of n-grams that stay. Back-offs are computed again, so that
    every distribution sums to 1. The weight of a history is its relative frequency if the model has
    counts (:class:`recog.lm.estimation.kneser_ney.CountedNGrams`), else its probability in the
    model.

    Raises:
        UserError: the threshold is negative or not a number.
    """
    if not (math.isfinite(threshold) and threshold >= 0):
        raise UserError(f"A threshold of pruning is 0 or more, as 1e-8, not {threshold}.")
    return _select(ngrams, [rises >= threshold for rises in _rises(ngrams)])


def prune_to(ngrams: NGrams, size: int) -> NGrams:
    """:func:`prune` to at most ``size`` n-grams of all orders together.

    Raises:
        UserError: the vocabulary alone is larger.
    """
    words = len(ngrams.words)
    if size < words:
        raise UserError(
            f"The model has {words} words and cannot be pruned to {size} n-grams; "
            "limit the vocabulary first."
        )
    if size >= sum(map(len, ngrams.levels)):
        return ngrams
    rises = _rises(ngrams)
    largest_first = np.sort(np.concatenate(rises))[::-1]
    return _select(ngrams, [rise > largest_first[size] for rise in rises])


class _Index:
    """An index of a model's n-grams, for look-ups and scores."""

    def __init__(self, ngrams: NGrams) -> None:
        self.size = len(ngrams.words)
        self.log_prob = [level.log_prob for level in ngrams.levels]
        self.backoff = [level.backoff for level in ngrams.levels]
        # by level: the row of the context times the vocabulary, plus the word
        self.keys: list[NDArray[np.int64]] = []
        self.contexts: list[NDArray[np.int64]] = []
        for level in ngrams.levels:
            contexts = self.rows(level.ids[:, :-1])
            self.contexts.append(contexts)
            self.keys.append(contexts * self.size + level.ids[:, -1])

    def rows(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the row of each n-gram (count, n) in its level, (count,).

        -1 for n-grams that are not listed, 0 for the empty n-gram.
        """
        rows = np.zeros(len(ids), np.int64)
        for keys, words in zip(self.keys, ids.T, strict=False):
            # below every key where the context is not listed
            rows = search(keys, rows * self.size + words)
        return rows

    def score(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return log10 P of each row's last word, given the others; (count,)."""
        scores = np.zeros(len(ids))
        waiting = np.arange(len(ids))
        for start in range(ids.shape[1]):
            ending = ids[waiting, start:]
            rows = self.rows(ending)
            listed = rows >= 0
            scores[waiting[listed]] += self.log_prob[ending.shape[1] - 1][rows[listed]]
            waiting, ending = waiting[~listed], ending[~listed]
            if not len(waiting):
                break
            contexts = self.rows(ending[:, :-1])
            scores[waiting] += np.where(
                contexts >= 0, self.backoff[ending.shape[1] - 2][contexts], 0.0
            )
        return scores


def _rises(ngrams: NGrams) -> list[NDArray[np.float64]]:
    """Return the rise of perplexity without each n-gram, by level; inf for unigrams.

    A context's rise is at least that of the n-grams it is a context of.
    """
    index = _Index(ngrams)
    weights = _weights(ngrams, index)
    rises = [np.full(len(ngrams.words), np.inf)]
    for n, level in enumerate(ngrams.levels[1:], 2):
        contexts = index.contexts[n - 1]
        p = 10.0 ** level.log_prob.astype(np.float64)
        log_q = _LN10 * index.score(level.ids[:, 1:])
        left_p, left_q = _unlisted_mass(contexts, p, np.exp(log_q), len(ngrams.levels[n - 2]))
        factor = _factors(left_p, left_q, ngrams.levels[n - 2].backoff)[contexts]
        left = np.maximum(left_p, 0.0)[contexts]
        # Stolcke 1998, equations 8 to 10: the loss of the n-gram itself, and that of all n-grams
        # that back off
        new_factor = np.log((left + p) / (np.maximum(left_q, 0.0)[contexts] + np.exp(log_q)))
        change = p * (log_q + new_factor - np.log(p)) + left * (new_factor - np.log(factor))
        rises.append(np.expm1(np.maximum(-weights[n - 2][contexts] * change, 0.0)))
    for n in range(len(rises) - 1, 0, -1):
        np.maximum.at(rises[n - 1], index.contexts[n], rises[n])
    return rises


def _weights(ngrams: NGrams, index: _Index) -> list[NDArray[np.float64]]:
    """Return for each n-gram the share of a text's words that follow it, by level."""
    if isinstance(ngrams, CountedNGrams):
        total = ngrams.counts[0].sum() - ngrams.counts[0][BEGIN_ID]
        return [counts / total for counts in ngrams.counts]
    logs = [ngrams.levels[0].log_prob.astype(np.float64)]
    logs[0][BEGIN_ID] = logs[0][END_ID]  # a line begins wherever one ends
    for level, contexts in zip(ngrams.levels[1:], index.contexts[1:], strict=True):
        logs.append(logs[-1][contexts] + level.log_prob)
    return [10.0**log for log in logs]


def _unlisted_mass(
    contexts: NDArray[np.int64], p: NDArray[np.float64], q: NDArray[np.float64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each context's mass of unlisted words, by the context and by the next shorter one."""
    listed_p, listed_q = (np.bincount(contexts, mass, size).astype(np.float64) for mass in (p, q))
    return 1.0 - listed_p, 1.0 - listed_q


def _factors(
    left_p: NDArray[np.float64], left_q: NDArray[np.float64], backoff: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the back-off factors that make each context's distribution sum to 1.

    Where (nearly) every word is listed, the old factors stay.
    """
    sound = (left_p > _LEAST) & (left_q > _LEAST)
    return np.where(sound, left_p, 10.0 ** backoff.astype(np.float64)) / np.where(
        sound, left_q, 1.0
    )


def _select(ngrams: NGrams, keep: list[NDArray[np.bool_]]) -> NGrams:
    # orders without any n-gram are dropped
    keep = [rows for rows in keep if rows.any()]
    levels = tuple(
        Level(level.ids[rows], level.log_prob[rows], level.backoff[rows])
        for level, rows in zip(ngrams.levels, keep, strict=False)
    )
    if isinstance(ngrams, CountedNGrams):
        ngrams = dataclasses.replace(
            ngrams, counts=tuple(c[k] for c, k in zip(ngrams.counts, keep, strict=False))
        )
    return normalise(dataclasses.replace(ngrams, levels=levels))


def normalise(ngrams: NGrams) -> NGrams:
    """Return the model with back-offs that make each context's distribution sum to 1."""
    index = _Index(ngrams)
    for n, level in enumerate(ngrams.levels[1:], 2):
        p, q = 10.0 ** level.log_prob.astype(np.float64), 10.0 ** index.score(level.ids[:, 1:])
        contexts, below = index.contexts[n - 1], index.backoff[n - 2]
        factors = _factors(*_unlisted_mass(contexts, p, q, len(below)), below)
        extended = np.bincount(contexts, minlength=len(below)) > 0
        index.backoff[n - 2] = np.where(extended, np.log10(factors), 0.0).astype(np.float32)
    # it may have had back-offs for a higher order
    index.backoff[-1] = np.zeros(len(ngrams.levels[-1]), np.float32)
    levels = (
        dataclasses.replace(a, backoff=b) for a, b in zip(ngrams.levels, index.backoff, strict=True)
    )
    return dataclasses.replace(ngrams, levels=tuple(levels))
