"""Where a known text lies in the log-probabilities: the Viterbi alignment, by symbol, by character
and by word."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.decoding.validation import Floats, InvalidInputError, as_labels, as_log_probs

MAX_CELLS = (
    2**32
    # bytes of back-pointers; longer recordings are aligned piece by piece:
    # recog.decoding.ctc.long_alignment
)
MAX_SHIFT = 100.0  # frames
EDGE = 25  # frames before the first symbol and after the last that a word's confidence looks at


@dataclass(frozen=True)
class Alignment:
    """The most probable path through the frames for some labels.

    Attributes:
        labels: the symbol indices that were aligned.
        starts: for each, the first frame in which the path emits it.
        ends: for each, one past the last; frames between a label's end and the next one's start are
            blanks.
        scores: for each, the mean log-probability of its frames.
        log_prob: of the whole path, blanks included.
    """

    labels: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    scores: tuple[float, ...]
    log_prob: float


@dataclass(frozen=True)
class Timing:
    """From the frames that emit a symbol to the time it takes, in frames of the model.

    A CTC network emits a symbol in a frame or two, and blanks for the rest of it; a network trained
    so emits early or late by about as much everywhere, so that one constant makes it good.

    Attributes:
        offset: added to all starts and ends, -100 to 100; fitted on dev against another aligner.
        reach: how long the last symbol of a word goes on after its last frame, 0 to 100; never into
            the next word.

    Raises:
        InvalidInputError: a value out of range.
    """

    offset: float = 0.0
    reach: float = 3.0

    def __post_init__(self) -> None:
        if not -MAX_SHIFT <= self.offset <= MAX_SHIFT or not 0.0 <= self.reach <= MAX_SHIFT:
            raise InvalidInputError(
                f"The timing has offset {self.offset} and reach {self.reach}; they must lie between -100 and 100 and "
                "between 0 and 100 frames."
            )


@dataclass(frozen=True)
class CharacterSpan:
    """A character in the frames: from ``start`` up to ``end``, fractions included."""

    character: str
    start: float
    end: float


@dataclass(frozen=True)
class WordSpan:
    """A word in the frames: from ``start`` up to ``end``; whole frames from :func:`words`, not so
    from :func:`spans_of`.

    ``confidence``, 0 to 1 and not calibrated, is the one that the function which made it describes.
    ``characters`` are the word's characters in order; :func:`words` leaves them out.
    """

    word: str
    start: float
    end: float
    confidence: float
    characters: tuple[CharacterSpan, ...] = ()


def viterbi(log_probs: Any, labels: Sequence[int]) -> Alignment:
    """Align labels to frames.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.
        labels: symbol indices, without blanks; may be empty.

    Raises:
        InvalidInputError: no alignment fits, the recording is too long for one piece (time * labels
            over 4 GB), or see :func:`recog.decoding.validation.as_log_probs` and
            :func:`~recog.decoding.validation.as_labels`.
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
    """Of each label the mean log-probability in its frames, of which it has one or more."""
    labels, starts, lengths = (
        np.asarray(labels),
        np.asarray(starts),
        np.asarray(ends) - np.asarray(starts),
    )
    if not len(labels):
        return ()
    first = np.cumsum(lengths) - lengths  # of each label's values, among all that are gathered
    frames = np.arange(int(lengths.sum())) + np.repeat(starts - first, lengths)
    values = log_probs[frames, np.repeat(labels, lengths)].astype(np.float64)
    return tuple((np.add.reduceat(values, first) / lengths).tolist())


def words(alignment: Alignment, symbols: Sequence[str], *, space: str = " ") -> list[WordSpan]:
    """Group an alignment's symbols into words.

    Args:
        symbols: the strings of all indices, the blank's first.
        space: the symbol between words; it belongs to none.

    Returns:
        The words in order; none is empty, however many spaces follow one another. A word's
        confidence is e to the mean log-probability of the frames in which the path emits its
        symbols.
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
    log_prob = sum(n * alignment.scores[k] for n, k in zip(lengths, positions, strict=True)) / sum(
        lengths
    )
    return WordSpan(
        word="".join(symbols[alignment.labels[k]] for k in positions),
        start=alignment.starts[positions[0]],
        end=alignment.ends[positions[-1]],
        confidence=min(1.0, math.exp(log_prob)),
    )


def spans_of(
    log_probs: Any,
    tokens: Sequence[int],
    symbols: Sequence[str],
    *,
    space: str = " ",
    timing: Timing | None = None,
) -> list[WordSpan]:
    """Where the words and the characters of a recognised text lie, and how sure the network is of
    each word.

    A symbol takes the time from its first frame up to the next symbol's; the last of a word goes on
    for ``timing.reach``. A symbol of several characters is split evenly among them. A word's
    confidence is the forward sum over all alignments of its symbols, with the space or symbol on
    either side, to the frames between these: the probability that just this word stands there (on
    LibriSpeech it tells right words from wrong ones better than any mean, minimum or product of the
    symbols' posteriors, and N-best masses add nothing to it).

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.
        tokens: the text's symbol indices, without blanks: ``Hypothesis.tokens``, or what
            ``best_path`` gives. For the latter, nothing has to be compiled.
        symbols: the strings of all indices, the blank's first; of several characters, or with
            spaces in them, too.
        space: the character between words; it belongs to none.
        timing: see :class:`Timing`; its defaults unless given.

    Returns:
        The words in order, with starts and ends that never decrease, from 0 to ``time``.

    Raises:
        InvalidInputError: as :func:`viterbi`.
    """
    timing = timing or Timing()
    array = as_log_probs(log_probs, symbols=len(symbols))
    alignment = _of_best_path(array, tokens) or viterbi(array, tokens)
    grouped = _group(alignment.labels, symbols, space)
    if not grouped:
        return []
    ends = _extents(alignment, grouped, timing.reach, len(array))
    confidences = _confidences(array, alignment, grouped)
    return [
        _timed(word, alignment.starts, ends, confidence, timing.offset, len(array))
        for word, confidence in zip(grouped, confidences, strict=True)
    ]


class _Piece(NamedTuple):
    """A symbol's part in a word: its characters are those from ``first`` on of the symbol's
    ``length`` that are none of the spaces."""

    position: int  # in the alignment
    text: str
    first: int
    length: int


def _of_best_path(log_probs: Floats, tokens: Sequence[int]) -> Alignment | None:
    """The alignment of the best path's own labels, which is the best path; None for any others."""
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


def _group(labels: Sequence[int], symbols: Sequence[str], space: str) -> list[list[_Piece]]:
    """The words, each its pieces in order."""
    grouped: list[list[_Piece]] = [[]]
    for position, label in enumerate(labels):
        parts = symbols[label].split(space)
        first, length = 0, sum(map(len, parts))
        for k, part in enumerate(parts):
            if k:
                grouped.append([])
            if part:
                grouped[-1].append(_Piece(position, part, first, length))
            first += len(part)
    return [word for word in grouped if word]


def _extents(
    alignment: Alignment, grouped: list[list[_Piece]], reach: float, frames: int
) -> dict[int, float]:
    """Where each symbol of a word ends, by its position."""
    # whether it ends its last word
    order = {piece.position: piece is word[-1] for word in grouped for piece in word}
    limits = [*(alignment.starts[position] for position in order), frames][1:]
    return {
        position: float(min(alignment.ends[position] + reach, limit) if last else limit)
        for (position, last), limit in zip(order.items(), limits, strict=True)
    }


def _timed(
    word: list[_Piece],
    starts: Sequence[int],
    ends: dict[int, float],
    confidence: float,
    offset: float,
    frames: int,
) -> WordSpan:
    characters: list[CharacterSpan] = []
    for piece in word:
        begin, step = (
            starts[piece.position],
            (ends[piece.position] - starts[piece.position]) / piece.length,
        )
        parts = range(piece.first, piece.first + len(piece.text) + 1)
        edges = [min(max(begin + n * step + offset, 0.0), float(frames)) for n in parts]
        characters += map(CharacterSpan, piece.text, edges, edges[1:])
    spelled = "".join(piece.text for piece in word)
    return WordSpan(spelled, characters[0].start, characters[-1].end, confidence, tuple(characters))


def _confidences(
    log_probs: Floats, alignment: Alignment, grouped: list[list[_Piece]]
) -> list[float]:
    windows, labellings = [], []
    last = len(alignment.labels) - 1
    for word in grouped:
        a, b = word[0].position, word[-1].position
        first = alignment.starts[a - 1] if a > 0 else max(0, alignment.starts[a] - EDGE)
        after = alignment.ends[b + 1] if b < last else min(len(log_probs), alignment.ends[b] + EDGE)
        windows.append((first, after))
        labellings.append(alignment.labels[max(0, a - 1) : b + 2])
    return np.exp(np.minimum(0.0, forward_sums(log_probs, windows, labellings))).tolist()


def forward_sums(
    log_probs: Floats, windows: Sequence[tuple[int, int]], labellings: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """:func:`recog.decoding.ctc.forward_sum.log_prob_of` for many short stretches at once, in NumPy
    alone: nothing to compile.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0.
        windows: of each stretch the first frame and one past the last.
        labellings: of each the symbol indices, without blanks.

    Returns:
        (stretches,) natural log; -inf where no alignment fits.
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


class _Semiring(NamedTuple):
    """In what a sum over alignments is made."""

    plus: Callable[..., Any]
    times: Callable[..., Any]
    zero: float
    one: float


PLAIN = _Semiring(np.add, np.multiply, 0.0, 1.0)  # several times faster
LOGARITHMIC = _Semiring(np.logaddexp, np.add, -np.inf, 0.0)  # nothing is too small
FAINT = 1e-200  # a plain sum above has lost nothing to numbers that float64 does not have


def _sums(
    weights: NDArray[Any],
    windows: Sequence[tuple[int, int]],
    labellings: Sequence[Sequence[int]],
    semiring: _Semiring,
) -> NDArray[np.float64]:
    """:func:`forward_sums` of weights (time, symbols) in a semiring."""
    plus, times, zero, one = semiring
    lengths = np.array([after - first for first, after in windows], np.int64)
    # longest first: those still going are always the first ones
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
