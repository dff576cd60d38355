"""The beam between two frames, and the search kernels' working memory for a frame."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.decoding.beam.prefix_trie import ROOT, Trie

COUNT, LIFTS = 0, 1  # indices into Beam.counters
# masses are multiplied by LIFT when the best falls below LOW, and divided when it exceeds LIFT
LOW, LIFT = 2.0**-200, 2.0**200
ROW = np.dtype(  # of the beam: a prefix, and the masses of its alignments
    [
        ("blank", "f8"),  # mass of the alignments that end in blank
        ("last", "f8"),  # mass of the alignments that end in the last label
        ("node", "i8"),
        ("parent", "i8"),  # the node's parent
        ("label", "i8"),  # the last label
    ]
)
NEXT = np.dtype(  # a row's values after the frame
    [
        ("blank", "f8"), ("last", "f8"), ("total", "f8"),
        ("child", "i8"),  # first row whose parent is this row, or -1
        ("sibling", "i8"),  # next row with the same parent
        ("keep", "i8"),
    ]
)  # fmt: skip
CANDIDATE = np.dtype(
    [
        ("score", "f8"),
        # rank of a prefix that stays, or width + rank * symbols + s for its extension by s
        ("code", "i8"),
        ("node", "i8"),  # of a prefix that enters
    ]
)


class Beam(NamedTuple):
    """The prefixes in the beam, unsorted; ``ranking`` sorts them.

    There are few arrays, because kernels pass all arrays of a tuple with every call.
    """

    rows: Any  # (width,) ROW
    total: Any  # (width,) float64, mass of each row: blank + last
    ranking: Any  # (width,) int64, rows by falling total
    # (2,) int64: rows in use; multiplications of all masses by LIFT, minus divisions
    counters: Any


class Scratch(NamedTuple):
    """Working memory for a frame."""

    rows: Any  # (width,) NEXT
    heap: Any  # (width,) CANDIDATE, the best candidates, worst first
    short: Any  # (symbols,) int64, the shortlist of symbols
    breaks: Any  # (symbols,) int64, symbols of the shortlist that contain a space
    listed: Any  # (symbols,) bool, whether a symbol is in the shortlist
    # (power of two,) int64, rows + 1 hashed by all that their continuations depend on, 0 where free
    by_future: Any


def new_beam(width: int, trie: Trie, mass: float) -> Beam:
    """Make a beam that contains only the empty prefix, with this mass. Runs in Python."""
    beam = Beam(
        np.zeros(width, ROW), np.zeros(width), np.zeros(width, np.int64), np.array([1, 0], np.int64)
    )
    beam.rows[0]["node"] = ROOT
    beam.rows[0]["blank"] = beam.total[0] = mass
    trie.nodes[ROOT]["row"] = 1
    return beam


def make_scratch(width: int, symbols: int) -> Scratch:
    """Make working memory for a beam of this width. Runs in Python."""
    return Scratch(
        np.zeros(width, NEXT), np.zeros(width, CANDIDATE),
        np.zeros(symbols, np.int64), np.zeros(symbols, np.int64), np.zeros(symbols, np.bool_),
        np.zeros(1 << (2 * width).bit_length(), np.int64),
    )  # fmt: skip
