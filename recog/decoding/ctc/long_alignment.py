"""A long text in a long recording: anchors where the best path reads what the text says, and
Viterbi between them.

A text that says more or less than is heard is aligned all the same: between words stands a gap,
which takes any frames (a star, in the terms of CTC segmentation: Kürzinger et al. 2020; Pratap et
al. 2023), and a stretch of text that fits nowhere is spread over the frames that are left, and
marked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.decoding.ctc.viterbi import viterbi
from recog.decoding.validation import Floats

# bytes of back-pointers for one piece: about 13 minutes of speech without an anchor
MAX_CELLS = 2**28
# a piece of so many is not cut further: about 3 minutes of speech, milliseconds to align
FINE_CELLS = 2**24
# symbols that must agree in a row for an anchor: fewer only where a piece is still larger
RUNS = (32, 24, 16, 12, 8)
# symbols at either end of such a run that stay with what follows or precedes: chance may have
# matched them
MARGIN = 4
SPACING = 32  # symbols between two cuts within a run
KNOWN = 6  # symbols in a row that must agree where no Viterbi is possible
GAP_COST = 2.0  # natural log: what a gap pays for a frame that says something
FLOOR = -50.0  # so that no text is impossible

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Placement:
    """Where labels lie.

    Attributes:
        starts, ends: (labels,) first frame, and one past the last; neither ever decreases.
        fits: (labels,) whether the frames had a say. Where not, labels are spread between those
            that do.
    """

    starts: Ints
    ends: Ints
    fits: NDArray[np.bool_]


def with_gap(log_probs: Floats, columns: Sequence[int], space: int | None) -> Floats:
    """The columns that a text needs, and as the last one the gap's.

    Args:
        log_probs: (time, symbols) natural log, the blank at index 0.
        columns: indices to keep, 0 the first.
        space: index of the space among the symbols; None where there is none.

    Returns:
        (time, len(columns) + 1). A gap costs nothing where blank or space does.
    """
    quiet = log_probs[:, 0] if space is None else np.maximum(log_probs[:, 0], log_probs[:, space])
    gap = np.maximum(quiet, log_probs.max(axis=1, initial=FLOOR) - np.float32(GAP_COST))
    kept = np.concatenate((log_probs[:, list(columns)], gap[:, None]), axis=1)
    return np.ascontiguousarray(np.clip(kept, FLOOR, 0.0), dtype=np.float32)


def place(
    log_probs: Floats,
    labels: Sequence[int],
    heard: Sequence[int],
    heard_starts: Sequence[int],
    *,
    space: int | None,
    fine_cells: int = FINE_CELLS,
    max_cells: int = MAX_CELLS,
) -> Placement:
    """Align a text of any length.

    Args:
        log_probs: (time, columns) of :func:`with_gap`; the last column is the gap.
        labels: the text's columns, without blanks; the gap stands between words, and where else
            anything may be said.
        heard: the best path's columns, without blanks; -1 for symbols that the text does not have.
        heard_starts: the frame in which each starts.
        space: the column that is heard between words; None where there is none.
        fine_cells: frames times labels of a piece that needs no more anchors.
        max_cells: of the largest piece that Viterbi aligns.

    Raises:
        InvalidInputError: see :func:`recog.decoding.ctc.viterbi.viterbi`.
    """
    text = np.asarray(labels, np.int64)
    text_heard = text if space is None else np.where(text == log_probs.shape[1] - 1, space, text)
    work = _Work(
        log_probs, text, text_heard, np.asarray(heard, np.int64), np.asarray(heard_starts, np.int64)
    )
    starts, ends, fits = (
        np.zeros(len(text), np.int64),
        np.zeros(len(text), np.int64),
        np.zeros(len(text), np.bool_),
    )
    whole = _Piece(0, len(log_probs), 0, len(text), 0, len(heard))
    for piece in _pieces(work, whole, RUNS, fine_cells):
        here = slice(piece.label, piece.label_end)
        starts[here], ends[here], fits[here] = _align(work, piece, max_cells)
    return Placement(starts, ends, fits)


@dataclass(frozen=True)
class _Work:
    log_probs: Floats
    labels: Ints
    text_heard: Ints  # the labels, as they would be heard
    heard: Ints
    heard_starts: Ints


@dataclass(frozen=True)
class _Piece:
    """Frames, the labels that lie in them, and what is heard there: each from, and up to."""

    frame: int
    frame_end: int
    label: int
    label_end: int
    heard: int
    heard_end: int

    @property
    def cells(self) -> int:
        return (self.frame_end - self.frame) * (self.label_end - self.label + 1)


def _pieces(work: _Work, piece: _Piece, runs: Sequence[int], fine_cells: int) -> Iterator[_Piece]:
    """``piece`` cut at its anchors, and parts that are still too large at shorter ones."""
    if piece.cells <= fine_cells or not runs:
        yield piece
        return
    frame, label, heard = piece.frame, piece.label, piece.heard
    cuts = [(int(work.heard_starts[h]), r, h) for h, r in _anchors(work, piece, runs[0])]
    for next_frame, next_label, next_heard in [
        *cuts,
        (piece.frame_end, piece.label_end, piece.heard_end),
    ]:
        part = _Piece(frame, next_frame, label, next_label, heard, next_heard)
        yield from _pieces(work, part, runs[1:], fine_cells)
        frame, label, heard = next_frame, next_label, next_heard


def _anchors(work: _Work, piece: _Piece, run: int) -> Iterator[tuple[int, int]]:
    """Places to cut, before a symbol of what is heard and of the text, inside :func:`_runs` of at
    least ``run``."""
    margin = min(MARGIN, run // 3)
    for heard, label, count in _runs(work, piece, run):
        for k in sorted({*range(margin, count - margin, SPACING), count - margin}):
            yield heard + k, label + k


def _runs(work: _Work, piece: _Piece, length: int) -> list[tuple[int, int, int]]:
    """Runs of ``length`` symbols or more that agree: where each begins in what is heard and in the
    text, and how long it is.

    They hold what occurs once in what is heard and once in the text (the idea of patience diff),
    most of it that is in the same order. The smallest edit distance would not do: it scatters a
    text with errors over a recording that says more, as that costs less than the errors.
    """
    heard = work.heard[piece.heard : piece.heard_end]
    text = work.text_heard[piece.label : piece.label_end]
    once_heard, once_written = _once(heard, length), _once(text, length)
    pairs = [(at, once_written[gram]) for gram, at in once_heard.items() if gram in once_written]
    runs: list[tuple[int, int, int]] = []
    for h, r in _in_order(sorted(pairs)):
        first_h, first_r, count = runs[-1] if runs else (0, 0, 0)
        if h - r == first_h - first_r and h <= first_h + count:
            runs[-1] = first_h, first_r, h + length - first_h
        elif h >= first_h + count and r >= first_r + count:
            runs.append((h, r, length))
    return [(piece.heard + h, piece.label + r, count) for h, r, count in runs]


def _once(columns: Ints, length: int) -> dict[bytes, int]:
    """The stretches of ``length`` columns that occur just once, with where they begin; none with
    symbols unknown."""
    content, size = columns.tobytes(), columns.itemsize
    unknown = np.append(0, np.cumsum(columns < 0))
    found: dict[bytes, int] = {}
    for at in range(len(columns) - length + 1):
        if unknown[at] == unknown[at + length]:
            gram = content[at * size : (at + length) * size]
            found[gram] = -1 if gram in found else at
    return {gram: at for gram, at in found.items() if at >= 0}


def _in_order(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """As many of ``pairs``, sorted by their first number, as have their second ones rising too
    (Schensted 1961)."""
    tops: list[int] = []  # the smallest last number of a chain, by the length of the chain
    holders: list[int] = []  # which pair it is of
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


def _align(work: _Work, piece: _Piece, max_cells: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Starts, ends and whether they fit, of a piece's labels."""
    frames = work.log_probs[piece.frame : piece.frame_end]
    labels = work.labels[piece.label : piece.label_end]
    if len(labels) == 0:
        return labels, labels, np.zeros(0, np.bool_)
    needed = len(labels) + int((labels[1:] == labels[:-1]).sum())
    if needed > len(frames) or piece.cells > max_cells:
        return _spread(work, piece)
    found = viterbi(frames, labels.tolist())
    starts, ends = (np.asarray(edge, np.int64) + piece.frame for edge in (found.starts, found.ends))
    return starts, ends, np.ones(len(labels), np.bool_)


def _spread(work: _Work, piece: _Piece) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Labels at what is heard where that agrees, the others evenly between: for a text with too few
    frames, or a piece too large."""
    count = piece.label_end - piece.label
    fits = np.zeros(count, np.bool_)
    at = np.zeros(count)
    for heard, label, length in _runs(work, piece, KNOWN):
        here = slice(label - piece.label, label - piece.label + length)
        at[here], fits[here] = work.heard_starts[heard : heard + length], True
    known = np.flatnonzero(fits)
    after = float(max(piece.frame, piece.frame_end - 1))
    at = np.interp(
        np.arange(count),
        np.concatenate(([-1], known, [count])),
        np.concatenate(([piece.frame], at[known], [after])),
    )
    starts = at.astype(np.int64)
    return starts, np.minimum(starts + 1, np.append(starts[1:], piece.frame_end)), fits
