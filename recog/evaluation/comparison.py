"""Compare two systems on the same data by a paired bootstrap.

After Bisani and Ney, ICASSP 2004. Both systems are scored on the same resamples. Utterances that
are hard for both systems therefore do not widen the interval of the difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.evaluation.bootstrap import (
    Interval,
    Resampling,
    choose_units,
    interval,
    pool,
    rates,
    resample,
)
from recog.evaluation.counts import error_rate
from recog.evaluation.result import Result, Score, count_array, resampling_json, rounded


@dataclass(frozen=True)
class Difference:
    """Difference in error rate between systems A and B.

    Attributes:
        a, b: the error rates, as fractions.
        difference: b - a. It is negative where B is better, and NaN without any reference.
        interval: 95 % interval of the difference. None for fewer than two units or without any
            reference.
        b_better: share of resamples in which B has strictly fewer errors ("probability of
            improvement"). None in the same cases as ``interval``.
    """

    a: float
    b: float
    difference: float
    interval: Interval | None
    b_better: float | None

    @property
    def significant(self) -> bool:
        """Whether the 95 % interval excludes zero."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    def to_json(self) -> dict[str, Any]:
        """Convert to a dict for :func:`json.dumps`; values that are not finite become null."""
        return {
            "a": rounded(self.a),
            "b": rounded(self.b),
            "difference": rounded(self.difference),
            "interval": None
            if self.interval is None
            else [rounded(bound) for bound in self.interval],
            "b_better": None if self.b_better is None else rounded(self.b_better),
        }


@dataclass(frozen=True)
class Comparison:
    """Differences in word and character error rate, and the units resampled."""

    wer: Difference
    cer: Difference
    resampling: Resampling

    def to_json(self) -> dict[str, Any]:
        """Convert to a dict for :func:`json.dumps`."""
        return {
            "wer": self.wer.to_json(),
            "cer": self.cer.to_json(),
            "bootstrap": resampling_json(self.resampling),
        }


def compare(a: Result, b: Result) -> Comparison:
    """Compare two evaluations of the same references under the same normalisation.

    Raises:
        UserError: the evaluations differ in utterances, references or normalisation.
    """
    if a.normalisation != b.normalisation:
        raise UserError(
            "The two evaluations differ in their normalisation; make them with the same."
        )
    others = {score.id: score for score in b.scores}
    if {score.id for score in a.scores} != others.keys():
        raise UserError(
            "The two evaluations are not of the same utterances; make them from the same "
            "references."
        )
    matched = [others[score.id] for score in a.scores]
    if any(one.reference != other.reference for one, other in zip(a.scores, matched, strict=True)):
        raise UserError("The two evaluations differ in their references; make them from the same.")
    units, resampling = choose_units(
        [score.group for score in a.scores], resamples=a.resampling.resamples
    )
    wer, cer = (
        _difference(a.scores, matched, which, units, resampling.resamples)
        for which in ("wer", "cer")
    )
    return Comparison(wer, cer, resampling)


def _difference(
    a: Sequence[Score], b: Sequence[Score], which: str, units: NDArray[np.intp], resamples: int
) -> Difference:
    counts_a, counts_b = count_array(a, which), count_array(b, which)
    # The reference lengths of A and B differ where a reference has alternates. The order of the
    # columns fixes the resamples: resample() sorts the rows by the last column first.
    columns = np.column_stack([counts_b[:, 1], counts_a, counts_b[:, 0]])
    reference_b, errors_a, reference_a, errors_b = (int(total) for total in columns.sum(axis=0))
    rate_a, rate_b = error_rate(errors_a, reference_a), error_rate(errors_b, reference_b)
    pooled = pool(columns, units)
    if not (reference_a and reference_b) or len(pooled) < 2:
        return Difference(
            rate_a, rate_b, rate_b - rate_a if reference_a and reference_b else math.nan, None, None
        )
    totals = resample(pooled, resamples=resamples)
    differences = rates(totals, 3, 0) - rates(totals, 1, 2)
    b_better = float(np.mean(totals[:, 3] < totals[:, 1]))
    return Difference(rate_a, rate_b, rate_b - rate_a, interval(differences), b_better)
