"""Measure an n-gram model on a text: log-probabilities of lines, and perplexity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.tables import BEGIN, END, UNKNOWN, NGrams
from recog.lm.text import tokens
from recog.lm.trie import LN10, NGramTrie

BATCH = 1 << 20  # tokens scored at once
_UNKNOWN_ID, _BEGIN_ID, _END_ID = range(len((UNKNOWN, BEGIN, END)))


@dataclass(frozen=True)
class LineScore:
    """A model's score of a line.

    Attributes:
        log10: of the line's probability.
        tokens: the number of predicted tokens, ``</s>`` included.
        unknown: the number of tokens that are not in the vocabulary.
        unknown_log10: the unknown tokens' part of ``log10``.
    """

    log10: float
    tokens: int
    unknown: int
    unknown_log10: float


@dataclass(frozen=True)
class Perplexity:
    """A model's perplexity on a text, as KenLM's ``query`` counts it.

    Attributes:
        including_unknown: 10 to the power of minus the mean log10 of all tokens; unknown words have
            the probability of ``<unk>``.
        excluding_unknown: the same for the known tokens alone, with unknown tokens in their
            contexts; NaN without known tokens.
        tokens: the number of predicted tokens, with a ``</s>`` for each line.
        unknown: the number of tokens that are not in the vocabulary.
        log10: of the whole text's probability.
    """

    including_unknown: float
    excluding_unknown: float
    tokens: int
    unknown: int
    log10: float


def perplexity(
    model: NGrams | NGramTrie, lines: Iterable[str], *, sentence: bool = True
) -> Perplexity:
    """Measure a model on a text.

    Args:
        lines: each is scored separately; blank ones are skipped.
        sentence: whether each line is a sentence, from ``<s>`` to ``</s>``.

    Raises:
        UserError: the text has no tokens.
    """
    scores = list(score_lines(model, (line for line in lines if line.strip()), sentence=sentence))
    count, unknown = sum(score.tokens for score in scores), sum(score.unknown for score in scores)
    if not count:
        raise UserError("There is no text to measure the language model on; give one line or more.")
    log10 = sum(score.log10 for score in scores)
    known_log10 = log10 - sum(score.unknown_log10 for score in scores)
    with np.errstate(over="ignore", invalid="ignore"):
        excluding = np.power(10.0, -known_log10 / (count - unknown)) if count > unknown else np.nan
        return Perplexity(
            float(np.power(10.0, -log10 / count)), float(excluding), count, unknown, log10
        )


def score_lines(
    model: NGrams | NGramTrie, lines: Iterable[str], *, sentence: bool = True
) -> Iterator[LineScore]:
    """Score each line separately, as :func:`perplexity` does; a blank one is an empty sentence."""
    trie = model if isinstance(model, NGramTrie) else NGramTrie.from_ngrams(model)
    batch: list[list[str]] = []
    size = 0
    for line in lines:
        batch.append(tokens(line, trie.unit))
        size += len(batch[-1]) + 2
        if size >= BATCH:
            yield from _score_batch(trie, batch, sentence)
            batch, size = [], 0
    if batch:
        yield from _score_batch(trie, batch, sentence)


def _score_batch(
    trie: NGramTrie, batch: Sequence[Sequence[str]], sentence: bool
) -> Iterator[LineScore]:
    line, unknown, log_prob = token_log_probs(trie, batch, sentence=sentence)
    log10 = log_prob / LN10
    columns = (
        np.bincount(line, log10, len(batch)),
        np.bincount(line, minlength=len(batch)),
        np.bincount(line[unknown], minlength=len(batch)),
        np.bincount(line[unknown], log10[unknown], len(batch)),
    )
    for values in zip(*(column.tolist() for column in columns), strict=True):
        yield LineScore(*values)


def token_log_probs(
    trie: NGramTrie, lines: Sequence[Sequence[str]], *, sentence: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return the probability of each token, given the tokens before it in its line.

    Returns:
        (tokens,) the line of each predicted token, (tokens,) whether it is unknown, and (tokens,)
        the natural log of its probability. With ``sentence`` a line's last token is ``</s>``.
    """
    index = trie.index
    ids: list[int] = []
    lengths: list[int] = []
    for line in lines:
        before = len(ids)
        if sentence:
            ids.append(_BEGIN_ID)
        ids += [index.get(token, _UNKNOWN_ID) for token in line]
        if sentence:
            ids.append(_END_ID)
        lengths.append(len(ids) - before)
    flat = np.array(ids, np.int64)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    first = np.diff(owner, prepend=-1) > 0
    log_prob = _log_probs(trie, flat, first)
    predicted = ~first if sentence else np.ones(len(flat), np.bool_)
    return owner[predicted], flat[predicted] == _UNKNOWN_ID, log_prob[predicted]


def _log_probs(
    trie: NGramTrie, ids: NDArray[np.int64], first: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the natural log of each token's probability in its line, (tokens,).

    All tokens are scored at once, with a pass for each order. The n-gram that ends at a token
    extends the shorter n-gram that ends at the token before, if the model lists that.

    Args:
        first: (tokens,) whether a token is the first of its line.
    """
    node = trie.find(np.zeros_like(ids), ids)
    log_prob = trie.log_prob[node].astype(np.float64)
    for _ in range(1, trie.order):
        context = np.concatenate(([-1], node[:-1]))
        context[first] = -1
        node = trie.find(context, ids)
        backoff = np.where(
            context >= 0, trie.backoff[np.where(context < trie.inner, context, 0)], 0.0
        )
        log_prob = np.where(node >= 0, trie.log_prob[node], log_prob + backoff)
    return log_prob
