"""How probable a known labelling is: the sum over all its alignments (Graves et al. 2006, section
4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recog.decoding.validation import Floats, Ints, as_labels, as_log_probs


def log_prob_of(log_probs: Any, labels: Sequence[int]) -> float:
    """Natural log of the probability of a labelling, summed over all its alignments in float64.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.
        labels: symbol indices, without blanks; may be empty.

    Returns:
        ``-inf`` where no alignment fits: too few frames (labels, and a blank between equal
        neighbours), or every alignment uses an impossible symbol. 0 for no frames and no labels.

    Raises:
        InvalidInputError: see :func:`recog.decoding.validation.as_log_probs` and
            :func:`~recog.decoding.validation.as_labels`.
    """
    return Sums(log_probs)(labels)


class Sums:
    """:func:`log_prob_of` for many labellings of the same frames."""

    def __init__(self, log_probs: Any) -> None:
        self._log_probs = as_log_probs(log_probs)
        self._scaled: tuple[Any, float] | None = None

    def __call__(self, labels: Sequence[int]) -> float:
        indices = as_labels(labels, self._log_probs.shape[1])
        if len(self._log_probs) == 0:
            return 0.0 if len(indices) == 0 else -np.inf
        from recog.decoding.ctc import trellis

        if self._scaled is None:
            self._scaled = trellis.probabilities(self._log_probs)
        probs, log_scale = self._scaled
        count = len(indices)
        nodes = np.arange(count + 2, dtype=np.int64)
        chain = np.concatenate(([0], indices)).astype(np.int64)
        total = float(
            trellis.forward(probs, np.maximum(nodes[:-1] - 1, 0), chain, nodes, count, -np.inf)[
                count
            ]
        )
        return (
            total + log_scale
            if total > trellis.CERTAIN
            else _by_logarithms(self._log_probs, indices)
        )


def _by_logarithms(log_probs: Floats, labels: Ints) -> float:
    """The same sum by log-add over the states blank, label, blank, ..., blank: slow, and nothing is
    too small."""
    states = np.zeros(2 * len(labels) + 1, np.int64)
    states[1::2] = labels
    skips = np.zeros(len(states), bool)
    skips[2:] = (states[2:] != 0) & (states[2:] != states[:-2])
    alpha = np.full(len(states), -np.inf)
    alpha[0] = 0.0
    entered = np.full((3, len(states)), -np.inf)
    for t, frame in enumerate(log_probs.astype(np.float64)):
        entered[0] = alpha
        entered[1, 1:] = alpha[:-1]
        entered[2, 2:] = np.where(skips[2:], alpha[:-2], -np.inf)
        alpha = np.logaddexp.reduce(entered, axis=0) + frame[states]
        if t == 0:
            alpha[2:] = -np.inf
    return float(np.logaddexp.reduce(alpha[-2:]))
