"""The beam between two frames, and the room that a frame's work takes: what the kernels of the
search share."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.decoding.beam.prefix_trie import ROOT, Trie

COUNT, LIFTS = 0, 1  # in Beam.marks
# masses are multiplied by LIFT when the best falls below LOW, divided above LIFT
LOW, LIFT = 2.0**-200, 2.0**200
ROW = np.dtype(  # of the beam: a prefix, and the masses of its alignments but for their sum
    [
        ("blank", "f8"),  # of those that end in blank
        ("last", "f8"),  # of those that end in its last label
        ("node", "i8"),
        ("parent", "i8"),  # the node's parent
        ("label", "i8"),  # its last label
    ]
)
NEXT = np.dtype(  # what becomes of a row in one frame
    [
        ("blank", "f8"), ("last", "f8"), ("total", "f8"),
        ("child", "i8"),  # first row whose parent is this row, or -1
        ("sibling", "i8"),  # the next such row
        ("kept", "i8"),
    ]
)  # fmt: skip
CANDIDATE = np.dtype(
    [
        ("score", "f8"),
        ("code", "i8"),  # what it is: a rank below width stays, width + rank * symbols + s extends
        ("node", "i8"),  # of a prefix that enters
    ]
)


class Beam(NamedTuple):
    """The live prefixes. Rows keep their place for as long as their prefix lives; ``ranking`` sorts
    them.

    Few arrays, of records: kernels hand all of a tuple's arrays on with every call, and compile a
    type for each.
    """

    rows: Any  # (width,) ROW
    total: Any  # (width,) float64, their masses: blank + last
    ranking: Any  # (width,) int64, rows by falling total
    # (2,) int64: rows in use; how many times the masses were multiplied by LIFT, less than 0 where
    # divided
    marks: Any


class Scratch(NamedTuple):
    """Room for one frame's work."""

    rows: Any  # (width,) NEXT
    heap: Any  # (width,) CANDIDATE, the best candidates, worst first
    short: Any  # (symbols,) int64, the symbols worth a look
    breaks: Any  # (symbols,) int64, those of them that hold a space
    listed: Any  # (symbols,) bool, whether a symbol is worth a look
    # (power of two,) int64, rows + 1 hashed by all that their future depends on, 0 where free
    alike: Any


def new_beam(width: int, trie: Trie, mass: float) -> Beam:
    """A beam that holds the empty prefix, with this mass. Runs in Python."""
    beam = Beam(
        np.zeros(width, ROW), np.zeros(width), np.zeros(width, np.int64), np.array([1, 0], np.int64)
    )
    beam.rows[0]["node"] = ROOT
    beam.rows[0]["blank"] = beam.total[0] = mass
    trie.nodes[ROOT]["row"] = 1
    return beam


def make_scratch(width: int, symbols: int) -> Scratch:
    """Room for a beam of this width. Runs in Python."""
    return Scratch(
        np.zeros(width, NEXT), np.zeros(width, CANDIDATE),
        np.zeros(symbols, np.int64), np.zeros(symbols, np.int64), np.zeros(symbols, np.bool_),
        np.zeros(1 << (2 * width).bit_length(), np.int64),
    )  # fmt: skip
