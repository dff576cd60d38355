"""The decoder as others see it: options in, hypotheses out. The work is done in :mod:`recog.decoding.beam`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from recog.decoding.checks import Floats, InvalidInputError, as_array, as_log_probs

MAX_BEAM = 1_000_000


@dataclass(frozen=True)
class Hypothesis:
    """One reading of an utterance.

    Attributes:
        text: the tokens' symbols, joined.
        score: what the N-best is ordered by, higher is better; without a language model the same as ``log_prob``.
        log_prob: natural log of the labelling's probability, summed over all its alignments (float64).
        tokens: symbol indices, without blanks.
        timesteps: for each token the frame at which it starts on the most probable alignment; rising.
    """

    text: str
    score: float
    log_prob: float
    tokens: tuple[int, ...]
    timesteps: tuple[int, ...]


class Decoder:
    """CTC prefix beam search (Hannun et al. 2014).

    After each frame the ``beam_width`` prefixes with the most probability over all their alignments are kept. The best
    path's labelling always joins the final candidates, and candidates are compared by their exact sums: at any width
    the first hypothesis is at least as probable as best path's.

    Args:
        symbols: the strings of indices 0 to n - 1. Index 0 is the blank, whatever its string; the others may be of any
            length.
        beam_width: prefixes kept, from 1.
        n_best: hypotheses returned for an utterance at most, 1 to ``beam_width``.
        threads: utterances decoded at once; None takes one for each CPU this process may use.
        beam_size_token: extend prefixes only by this many of a frame's most probable symbols, the blank counted; None
            does not limit them.
        cutoff_prob: extend prefixes only by a frame's most probable symbols that together reach this probability; None
            or 1 does not limit them.
        beam_threshold: drop prefixes whose log-probability lies more than this below the best's; None drops none.

    Raises:
        InvalidInputError: an option out of range.

    Example:
        >>> decoder = Decoder(["", "a", "b"], beam_width=10)
        >>> [[best]] = decoder.decode([np.log([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])])
        >>> best.text, best.timesteps
        ('ab', (0, 2))
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        beam_width: int = 25,
        n_best: int = 1,
        threads: int | None = None,
        beam_size_token: int | None = None,
        cutoff_prob: float | None = None,
        beam_threshold: float | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        if not self.symbols or not all(isinstance(symbol, str) for symbol in self.symbols):
            raise InvalidInputError("symbols must be strings, the blank's first.")
        self.beam_width = _whole("beam_width", beam_width, MAX_BEAM)
        self.n_best = _whole("n_best", n_best, self.beam_width, " (beam_width)")
        self.threads = _cpus() if threads is None else _whole("threads", threads, 1024)
        n = len(self.symbols)
        self._tokens = n if beam_size_token is None else min(_whole("beam_size_token", beam_size_token, 2**31), n)
        self._cutoff = 1.0 if cutoff_prob is None else float(cutoff_prob)
        if not 0.0 < self._cutoff <= 1.0:
            raise InvalidInputError(f"cutoff_prob is {cutoff_prob}; it must lie above 0 and at most at 1.")
        threshold = math.inf if beam_threshold is None else float(beam_threshold)
        if not threshold >= 0.0:
            raise InvalidInputError(f"beam_threshold is {beam_threshold}; it must be at least 0.")
        self._ratio = math.exp(-threshold)

    def decode(self, log_probs: Any, lengths: Any = None) -> list[list[Hypothesis]]:
        """Decode a batch; the result for an utterance does not depend on the others.

        Args:
            log_probs: (batch, time, symbols), or a sequence of (time, symbols); natural log, NumPy arrays or torch
                tensors, computed in float64 from float32 values.
            lengths: (batch,) frames of each utterance; the rest is padding, whatever it holds. None takes all.

        Returns:
            For each utterance its hypotheses, best first: at most ``n_best``, at least one, no two of the same tokens.
            No frames give one empty hypothesis of log-probability 0.

        Raises:
            InvalidInputError: wrong shapes, lengths out of range, NaN, ``+inf``, positive entries, or a frame with no
                possible symbol.
        """
        utterances = self._utterances(log_probs, lengths)
        if not utterances:
            return []
        from recog.decoding import (
            search as kernels,
        )  # compiles at the first use ever; a plain best path never waits for it

        def search(utterance: Floats) -> list[Hypothesis]:
            if len(utterance) == 0:
                return [Hypothesis("", 0.0, 0.0, (), ())]
            found = kernels.search(utterance, self.beam_width, self.n_best, self._tokens, self._cutoff, self._ratio)
            return [self._hypothesis(*row) for row in zip(*found, strict=True)]

        threads = min(self.threads, len(utterances))
        if threads == 1:
            return [search(utterance) for utterance in utterances]
        with ThreadPoolExecutor(threads) as pool:  # the kernels leave the GIL
            return list(pool.map(search, utterances))

    def _hypothesis(self, labels: Any, starts: Any, length: int, log_prob: float) -> Hypothesis:
        tokens = tuple(labels[:length].tolist())
        text = "".join([self.symbols[token] for token in tokens])
        return Hypothesis(text, float(log_prob), float(log_prob), tokens, tuple(starts[:length].tolist()))

    def _utterances(self, log_probs: Any, lengths: Any) -> list[Floats]:
        if isinstance(log_probs, (list, tuple)):
            items = [as_array(item) for item in log_probs]
        else:
            batch = as_array(log_probs)
            if batch.ndim != 3:
                raise InvalidInputError(
                    f"log_probs has shape {batch.shape}, where (batch, time, symbols) is expected, "
                    "or a list of (time, symbols)."
                )
            items = list(batch)
        if lengths is not None:
            counts = as_array(lengths)
            if counts.shape != (len(items),) or (counts.size and counts.dtype.kind not in "iu"):
                raise InvalidInputError(f"lengths must be {len(items)} whole numbers, one for each utterance.")
            for i, (item, count) in enumerate(zip(items, counts.tolist(), strict=True)):
                if item.ndim == 2 and not 0 <= count <= len(item):
                    raise InvalidInputError(f"lengths[{i}] is {count}, but utterance {i} has {len(item)} frames.")
                items[i] = item[:count]
        return [as_log_probs(x, symbols=len(self.symbols), name=f"utterance {i}") for i, x in enumerate(items)]


def _whole(name: str, value: int, highest: int, why: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= highest:
        raise InvalidInputError(f"{name} is {value!r}; it must be a whole number from 1 to {highest}{why}.")
    return int(value)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
