"""Times and confidences of words and characters, from the Viterbi alignment of a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recog.decoding.ctc.forward_sum import forward_sums
from recog.decoding.ctc.viterbi import Alignment, align_best_path, viterbi
from recog.decoding.validation import Floats, InvalidInputError, as_log_probs

MAX_SHIFT = 100.0  # frames
EDGE = 25  # frames before the first and after the last symbol that count for a word's confidence


@dataclass(frozen=True)
class CharacterSpan:
    """A character and its time, in frames with fractions."""

    character: str
    start: float
    end: float


@dataclass(frozen=True)
class WordSpan:
    """A word and its time, in frames: whole ones from :func:`words`, else with fractions.

    Attributes:
        word: its characters.
        start, end: in frames.
        confidence: 0 to 1, not calibrated; see the function that made the span.
        characters: the word's characters in order; :func:`words` leaves them out.
    """

    word: str
    start: float
    end: float
    confidence: float
    characters: tuple[CharacterSpan, ...] = ()


@dataclass(frozen=True)
class Timing:
    """Correction from the frames that emit a symbol to the symbol's time.

    A CTC network emits a symbol in a frame or two and blanks for the rest of it. It emits early or
    late by about the same amount everywhere, so that a constant corrects this.

    Attributes:
        offset: frames added to all starts and ends, -100 to 100; fitted on dev against another
            aligner.
        reach: frames that a word's last symbol continues after its last frame, 0 to 100. It ends
            where the next word starts at the latest.

    Raises:
        InvalidInputError: a value out of range.
    """

    offset: float = 0.0
    reach: float = 3.0

    def __post_init__(self) -> None:
        if not -MAX_SHIFT <= self.offset <= MAX_SHIFT or not 0.0 <= self.reach <= MAX_SHIFT:
            raise InvalidInputError(
                f"The timing has offset {self.offset} and reach {self.reach}; they must lie "
                "between -100 and 100 and between 0 and 100 frames."
            )


def words(alignment: Alignment, symbols: Sequence[str], *, space: str = " ") -> list[WordSpan]:
    """Group an alignment's symbols into words.

    Args:
        symbols: the strings of all indices, the blank's first.
        space: the symbol between words; it belongs to no word.

    Returns:
        The words in order, none of them empty. A word's confidence is e to the mean log-probability
        of the frames in which the path emits its symbols.
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


def word_spans(
    log_probs: Any,
    tokens: Sequence[int],
    symbols: Sequence[str],
    *,
    space: str = " ",
    timing: Timing | None = None,
) -> list[WordSpan]:
    """Return the times and confidences of a recognised text's words and characters.

    A symbol lasts from its first frame up to the next symbol's; the last symbol of a word continues
    for ``timing.reach``. The time of a symbol of several characters is split evenly among them.

    A word's confidence is the forward sum over all alignments of its symbols, with the space or
    symbol on either side, to the frames between these: the probability of just this word there. On
    LibriSpeech this separates right words from wrong ones better than any mean, minimum or product
    of the symbols' posteriors, and N-best masses add nothing to it.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.
        tokens: the text's symbol indices, without blanks: ``Hypothesis.tokens``, or the result of
            ``best_path``, which needs no compiled kernel.
        symbols: the strings of all indices, the blank's first. They may have several characters,
            spaces among them.
        space: the character between words; it belongs to no word.
        timing: :class:`Timing` with its defaults unless given.

    Returns:
        The words in order, with starts and ends that never decrease, from 0 to ``time``.

    Raises:
        InvalidInputError: as :func:`viterbi`.
    """
    timing = timing or Timing()
    array = as_log_probs(log_probs, symbols=len(symbols))
    alignment = align_best_path(array, tokens) or viterbi(array, tokens)
    grouped = _group(alignment.labels, symbols, space)
    if not grouped:
        return []
    ends = _symbol_ends(alignment, grouped, timing.reach, len(array))
    confidences = _confidences(array, alignment, grouped)
    return [
        _word_span(word, alignment.starts, ends, confidence, timing.offset, len(array))
        for word, confidence in zip(grouped, confidences, strict=True)
    ]


class _Piece(NamedTuple):
    """A symbol's part in a word: ``text`` starts at ``first`` of its ``length`` characters.

    Spaces in the symbol are not counted.
    """

    position: int  # in the alignment
    text: str
    first: int
    length: int


def _group(labels: Sequence[int], symbols: Sequence[str], space: str) -> list[list[_Piece]]:
    """Return the pieces of each word, in order."""
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


def _symbol_ends(
    alignment: Alignment, grouped: list[list[_Piece]], reach: float, frames: int
) -> dict[int, float]:
    """Return the end of each symbol, by its position in the alignment."""
    # whether the symbol is the last of its last word
    order = {piece.position: piece is word[-1] for word in grouped for piece in word}
    limits = [*(alignment.starts[position] for position in order), frames][1:]
    return {
        position: float(min(alignment.ends[position] + reach, limit) if last else limit)
        for (position, last), limit in zip(order.items(), limits, strict=True)
    }


def _word_span(
    word: list[_Piece],
    starts: Sequence[int],
    ends: dict[int, float],
    confidence: float,
    offset: float,
    frames: int,
) -> WordSpan:
    characters: list[CharacterSpan] = []
    for piece in word:
        begin = starts[piece.position]
        step = (ends[piece.position] - begin) / piece.length
        parts = range(piece.first, piece.first + len(piece.text) + 1)
        edges = [min(max(begin + n * step + offset, 0.0), float(frames)) for n in parts]
        characters += map(CharacterSpan, piece.text, edges, edges[1:])
    text = "".join(piece.text for piece in word)
    return WordSpan(text, characters[0].start, characters[-1].end, confidence, tuple(characters))


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
