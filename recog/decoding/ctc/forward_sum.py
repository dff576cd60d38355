"""Forward sum: a labelling's log-probability over all alignments (Graves et al. 2006)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.decoding.validation import Floats, as_labels, as_log_probs

FAINT = 1e-200  # a plain sum above this has lost nothing to float64's smallest numbers


class _Semiring(NamedTuple):
    """The operations and constants of a sum over alignments."""

    plus: Callable[..., Any]
    times: Callable[..., Any]
    zero: float
    one: float


PLAIN = _Semiring(np.add, np.multiply, 0.0, 1.0)  # several times faster
LOGARITHMIC = _Semiring(np.logaddexp, np.add, -np.inf, 0.0)  # never underflows


def log_prob_of(log_probs: Any, labels: Sequence[int]) -> float:
    """Return the natural log of a labelling's probability, summed over alignments in float64.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.
        labels: symbol indices, without blanks; may be empty.

    Returns:
        ``-inf`` where no alignment fits: there are fewer frames than labels plus blanks between
        equal neighbours, or every alignment uses an impossible symbol. 0 for no frames and no
        labels.

    Raises:
        InvalidInputError: see :func:`recog.decoding.validation.as_log_probs` and
            :func:`~recog.decoding.validation.as_labels`.
    """
    return ForwardSums(log_probs)(labels)


class ForwardSums:
    """:func:`log_prob_of` for many labellings of the same frames.

    Args:
        log_probs: (time, symbols), as for :func:`log_prob_of`.
    """

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
        parents = np.maximum(nodes[:-1] - 1, 0)
        total = float(trellis.forward(probs, parents, chain, nodes, count, -np.inf)[count])
        if total > trellis.CERTAIN:
            return total + log_scale
        window = (0, len(self._log_probs))
        return float(_sums(self._log_probs, [window], [indices.tolist()], LOGARITHMIC)[0])


def forward_sums(
    log_probs: Floats, windows: Sequence[tuple[int, int]], labellings: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """:func:`log_prob_of` for many short windows at once, in NumPy without compiled kernels.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0.
        windows: the first frame of each window, and one past its last.
        labellings: the symbol indices for each window, without blanks.

    Returns:
        (windows,) natural log; -inf where no alignment fits.
    """
    best = log_probs.max(axis=1, initial=-np.inf).astype(np.float64)
    best[~np.isfinite(best)] = 0.0
    plain = _sums(np.exp(log_probs - best[:, None]), windows, labellings, PLAIN)
    passed = np.concatenate(([0.0], np.cumsum(best)))
    with np.errstate(divide="ignore"):
        sums = np.log(plain) + [passed[after] - passed[first] for first, after in windows]
    faint = np.flatnonzero(plain < FAINT).tolist()
    if faint:
        sums[faint] = _sums(
            log_probs, [windows[k] for k in faint], [labellings[k] for k in faint], LOGARITHMIC
        )
    return sums


def _sums(
    weights: NDArray[Any],
    windows: Sequence[tuple[int, int]],
    labellings: Sequence[Sequence[int]],
    semiring: _Semiring,
) -> NDArray[np.float64]:
    """Compute :func:`forward_sums` of weights (time, symbols) in a semiring."""
    plus, times, zero, one = semiring
    lengths = np.array([after - first for first, after in windows], np.int64)
    # longest first: unfinished windows are always the first rows
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    firsts = np.array([first for first, _ in windows], np.int64)[order]
    sizes = np.array([len(labels) for labels in labellings], np.int64)[order]
    # blank, label, blank, ..., blank
    states = np.zeros((len(order), 2 * int(sizes.max(initial=0)) + 1), np.int64)
    for row, k in enumerate(order):
        states[row, 1 : 2 * len(labellings[k]) : 2] = labellings[k]
    barred = (states[:, 2:] == 0) | (states[:, 2:] == states[:, :-2])
    alpha = np.full(states.shape, zero)
    alpha[:, 0] = one
    going = len(order) - np.searchsorted(
        lengths[::-1], np.arange(int(lengths.max(initial=0))), side="right"
    )
    for t, n in enumerate(going.tolist()):
        now = alpha[:n]
        skipped = now[:, :-2].copy()
        skipped[barred[:n]] = zero
        entered = now.copy()
        plus(now[:, 1:], now[:, :-1], out=entered[:, 1:])
        plus(entered[:, 2:], skipped, out=entered[:, 2:])
        times(entered, weights[(firsts[:n] + t)[:, None], states[:n]], out=now)
    rows = np.arange(len(order))
    ends_in_label = np.where(sizes > 0, alpha[rows, np.maximum(2 * sizes - 1, 0)], zero)
    sums = np.empty(len(order))
    sums[order] = plus(alpha[rows, 2 * sizes], ends_in_label)
    return sums
