"""Align a long text with a long recording: anchors from the best path, Viterbi between them.

The text may contain more or less than the recording. Between words stands a gap, a column that
takes any frames (a "star" in CTC segmentation: Kürzinger et al. 2020; Pratap et al. 2023). Text
that matches nowhere is spread evenly over the remaining frames, and marked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.decoding.ctc.viterbi import viterbi
from recog.decoding.validation import Floats

# bytes of back-pointers for a piece: about 13 minutes of speech without an anchor
MAX_CELLS = 2**28
# smaller pieces are not cut further: about 3 minutes of speech, milliseconds to align
FINE_CELLS = 2**24
# equal symbols in a row that make an anchor; shorter runs cut only pieces that are still too large
RUNS = (32, 24, 16, 12, 8)
MARGIN = 4  # symbols at either end of a run that are not cut at: they may match by chance
SPACING = 32  # symbols between two cuts within a run
KNOWN = 6  # equal symbols in a row that are trusted where Viterbi is not possible
GAP_COST = 2.0  # natural log: cost of a gap in a frame that holds a symbol
FLOOR = -50.0  # log-probability, so that no text is impossible

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LongAlignment:
    """The frames of each label.

    Attributes:
        starts, ends: (labels,) first frame, and one past the last; neither ever decreases.
        matched: (labels,) whether the frames decided. Other labels are spread evenly in between.
    """

    starts: Ints
    ends: Ints
    matched: NDArray[np.bool_]


def add_gap_column(log_probs: Floats, columns: Sequence[int], space: int | None) -> Floats:
    """Select the columns that a text needs and append the gap's column.

    Args:
        log_probs: (time, symbols) natural log, the blank at index 0.
        columns: indices to select, 0 the first.
        space: index of the space among the symbols; None where there is none.

    Returns:
        (time, len(columns) + 1). A gap is as probable as the better of blank and space, or
        :data:`GAP_COST` below the best symbol if that is more.
    """
    silence = log_probs[:, 0] if space is None else np.maximum(log_probs[:, 0], log_probs[:, space])
    gap = np.maximum(silence, log_probs.max(axis=1, initial=FLOOR) - np.float32(GAP_COST))
    selected = np.concatenate((log_probs[:, list(columns)], gap[:, None]), axis=1)
    return np.ascontiguousarray(np.clip(selected, FLOOR, 0.0), dtype=np.float32)


def align_long_text(
    log_probs: Floats,
    labels: Sequence[int],
    best_path: Sequence[int],
    best_path_starts: Sequence[int],
    *,
    space: int | None,
    fine_cells: int = FINE_CELLS,
    max_cells: int = MAX_CELLS,
) -> LongAlignment:
    """Align a text of any length.

    Args:
        log_probs: (time, columns) from :func:`add_gap_column`; the last column is the gap.
        labels: the text's columns, without blanks. The gap stands between words, and wherever else
            the recording may contain more.
        best_path: the best path's columns, without blanks; -1 for symbols that the text lacks.
        best_path_starts: the frame in which each of them starts.
        space: the column of the space; None where there is none.
        fine_cells: frames times labels of a piece that needs no more anchors.
        max_cells: frames times labels of the largest piece that Viterbi aligns.

    Raises:
        InvalidInputError: see :func:`recog.decoding.ctc.viterbi.viterbi`.
    """
    text = np.asarray(labels, np.int64)
    expected = text if space is None else np.where(text == log_probs.shape[1] - 1, space, text)
    path, path_starts = np.asarray(best_path, np.int64), np.asarray(best_path_starts, np.int64)
    inputs = _Inputs(log_probs, text, expected, path, path_starts)
    starts, ends = np.zeros(len(text), np.int64), np.zeros(len(text), np.int64)
    matched = np.zeros(len(text), np.bool_)
    whole = _Piece(0, len(log_probs), 0, len(text), 0, len(path))
    for piece in _pieces(inputs, whole, RUNS, fine_cells):
        here = slice(piece.label, piece.label_end)
        starts[here], ends[here], matched[here] = _align(inputs, piece, max_cells)
    return LongAlignment(starts, ends, matched)


@dataclass(frozen=True)
class _Inputs:
    log_probs: Floats
    labels: Ints
    expected: Ints  # the labels with spaces for gaps, to compare with the best path
    path: Ints
    path_starts: Ints


@dataclass(frozen=True)
class _Piece:
    """A range of frames, with its labels and its part of the best path; ends are exclusive."""

    frame: int
    frame_end: int
    label: int
    label_end: int
    path: int
    path_end: int

    @property
    def cells(self) -> int:
        return (self.frame_end - self.frame) * (self.label_end - self.label + 1)


def _pieces(
    inputs: _Inputs, piece: _Piece, runs: Sequence[int], fine_cells: int
) -> Iterator[_Piece]:
    """Cut a piece at its anchors, and parts that are still too large at shorter ones."""
    if piece.cells <= fine_cells or not runs:
        yield piece
        return
    frame, label, path = piece.frame, piece.label, piece.path
    cuts = [(int(inputs.path_starts[k]), j, k) for k, j in _anchors(inputs, piece, runs[0])]
    cuts.append((piece.frame_end, piece.label_end, piece.path_end))
    for next_frame, next_label, next_path in cuts:
        part = _Piece(frame, next_frame, label, next_label, path, next_path)
        yield from _pieces(inputs, part, runs[1:], fine_cells)
        frame, label, path = next_frame, next_label, next_path


def _anchors(inputs: _Inputs, piece: _Piece, run: int) -> Iterator[tuple[int, int]]:
    """Yield the cuts (in best path and text) inside shared runs of ``run`` or more symbols."""
    margin = min(MARGIN, run // 3)
    for path, label, count in _runs(inputs, piece, run):
        for k in sorted({*range(margin, count - margin, SPACING), count - margin}):
            yield path + k, label + k


def _runs(inputs: _Inputs, piece: _Piece, length: int) -> list[tuple[int, int, int]]:
    """Find runs of ``length`` or more symbols that best path and text share.

    A run is made of n-grams that occur once in both (the idea of patience diff), as many as stand
    in the same order. The smallest edit distance would not do: where the recording contains more
    than the text, it scatters a text with errors over it, since that costs less than the errors.

    Returns:
        For each run its start in the best path, its start in the text, and its length.
    """
    path = inputs.path[piece.path : piece.path_end]
    text = inputs.expected[piece.label : piece.label_end]
    in_path, in_text = _unique_grams(path, length), _unique_grams(text, length)
    pairs = [(at, in_text[gram]) for gram, at in in_path.items() if gram in in_text]
    runs: list[tuple[int, int, int]] = []
    for k, j in _longest_rising(sorted(pairs)):
        first_k, first_j, count = runs[-1] if runs else (0, 0, 0)
        if runs and k - j == first_k - first_j and k <= first_k + count:
            runs[-1] = first_k, first_j, k + length - first_k
        elif k >= first_k + count and j >= first_j + count:
            runs.append((k, j, length))
    return [(piece.path + k, piece.label + j, count) for k, j, count in runs]


def _unique_grams(columns: Ints, length: int) -> dict[bytes, int]:
    """Return the positions of the n-grams that occur once and have no unknown symbol."""
    content, size = columns.tobytes(), columns.itemsize
    unknown = np.append(0, np.cumsum(columns < 0))
    positions: dict[bytes, int] = {}
    for at in range(len(columns) - length + 1):
        if unknown[at] == unknown[at + length]:
            gram = content[at * size : (at + length) * size]
            positions[gram] = -1 if gram in positions else at
    return {gram: at for gram, at in positions.items() if at >= 0}


def _longest_rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest chain of pairs with rising second numbers (Schensted 1961).

    Args:
        pairs: sorted by their first numbers.
    """
    tops: list[int] = []  # the smallest last number of a chain, by the length of the chain
    holders: list[int] = []  # the pairs they belong to
    before: list[int] = []
    for k, (_, second) in enumerate(pairs):
        at = bisect_left(tops, second)
        before.append(holders[at - 1] if at else -1)
        tops[at : at + 1], holders[at : at + 1] = [second], [k]
    chain = []
    k = holders[-1] if holders else -1
    while k >= 0:
        chain.append(pairs[k])
        k = before[k]
    return chain[::-1]


def _align(inputs: _Inputs, piece: _Piece, max_cells: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return starts, ends and whether they matched, of a piece's labels."""
    frames = inputs.log_probs[piece.frame : piece.frame_end]
    labels = inputs.labels[piece.label : piece.label_end]
    if len(labels) == 0:
        return labels, labels, np.zeros(0, np.bool_)
    needed = len(labels) + int((labels[1:] == labels[:-1]).sum())
    if needed > len(frames) or piece.cells > max_cells:
        return _spread(inputs, piece)
    alignment = viterbi(frames, labels.tolist())
    starts = np.asarray(alignment.starts, np.int64) + piece.frame
    ends = np.asarray(alignment.ends, np.int64) + piece.frame
    return starts, ends, np.ones(len(labels), np.bool_)


def _spread(inputs: _Inputs, piece: _Piece) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Align by runs shared with the best path, and spread the other labels evenly between them.

    This is for pieces with too few frames, and for those too large for Viterbi.
    """
    count = piece.label_end - piece.label
    matched = np.zeros(count, np.bool_)
    at = np.zeros(count)
    for path, label, length in _runs(inputs, piece, KNOWN):
        here = slice(label - piece.label, label - piece.label + length)
        at[here], matched[here] = inputs.path_starts[path : path + length], True
    known = np.flatnonzero(matched)
    after = float(max(piece.frame, piece.frame_end - 1))
    at = np.interp(
        np.arange(count),
        np.concatenate(([-1], known, [count])),
        np.concatenate(([piece.frame], at[known], [after])),
    )
    starts = at.astype(np.int64)
    return starts, np.minimum(starts + 1, np.append(starts[1:], piece.frame_end)), matched
