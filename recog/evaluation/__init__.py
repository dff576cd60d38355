"""Word and character error rates with bootstrap intervals.

``read_pairs`` matches references and hypotheses, and ``evaluate`` scores them. ``compare`` compares
two systems, and :mod:`recog.evaluation.reports.terminal` prints the results.
"""

from __future__ import annotations

from recog.evaluation.comparison import Comparison, Difference, compare
from recog.evaluation.counts import Counts, Pair
from recog.evaluation.inputs.normalisation import Normalisation, normalisation
from recog.evaluation.inputs.pairs import read_pairs
from recog.evaluation.result import Confusion, GroupScore, Result
from recog.evaluation.score import evaluate

__all__ = [
    "Comparison",
    "Confusion",
    "Counts",
    "Difference",
    "GroupScore",
    "Normalisation",
    "Pair",
    "Result",
    "compare",
    "evaluate",
    "normalisation",
    "read_pairs",
]
