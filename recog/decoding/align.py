"""Where a known text lies in the log-probabilities: the Viterbi alignment, by symbol and by word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recog.decoding.checks import InvalidInputError, as_labels, as_log_probs

MAX_CELLS = 2**32  # bytes of back-pointers; longer recordings are aligned piece by piece


@dataclass(frozen=True)
class Alignment:
    """The most probable path through the frames for some labels.

    Attributes:
        labels: the symbol indices that were aligned.
        starts: for each, the first frame in which the path emits it.
        ends: for each, one past the last; frames between a label's end and the next one's start are blanks.
        scores: for each, the mean log-probability of its frames.
        log_prob: of the whole path, blanks included.
    """

    labels: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    scores: tuple[float, ...]
    log_prob: float


@dataclass(frozen=True)
class WordSpan:
    """A word in the frames: ``start`` the first, ``end`` one past the last.

    ``confidence`` is e to the mean log-probability of the frames in which the path emits the word's symbols: 0 to 1,
    and not calibrated.
    """

    word: str
    start: int
    end: int
    confidence: float


def viterbi(log_probs: Any, labels: Sequence[int]) -> Alignment:
    """Align labels to frames.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a tensor.
        labels: symbol indices, without blanks; may be empty.

    Raises:
        InvalidInputError: no alignment fits, the recording is too long for one piece (time * labels over 4 GB), or
            see :func:`recog.decoding.checks.as_log_probs` and :func:`~recog.decoding.checks.as_labels`.
    """
    array = as_log_probs(log_probs)
    indices = as_labels(labels, array.shape[1])
    frames, count = len(array), len(indices)
    needed = count + int((indices[1:] == indices[:-1]).sum())
    if frames < needed:
        raise InvalidInputError(
            f"{count} labels need {needed} frames, with a blank between equal ones; there are {frames}."
        )
    if frames * (count + 1) > MAX_CELLS:
        raise InvalidInputError(
            f"{frames} frames and {count} labels are too many to align at once; align shorter pieces."
        )
    if count == 0:
        return Alignment((), (), (), (), float(array[:, 0].sum(dtype=np.float64)))
    from recog.decoding import trellis

    starts, ends = np.zeros(count, np.int32), np.zeros(count, np.int32)
    log_prob = float(trellis.viterbi_path(array, indices, starts, ends))
    if log_prob == -math.inf:
        raise InvalidInputError("Every alignment of the labels uses a symbol whose log-probability is -inf.")
    scores = [float(array[s:e, k].mean(dtype=np.float64)) for k, s, e in zip(indices, starts, ends, strict=True)]
    return Alignment(tuple(indices.tolist()), tuple(starts.tolist()), tuple(ends.tolist()), tuple(scores), log_prob)


def words(alignment: Alignment, symbols: Sequence[str], *, space: str = " ") -> list[WordSpan]:
    """Group an alignment's symbols into words.

    Args:
        symbols: the strings of all indices, the blank's first.
        space: the symbol between words; it belongs to none.

    Returns:
        The words in order; none is empty, however many spaces follow one another.
    """
    spans: list[WordSpan] = []
    word: list[int] = []  # positions in the alignment
    for position, label in enumerate(alignment.labels):
        if symbols[label] != space:
            word.append(position)
        elif word:
            spans.append(_span(alignment, symbols, word))
            word = []
    if word:
        spans.append(_span(alignment, symbols, word))
    return spans


def _span(alignment: Alignment, symbols: Sequence[str], positions: list[int]) -> WordSpan:
    lengths = [alignment.ends[k] - alignment.starts[k] for k in positions]
    log_prob = sum(n * alignment.scores[k] for n, k in zip(lengths, positions, strict=True)) / sum(lengths)
    return WordSpan(
        word="".join(symbols[alignment.labels[k]] for k in positions),
        start=alignment.starts[positions[0]],
        end=alignment.ends[positions[-1]],
        confidence=min(1.0, math.exp(log_prob)),
    )
