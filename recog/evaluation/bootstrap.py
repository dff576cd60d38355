"""Bootstrap intervals of error rates.

After Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
ICASSP 2004. Each resample draws as many units as the test set has, with replacement, and computes
the error rate again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 0
MIN_GROUPS = 20  # fewer groups do not show how much groups vary
_BLOCK = 1 << 21  # random draws in memory at a time: 16 MB

Interval = tuple[float, float]


@dataclass(frozen=True)
class Resampling:
    """The units that were resampled.

    Attributes:
        unit: "groups" or "utterances".
        units: the number of units.
        resamples: the number of resamples.
        note: a sentence for people.
    """

    unit: str
    units: int
    resamples: int
    note: str


def choose_units(
    groups: Sequence[str | None], *, resamples: int = RESAMPLES
) -> tuple[NDArray[np.intp], Resampling]:
    """Choose the units to resample: groups, or the items themselves.

    Groups are the units where every item has a group and there are at least 20 groups.

    Args:
        groups: the group of each of n items.

    Returns:
        The unit number of each item, shape (n,), and a description of the units.
    """
    numbers: dict[str, int] = {}
    grouped = [numbers.setdefault(group, len(numbers)) for group in groups if group is not None]
    head = f"95 % intervals from {resamples} bootstrap resamples of"
    if len(grouped) == len(groups) and len(numbers) >= MIN_GROUPS:
        note = f"{head} the {len(numbers)} groups (speakers, writers or documents)."
        return np.array(grouped, dtype=np.intp), Resampling("groups", len(numbers), resamples, note)
    if len(grouped) == len(groups):
        why = f"there are only {len(numbers)} groups"
    else:
        why = "the data names no groups" if not grouped else "not every item has a group"
    note = (
        f"{head} the {len(groups)} utterances or lines, because {why}; "
        "this understates the variation between speakers or hands."
    )
    return np.arange(len(groups), dtype=np.intp), Resampling(
        "utterances", len(groups), resamples, note
    )


def pool(counts: NDArray[np.int64], units: NDArray[np.intp]) -> NDArray[np.int64]:
    """Sum ``counts`` of shape (items, k) over each unit, giving shape (units, k)."""
    pooled = np.zeros((int(units.max(initial=-1)) + 1, counts.shape[1]), dtype=np.int64)
    np.add.at(pooled, units, counts)
    return pooled


def resample(counts: NDArray[np.int64], *, resamples: int = RESAMPLES) -> NDArray[np.int64]:
    """Totals of ``counts`` over resamples of its rows.

    The rows are sorted first and the seed is fixed. The same rows in any order give the same
    totals.

    Args:
        counts: shape (units, k). The k columns, e.g. errors and reference lengths, are drawn
            together.

    Returns:
        Totals of shape (resamples, k).
    """
    columns = np.ascontiguousarray(counts[np.lexsort(counts.T)].T)
    units = columns.shape[1]
    generator = np.random.default_rng(SEED)
    totals = np.empty((resamples, len(columns)), dtype=np.int64)
    step = max(1, _BLOCK // max(units, 1))
    for first in range(0, resamples, step):
        drawn = generator.integers(0, units, size=(min(step, resamples - first), units))
        for column, values in enumerate(columns):
            totals[first : first + step, column] = values[drawn].sum(axis=1)
    return totals


def interval(values: NDArray[np.float64]) -> Interval | None:
    """2.5th and 97.5th percentiles of the finite values, or None without finite values."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def rates(totals: NDArray[np.int64], errors: int, reference: int) -> NDArray[np.float64]:
    """Error rate of each resample, shape (resamples,).

    This is column ``errors`` divided by column ``reference``. It is NaN where a resample has no
    reference.
    """
    length = totals[:, reference].astype(np.float64)
    return np.divide(totals[:, errors], length, out=np.full(len(totals), np.nan), where=length > 0)


def rate_interval(counts: NDArray[np.int64], *, resamples: int = RESAMPLES) -> Interval | None:
    """95 % interval of sum(errors) / sum(reference length).

    Args:
        counts: shape (units, 2): errors and reference length of each unit.

    Returns:
        The interval. None for fewer than two units, which do not vary, and where no resample has
        any reference.
    """
    if len(counts) < 2:
        return None
    return interval(rates(resample(counts, resamples=resamples), 0, 1))
