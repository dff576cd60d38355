"""Linear interpolation of n-gram models, with weights tuned on a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.estimation.prune import normalise
from recog.lm.perplexity import token_log_probs
from recog.lm.rows import Ids, log_probs, sort_order
from recog.lm.tables import BEGIN, END, UNKNOWN, Level, NGrams
from recog.lm.text import tokens
from recog.lm.trie import LN10, LOG10_BEGIN, NGramTrie

LEAST_GAIN = 1e-7  # of the mean log-likelihood of a token; below it tuning stops
MAX_ITERATIONS = 1000
LEAST_BACKOFF = 1e-99
_SPECIALS = (UNKNOWN, BEGIN, END)


class _Part:
    """A model of the mixture, addressed by the common vocabulary."""

    def __init__(self, model: NGrams | NGramTrie, words: Sequence[str]) -> None:
        self.tables, self.trie = _both(model)
        index = {word: i for i, word in enumerate(words)}
        # from the model's index to the common index, and back; missing words become <unk>
        self.common = np.array([index[word] for word in self.trie.words], np.int32)
        self.local = np.zeros(len(words), np.int32)
        self.local[self.common] = np.arange(len(self.trie.words))
        self.has = np.zeros(len(words), np.bool_)
        self.has[self.common] = True

    def ids(self, n: int) -> Ids:
        """Return the model's n-grams of an order, by common index."""
        if n > self.tables.order:
            return np.empty((0, n), np.int32)
        return self.common[self.tables.levels[n - 1].ids]

    def log_probs(self, ids: Ids) -> NDArray[np.float64]:
        """Return ln P of each row's last word, given the others; -inf for a missing word."""
        return np.where(self.has[ids[:, -1]], log_probs(self.trie, self.local[ids]), -np.inf)

    def backoffs(self, ids: Ids) -> NDArray[np.float64]:
        """Return the back-off factor after each row."""
        node = np.zeros(len(ids), np.int64)
        for word in self.local[ids].T:
            node = self.trie.find(node, word)
        listed = (node >= 0) & (node < self.trie.inner)
        return np.where(
            listed, np.exp(self.trie.backoff[np.where(listed, node, 0)].astype(np.float64)), 1.0
        )


def mix(models: Sequence[NGrams | NGramTrie], weights: Sequence[float]) -> NGrams:
    """Interpolate models linearly into one (SRILM's ``ngram -mix-lm``; Stolcke 2002).

    The mixture lists every n-gram that any of the models lists, with the weighted mean of their
    probabilities. Back-offs are computed again, so that each context's distribution sums to 1 if
    the models' do. A word that a model lacks has probability 0 in it, since the model's words and
    ``<unk>`` sum to 1 already. In a context it is the model's ``<unk>``.

    Args:
        models: all of words or all of characters.
        weights: a weight for each model, at least 0; scaled to the sum 1. Models of weight 0 are
            left out.

    Raises:
        UserError: models of different units, or weights that cannot be used.
    """
    shares = _shares(models, weights)
    used = [model for model, share in zip(models, shares, strict=True) if share]
    words = _common_words(used)
    parts = [
        (_Part(model, words), share) for model, share in zip(used, shares[shares > 0], strict=True)
    ]
    levels: list[Level] = []
    for n in range(1, max(model.order for model in used) + 1):
        ids = np.concatenate([part.ids(n) for part, _ in parts])
        order, repeated = sort_order(ids, len(words))
        ids = np.delete(ids[order], repeated, axis=0)
        log_prob = np.full(len(ids), -np.inf)
        # stays where every word is listed; elsewhere computed again below
        backoff = np.zeros(len(ids))
        for part, share in parts:
            log_prob = np.logaddexp(log_prob, part.log_probs(ids) + np.log(share))
            backoff += share * part.backoffs(ids)
        log10 = np.minimum(log_prob / LN10, 0.0).astype(np.float32)
        levels.append(
            Level(ids, log10, np.log10(np.maximum(backoff, LEAST_BACKOFF)).astype(np.float32))
        )
    levels[0].log_prob[_SPECIALS.index(BEGIN)] = LOG10_BEGIN
    levels[-1].backoff[:] = 0.0
    return normalise(NGrams(used[0].unit, words, tuple(levels)))


def tune_weights(
    models: Sequence[NGrams | NGramTrie], lines: Iterable[str], *, sentence: bool = True
) -> tuple[float, ...]:
    """Return the weights with which the models together predict a text best.

    Uses expectation maximisation (Dempster, Laird and Rubin 1977), which finds the only maximum
    since the likelihood is concave in the weights. A word is impossible in the models that lack it,
    as in :func:`mix`; words that all models lack are left out.

    Args:
        lines: a text that none of the models was trained on.
        sentence: as in :func:`recog.lm.perplexity.perplexity`.

    Raises:
        UserError: models of different units, or a text without a known word.
    """
    _shares(models, [1.0] * len(models))
    tries = [_both(model)[1] for model in models]
    text = [tokens(line, tries[0].unit) for line in lines if line.strip()]
    columns = [token_log_probs(trie, text, sentence=sentence) for trie in tries]
    unknown = np.column_stack([unknown for _, unknown, _ in columns])
    log_prob = np.column_stack([log_prob for _, _, log_prob in columns])
    log_prob = np.where(unknown, -np.inf, log_prob)[~unknown.all(axis=1)]
    if not len(log_prob):
        raise UserError(
            "The text to tune the weights on has no word that a model knows; give another."
        )
    highest = log_prob.max(axis=1, keepdims=True)
    likelihood = np.exp(log_prob - highest)
    weights = np.full(len(models), 1.0 / len(models))
    last = -np.inf
    for _ in range(MAX_ITERATIONS):
        joint = likelihood * weights
        total = joint.sum(axis=1, keepdims=True)
        mean = float(np.log(total).mean())
        if mean - last < LEAST_GAIN:
            break
        last = mean
        weights = (joint / total).mean(axis=0)
    return tuple((weights / weights.sum()).tolist())


def _both(model: NGrams | NGramTrie) -> tuple[NGrams, NGramTrie]:
    if isinstance(model, NGramTrie):
        return model.to_ngrams(), model
    return model, NGramTrie.from_ngrams(model)


def _shares(models: Sequence[NGrams | NGramTrie], weights: Sequence[float]) -> NDArray[np.float64]:
    """Check the weights and scale them to the sum 1."""
    if not models or len(models) != len(weights):
        raise UserError(
            f"There are {len(models)} language models and {len(weights)} weights; "
            "give one weight for each."
        )
    if len({model.unit for model in models}) > 1:
        raise UserError("Language models of words and of characters cannot be mixed.")
    shares = np.array(weights, np.float64)
    if not np.isfinite(shares).all() or np.any(shares < 0) or not shares.sum() > 0:
        raise UserError(
            "The weights must be numbers of at least 0 and not all 0, not "
            f"{', '.join(map(str, weights))}."
        )
    return shares / shares.sum()


def _common_words(models: Sequence[NGrams | NGramTrie]) -> tuple[str, ...]:
    union = set().union(*(model.words for model in models))
    return (*_SPECIALS, *sorted(union.difference(_SPECIALS)))
