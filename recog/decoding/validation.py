"""Checks of the decoder's inputs, before compiled code uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError

MAX_BOOST = 50.0  # natural log: e**50 outweighs any acoustics
# the most that a log-probability may exceed 0: half-precision log-softmax rounds up to 8e-3
POSITIVE_TOLERANCE = 1e-2

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Pruning:
    """Pruning options of the beam search; see :class:`recog.decoding.Decoder`.

    Attributes:
        width: prefixes in the beam.
        tokens: extend prefixes by this many of a frame's most probable symbols.
        cutoff: extend prefixes by the symbols that make up this share of a frame's mass.
        ratio: drop prefixes below this share of the best's mass.
        blank_skip: the most probability that skipping blank frames may lose.
        recombine: of the prefixes that the language model continues alike, let only the best stay.
    """

    width: int
    tokens: int
    cutoff: float
    ratio: float
    blank_skip: float = 0.0
    recombine: bool = False


class InvalidInputError(UserError, ValueError):
    """Log-probabilities, labels or options that cannot be used; also a ``ValueError``."""


def as_array(values: Any) -> NDArray[Any]:
    """Convert an array, a nested sequence or a torch tensor to NumPy, without importing torch."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if "float" in str(values.dtype):
            values = values.float()  # NumPy knows no bfloat16
        values = values.numpy()
    return np.asarray(values)


def as_log_probs(values: Any, *, symbols: int | None = None, name: str = "log_probs") -> Floats:
    """Check one utterance's log-probabilities.

    Args:
        values: (time, symbols), natural log, finite or ``-inf``, at most 0 (up to rounding), the
            blank at index 0.
        symbols: the required number of symbols; None for any number from 1.
        name: the name for errors.

    Returns:
        (time, symbols) float32, C-contiguous; not copied if it already is.

    Raises:
        InvalidInputError: wrong shape or type, NaN, ``+inf``, positive entries, or a frame with no
            possible symbol.
    """
    array = as_array(values)
    if array.ndim != 2:
        raise InvalidInputError(
            f"{name} has shape {array.shape}, where (time, symbols) is expected."
        )
    if array.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"{name} holds {array.dtype} values, where natural log-probabilities are expected."
        )
    if symbols is not None and array.shape[1] != symbols:
        raise InvalidInputError(
            f"{name} has {array.shape[1]} symbols a frame, but there are {symbols} symbols."
        )
    if array.shape[1] == 0:
        raise InvalidInputError(f"{name} has no symbols, not even the blank.")
    with np.errstate(over="ignore"):  # values below float32's range become -inf
        # kernels take no mapped or read-only arrays
        array = np.require(array, np.float32, ["C", "A", "W"])
    _check_values(array, name)
    return array


def _check_values(array: Floats, name: str) -> None:
    best = array.max(axis=1)  # NaN and +inf propagate, so a single pass finds everything
    if len(best) == 0:
        return
    highest = best.max()
    if np.isnan(highest):
        frame = int(np.flatnonzero(np.isnan(best))[0])
        raise InvalidInputError(f"{name} has NaN at frame {frame}.")
    if highest > POSITIVE_TOLERANCE:
        frame = int(best.argmax())
        raise InvalidInputError(
            f"{name} has {highest:g} at frame {frame}: natural log-probabilities are at most 0; "
            "apply log_softmax to scores, or log to probabilities."
        )
    if best.min() == -np.inf:
        frame = int(np.flatnonzero(best == -np.inf)[0])
        raise InvalidInputError(f"{name} is -inf for every symbol at frame {frame}.")


def as_labels(labels: Sequence[int], symbols: int) -> Ints:
    """Check a labelling: indices 1 to ``symbols - 1``, without the blank.

    Returns:
        (labels,) int32.

    Raises:
        InvalidInputError: an index is the blank, out of range, or not an integer.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InvalidInputError("labels must be a flat sequence of symbol indices.")
    if array.size and (array.min() < 1 or array.max() >= symbols):
        wrong = array[(array < 1) | (array >= symbols)][0]
        raise InvalidInputError(
            f"label {wrong} is not among the indices 1 to {symbols - 1} (0 is the blank)."
        )
    return array.astype(np.int32)


def as_boosts(
    hotwords: Iterable[str] | Mapping[str, float] | None, boost: float
) -> dict[str, float]:
    """Check hotwords and return their boosts; those of a plain list get ``boost``.

    Raises:
        InvalidInputError: a hotword is not a string, or a boost is out of range.
    """
    if hotwords is None:
        return {}
    if isinstance(hotwords, str) or not isinstance(hotwords, Iterable):
        raise InvalidInputError(
            "hotwords must be a list of words and phrases, or phrases and their boosts."
        )
    phrases = list(hotwords)
    if not all(isinstance(phrase, str) for phrase in phrases):
        raise InvalidInputError("hotwords must be words and phrases.")
    boosts = hotwords if isinstance(hotwords, Mapping) else dict.fromkeys(phrases, boost)
    return {
        phrase: real(f"the boost of '{phrase}'", value, 0.0, MAX_BOOST)
        for phrase, value in boosts.items()
    }


def real(name: str, value: float, lowest: float, highest: float = 100.0) -> float:
    """Check a number.

    Raises:
        InvalidInputError: it is not a number, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InvalidInputError(f"{name} is {value!r}; it must be a number.")
    if not lowest <= value <= highest:
        raise InvalidInputError(
            f"{name} is {value}; it must lie between {lowest:g} and {highest:g}."
        )
    return float(value)


def whole(name: str, value: int, highest: int, why: str = "", *, lowest: int = 1) -> int:
    """Check a whole number.

    Raises:
        InvalidInputError: it is not a whole number, or out of range.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, np.integer))
        or not lowest <= value <= highest
    ):
        raise InvalidInputError(
            f"{name} is {value!r}; it must be a whole number from {lowest} to {highest}{why}."
        )
    return int(value)
