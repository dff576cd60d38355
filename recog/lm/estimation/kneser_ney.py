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
_SMALLEST = 1e-7  # of a back-off factor: a discount of exactly 0 would make it none


@dataclass(frozen=True)
class CountedNGrams(NGrams):
    """A model with how often its n-grams stood in the text it comes from, which entropy pruning
    needs.

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
    """Estimate a model from text, one sentence a line; blank lines are passed over.

    Args:
        lines: the text, read once; :func:`recog.lm.text.tokens` says what a token is.
        order: the longest n-gram, 1 to 16.
        cutoffs: by order, n-grams that occur at most this often are left out, as with lmplz's
            ``--prune``: 0 for unigrams, never falling; the last holds for all higher orders. Empty:
            every n-gram stays.
        vocabulary: this many of the most frequent words, or these words; all others count as
            ``<unk>``.
        memory: bytes for counts; what is more goes to temporary files. The vocabulary and the model
            are not bounded.
        workdir: where those files go; the system's folder for temporary files by default.

    Raises:
        UserError: options outside these ranges, a text without words, no room for temporary files.
    """
    cutoffs = _all_cutoffs(cutoffs, order)
    workspace = Workspace(memory, workdir)
    counts = count_ngrams(lines, workspace, unit=unit, order=order, vocabulary=vocabulary)
    return smooth(counts, workspace, cutoffs=cutoffs)


def smooth(counts: Counts, workspace: Workspace, *, cutoffs: Sequence[int] = ()) -> CountedNGrams:
    """The smoothed model of counts.

    P(w | h) = (c(h w) - D(c(h w))) / c(h .) + gamma(h) P(w | h'), c the adjusted counts, h' the
    context h without its oldest word; the empty context's is the uniform distribution over the
    vocabulary without ``<s>`` but with ``<unk>``.
    """
    order, size = len(counts.levels), len(counts.words)
    cutoffs = _all_cutoffs(cutoffs, order)
    suffixes = _suffixes(counts, workspace)
    lower = np.full(1, 1.0 / (size - 1))  # level 0: one empty n-gram
    levels: list[Level] = []
    kept_counts: list[NDArray[np.int64]] = []
    ids = np.zeros((1, 0), np.int32)
    rows_below = np.zeros(1, np.int64)
    for n, level in enumerate(counts.levels, 1):
        rows = _kept(level, cutoffs[n - 1], workspace) if n > 1 else np.arange(size)
        if not len(
            rows
            # every line is shorter than the order, or all was cut off: no n-gram of a higher order
            # either
        ):
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
        kept_counts.append(np.array(level.counts[rows]))
        lower, rows_below = smoothed, rows
    return CountedNGrams(counts.unit, counts.words, tuple(levels), tuple(kept_counts))


def _all_cutoffs(cutoffs: Sequence[int], order: int) -> tuple[int, ...]:
    given = tuple(cutoffs) or (0,)
    if given[0] != 0:
        raise UserError(
            "The cut-off of unigrams is 0; to leave out rare words, limit the vocabulary."
        )
    if len(given) > max(order, 1) or any(a > b for a, b in itertools.pairwise(given)):
        raise UserError(
            f"Cut-offs are at most one for each of {order} orders and never fall, not {given}."
        )
    return given + (given[-1],) * (order - len(given))


def _suffixes(counts: Counts, workspace: Workspace) -> list[NDArray[np.int64]]:
    """For each n-gram the row of its last n-1 words one level below."""
    size = len(counts.words)
    found: list[NDArray[np.int64]] = [np.zeros(size, np.int64)]
    for below, level in zip(counts.levels, counts.levels[1:], strict=False):
        rows = workspace.empty(len(level), np.int64)
        for part in workspace.blocks(len(level)):
            contexts, words = np.divmod(level.keys[part], size)
            rows[part] = np.searchsorted(below.keys, found[-1][contexts] * size + words)
        found.append(rows)
    return found


def _adjusted(
    counts: Counts, n: int, suffixes: list[NDArray[np.int64]], workspace: Workspace
) -> NDArray[np.int64]:
    """How many different words stand before an n-gram; how often it occurs where none can: the
    highest order, <s> ..."""
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
    """The rows of the n-grams that begin with <s>: they stand together, as rows are sorted."""
    low, high = BEGIN_ID, BEGIN_ID + 1
    for level in counts.levels[1:n]:
        low, high = (
            int(np.searchsorted(level.keys, row * len(counts.words))) for row in (low, high)
        )
    return low, high


def _discounts(adjusted: NDArray[np.int64], n: int, workspace: Workspace) -> NDArray[np.float64]:
    """(4,) what is taken from adjusted counts of 0, 1, 2, and 3 or more (Chen and Goodman 1998,
    equation 26).

    lmplz takes the unadjusted count of one n-gram of each lower order into its statistics, the last
    one in its order: a slip that shows only where there are few n-grams, as with characters, and is
    not followed here.
    """
    of_count = np.zeros(6)
    for part in workspace.blocks(len(adjusted)):
        of_count += np.bincount(np.minimum(adjusted[part], 5), minlength=6)
    if of_count[1:4].all():
        y = of_count[1] / (of_count[1] + 2 * of_count[2])
        k = np.arange(1, 4)
        discounts = k - (k + 1) * y * of_count[2:5] / of_count[1:4]
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
    """The probabilities of a level's n-grams, and the interpolation weight of each context (1 for a
    context of none)."""
    total = workspace.zeros(len(lower), np.float64)
    freed = workspace.zeros(len(lower), np.float64)
    for part in workspace.blocks(len(level)):
        contexts, count = level.keys[part] // size, adjusted[part]
        kept = np.where(level.counts[part] > cutoff, count, 0)
        here = slice(contexts[0], contexts[-1] + 1)  # rows are sorted by context
        total[here] += np.bincount(contexts - here.start, count)
        # What is cut off counts in full towards the lower order; without that the factors would
        # exceed 1 (lmplz)
        freed[here] += np.bincount(
            contexts - here.start, discounts[np.minimum(kept, 3)] + count - kept
        )
    gamma = workspace.empty(len(lower), np.float64)
    smoothed = workspace.empty(len(level), np.float64)
    for part in workspace.blocks(len(lower)):
        some = total[part] > 0
        gamma[part] = np.where(some, freed[part], 1.0) / np.where(some, total[part], 1.0)
    for part in workspace.blocks(len(level)):
        contexts = level.keys[part] // size
        kept = np.where(level.counts[part] > cutoff, adjusted[part], 0)
        own = (kept - discounts[np.minimum(kept, 3)]) / np.maximum(total[contexts], 1.0)
        smoothed[part] = own + gamma[contexts] * lower[suffixes[part]]
    return smoothed, gamma


def _kept(level: LevelCounts, cutoff: int, workspace: Workspace) -> NDArray[np.int64]:
    parts = [
        part.start + np.flatnonzero(level.counts[part] > cutoff)
        for part in workspace.blocks(len(level))
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])
