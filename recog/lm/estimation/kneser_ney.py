"""Interpolated modified Kneser-Ney smoothing, as KenLM's lmplz does it.

Sources: Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling"
(TR-10-98, 1998); Heafield et al., "Scalable Modified Kneser-Ney Language Model Estimation" (ACL
2013).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.estimation.counts import BEGIN_ID, Counts, LevelCounts, count_ngrams
from recog.lm.estimation.workspace import Workspace
from recog.lm.tables import Level, NGrams, Unit

logger = logging.getLogger("recog")

FALLBACK = (0.0, 0.5, 1.0, 1.5)  # lmplz's --discount_fallback
NEVER = -99.0  # log10 of the probability of <s>
_SMALLEST = 1e-7  # back-off factor, where a discount of exactly 0 would make it 0


@dataclass(frozen=True)
class CountedNGrams(NGrams):
    """A model with the counts of its n-grams, which entropy pruning needs.

    Attributes:
        counts: for each level (count,) int64, in the order of its n-grams.
    """

    counts: tuple[NDArray[np.int64], ...]


def estimate(
    lines: Iterable[str],
    *,
    unit: Unit = "word",
    order: int = 3,
    cutoffs: Sequence[int] = (),
    vocabulary: int | Collection[str] | None = None,
    memory: int = 1 << 30,
    workdir: Path | None = None,
) -> CountedNGrams:
    """Estimate a model from text.

    Args:
        lines: sentences, read once; blank lines are skipped. :func:`recog.lm.text.tokens` splits
            them.
        unit: words or characters.
        order: of the longest n-gram, 1 to 16.
        cutoffs: for each order the count up to which n-grams are left out, as in lmplz's
            ``--prune``: 0 for unigrams, never falling. The last holds for all higher orders. Empty
            leaves out none.
        vocabulary: the number of most frequent words, or the words; all others count as ``<unk>``.
        memory: bytes for counts; larger counts go to temporary files. The vocabulary and the model
            are not bounded.
        workdir: the folder for those files; by default the system's temporary folder.

    Raises:
        UserError: options outside these ranges, a text without words, no room for temporary files.
    """
    cutoffs = _all_cutoffs(cutoffs, order)
    workspace = Workspace(memory, workdir)
    counts = count_ngrams(lines, workspace, unit=unit, order=order, vocabulary=vocabulary)
    return smooth(counts, workspace, cutoffs=cutoffs)


def smooth(counts: Counts, workspace: Workspace, *, cutoffs: Sequence[int] = ()) -> CountedNGrams:
    """Return the smoothed model of counts.

    P(w | h) = (c(h w) - D(c(h w))) / c(h .) + gamma(h) P(w | h'), where c are the adjusted counts
    and h' is the context h without its oldest word. Below the empty context lies the uniform
    distribution over the vocabulary, without ``<s>`` but with ``<unk>``.
    """
    order, size = len(counts.levels), len(counts.words)
    cutoffs = _all_cutoffs(cutoffs, order)
    suffixes = _suffixes(counts, workspace)
    lower = np.full(1, 1.0 / (size - 1))  # level 0: the empty n-gram
    levels: list[Level] = []
    remaining_counts: list[NDArray[np.int64]] = []
    ids = np.zeros((1, 0), np.int32)
    rows_below = np.zeros(1, np.int64)
    for n, level in enumerate(counts.levels, 1):
        rows = _above_cutoff(level, cutoffs[n - 1], workspace) if n > 1 else np.arange(size)
        # all lines are shorter than the order, or all n-grams were cut off: so are higher orders
        if not len(rows):
            logger.warning("No %d-gram is left; the model's order is %d.", n, n - 1)
            break
        adjusted = _adjusted(counts, n, suffixes, workspace)
        discounts = _discounts(adjusted, n, workspace)
        smoothed, gamma = _level(
            level, adjusted, discounts, cutoffs[n - 1], lower, suffixes[n - 1], size, workspace
        )
        if levels:
            factors = np.maximum(gamma[rows_below], _SMALLEST)
            levels[-1] = Level(ids, levels[-1].log_prob, np.log10(factors).astype(np.float32))
        contexts = np.searchsorted(rows_below, level.keys[rows] // size)
        ids = np.hstack((ids[contexts], (level.keys[rows] % size).astype(np.int32)[:, None]))
        log_prob = np.log10(np.clip(smoothed[rows], 1e-99, 1.0)).astype(np.float32)
        if n == 1:
            log_prob[BEGIN_ID] = NEVER
        levels.append(Level(ids, log_prob, np.zeros(len(rows), np.float32)))
        remaining_counts.append(np.array(level.counts[rows]))
        lower, rows_below = smoothed, rows
    return CountedNGrams(counts.unit, counts.words, tuple(levels), tuple(remaining_counts))


def _all_cutoffs(cutoffs: Sequence[int], order: int) -> tuple[int, ...]:
    cutoffs = tuple(cutoffs) or (0,)
    if cutoffs[0] != 0:
        raise UserError(
            "The cut-off of unigrams is 0; to leave out rare words, limit the vocabulary."
        )
    if len(cutoffs) > max(order, 1) or any(a > b for a, b in itertools.pairwise(cutoffs)):
        raise UserError(
            f"Cut-offs are at most one for each of {order} orders and never fall, not {cutoffs}."
        )
    return cutoffs + (cutoffs[-1],) * (order - len(cutoffs))


def _suffixes(counts: Counts, workspace: Workspace) -> list[NDArray[np.int64]]:
    """Return for each n-gram the row of its last n-1 words one level below."""
    size = len(counts.words)
    suffixes: list[NDArray[np.int64]] = [np.zeros(size, np.int64)]
    for below, level in zip(counts.levels, counts.levels[1:], strict=False):
        rows = workspace.empty(len(level), np.int64)
        for part in workspace.blocks(len(level)):
            contexts, words = np.divmod(level.keys[part], size)
            rows[part] = np.searchsorted(below.keys, suffixes[-1][contexts] * size + words)
        suffixes.append(rows)
    return suffixes


def _adjusted(
    counts: Counts, n: int, suffixes: list[NDArray[np.int64]], workspace: Workspace
) -> NDArray[np.int64]:
    """Return the adjusted counts: the number of different words that precede each n-gram.

    In the highest order, and for n-grams that begin with <s>, they are the plain counts.
    """
    level = counts.levels[n - 1]
    if n == len(counts.levels):
        adjusted = level.counts if n > 1 else level.counts.copy()
    else:
        adjusted = workspace.zeros(len(level), np.int64)
        for part in workspace.blocks(len(suffixes[n])):
            np.add.at(adjusted, suffixes[n][part], 1)
        low, high = _first_rows(counts, n)
        adjusted[low:high] = level.counts[low:high]
    if n == 1:
        adjusted[BEGIN_ID] = 0  # never predicted
    return adjusted


def _first_rows(counts: Counts, n: int) -> tuple[int, int]:
    """Return the range of the n-grams that begin with <s>, which are consecutive."""
    low, high = BEGIN_ID, BEGIN_ID + 1
    for level in counts.levels[1:n]:
        low, high = (
            int(np.searchsorted(level.keys, row * len(counts.words))) for row in (low, high)
        )
    return low, high


def _discounts(adjusted: NDArray[np.int64], n: int, workspace: Workspace) -> NDArray[np.float64]:
    """Return the discounts of adjusted counts of 0, 1, 2, and 3 or more, (4,).

    See Chen and Goodman 1998, equation 26. lmplz has a slip here that shows only where there are
    few n-grams: for each lower order it counts the last n-gram by its unadjusted count.
    """
    histogram = np.zeros(6)
    for part in workspace.blocks(len(adjusted)):
        histogram += np.bincount(np.minimum(adjusted[part], 5), minlength=6)
    if histogram[1:4].all():
        y = histogram[1] / (histogram[1] + 2 * histogram[2])
        k = np.arange(1, 4)
        discounts = k - (k + 1) * y * histogram[2:5] / histogram[1:4]
        if ((discounts >= 0) & (discounts <= k)).all():
            return np.concatenate(([0.0], discounts))
    logger.warning(
        "The text is too small or too regular for discounts of %d-grams; 0.5, 1 and 1.5 are taken.",
        n,
    )
    return np.array(FALLBACK)


def _level(
    level: LevelCounts,
    adjusted: NDArray[np.int64],
    discounts: NDArray[np.float64],
    cutoff: int,
    lower: NDArray[np.float64],
    suffixes: NDArray[np.int64],
    size: int,
    workspace: Workspace,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probabilities of a level's n-grams, and each context's interpolation weight.

    The weight is 1 for contexts without n-grams.
    """
    total = workspace.zeros(len(lower), np.float64)
    freed = workspace.zeros(len(lower), np.float64)
    for part in workspace.blocks(len(level)):
        contexts, count = level.keys[part] // size, adjusted[part]
        remaining = np.where(level.counts[part] > cutoff, count, 0)
        here = slice(contexts[0], contexts[-1] + 1)  # rows are sorted by context
        total[here] += np.bincount(contexts - here.start, count)
        # all mass of the n-grams cut off goes to the lower order, as in lmplz; without that the
        # factors would exceed 1
        freed[here] += np.bincount(
            contexts - here.start, discounts[np.minimum(remaining, 3)] + count - remaining
        )
    gamma = workspace.empty(len(lower), np.float64)
    smoothed = workspace.empty(len(level), np.float64)
    for part in workspace.blocks(len(lower)):
        used = total[part] > 0
        gamma[part] = np.where(used, freed[part], 1.0) / np.where(used, total[part], 1.0)
    for part in workspace.blocks(len(level)):
        contexts = level.keys[part] // size
        remaining = np.where(level.counts[part] > cutoff, adjusted[part], 0)
        discounted = remaining - discounts[np.minimum(remaining, 3)]
        smoothed[part] = discounted / np.maximum(total[contexts], 1.0)
        smoothed[part] += gamma[contexts] * lower[suffixes[part]]
    return smoothed, gamma


def _above_cutoff(level: LevelCounts, cutoff: int, workspace: Workspace) -> NDArray[np.int64]:
    parts = [
        part.start + np.flatnonzero(level.counts[part] > cutoff)
        for part in workspace.blocks(len(level))
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])
