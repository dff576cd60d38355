"""Viterbi alignment: the most probable frames for the symbols of a known text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recog.decoding.validation import Floats, InvalidInputError, as_labels, as_log_probs

# bytes of back-pointers; recog.decoding.ctc.long_alignment aligns longer recordings in pieces
MAX_CELLS = 2**32


@dataclass(frozen=True)
class Alignment:
    """The most probable path through the frames for given labels.

    Attributes:
        labels: symbol indices.
        starts: the first frame of each label.
        ends: one past the last frame of each label. The frames up to the next start are blanks.
        scores: the mean log-probability of each label's frames.
        log_prob: log-probability of the whole path, blanks included.
    """

    labels: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    scores: tuple[float, ...]
    log_prob: float


def viterbi(log_probs: Any, labels: Sequence[int]) -> Alignment:
    """Align labels to frames.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.
        labels: symbol indices, without blanks; may be empty.

    Raises:
        InvalidInputError: no alignment fits, time * labels exceeds 4 GB, or see
            :func:`recog.decoding.validation.as_log_probs` and
            :func:`~recog.decoding.validation.as_labels`.
    """
    array = as_log_probs(log_probs)
    indices = as_labels(labels, array.shape[1])
    frames, count = len(array), len(indices)
    needed = count + int((indices[1:] == indices[:-1]).sum())
    if frames < needed:
        raise InvalidInputError(
            f"{count} labels need {needed} frames, with a blank between equal ones; "
            f"there are {frames}."
        )
    if frames * (count + 1) > MAX_CELLS:
        raise InvalidInputError(
            f"{frames} frames and {count} labels are too many to align at once; "
            "align shorter pieces."
        )
    if count == 0:
        return Alignment((), (), (), (), float(array[:, 0].sum(dtype=np.float64)))
    from recog.decoding.ctc import trellis

    starts, ends = np.zeros(count, np.int32), np.zeros(count, np.int32)
    log_prob = float(trellis.viterbi_path(array, indices, starts, ends))
    if log_prob == -math.inf:
        raise InvalidInputError(
            "Every alignment of the labels uses a symbol whose log-probability is -inf."
        )
    scores = _means(array, indices, starts, ends)
    return Alignment(
        tuple(indices.tolist()), tuple(starts.tolist()), tuple(ends.tolist()), scores, log_prob
    )


def _means(log_probs: Floats, labels: Any, starts: Any, ends: Any) -> tuple[float, ...]:
    """Return the mean log-probability of each label's frames; every label has at least one."""
    labels, starts = np.asarray(labels), np.asarray(starts)
    lengths = np.asarray(ends) - starts
    if not len(labels):
        return ()
    first = np.cumsum(lengths) - lengths  # index of each label's first value
    frames = np.arange(int(lengths.sum())) + np.repeat(starts - first, lengths)
    values = log_probs[frames, np.repeat(labels, lengths)].astype(np.float64)
    return tuple((np.add.reduceat(values, first) / lengths).tolist())


def align_best_path(log_probs: Floats, tokens: Sequence[int]) -> Alignment | None:
    """Return the alignment of the best path's labels, which is the best path itself.

    Needs no compiled kernel. Returns None where ``tokens`` are not the best path's labels.
    """
    path = log_probs.argmax(axis=1)
    first = np.append(0, np.flatnonzero(np.diff(path)) + 1)[: len(path)]
    written = path[first] != 0
    starts, ends = first[written], np.append(first[1:], len(path))[: len(first)][written]
    labels = path[starts]
    if tuple(tokens) != tuple(labels.tolist()):
        return None
    log_prob = float(log_probs.max(axis=1, initial=-np.inf).sum(dtype=np.float64))
    scores = _means(log_probs, labels, starts, ends)
    return Alignment(
        tuple(labels.tolist()), tuple(starts.tolist()), tuple(ends.tolist()), scores, log_prob
    )
