"""A cache of a character model's probabilities, by state of the language model.

In compiled functions, ``fusion`` are the :class:`recog.decoding.fusion.kernels.FusionTables`.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.lm.query import score
from recog.util.jit import helper

ROWS_BYTES = 1 << 26


class Rows(NamedTuple):
    """A cache of a character model's probabilities of all characters, by state."""

    factor: Any  # (rows, codes) float64: exp(alpha ln P + beta)
    state: Any  # (rows, codes) int32
    owner: Any  # (rows,) int32, the state that the row belongs to
    table: Any  # (power of two,) int32: rows + 1 hashed by state, open addressing, 0 where free
    count: Any  # (1,) int64


def make_rows(codes: int, *, used: bool) -> Rows:
    """Make an empty cache for a number of codes. Runs in Python.

    Args:
        used: whether there is a character model at all.
    """
    size = 1
    if used:
        size = 1 << min(13, max(6, (ROWS_BYTES // (12 * codes)).bit_length() - 1))
    return Rows(
        np.empty((size, codes)), np.empty((size, codes), np.int32), np.empty(size, np.int32),
        np.zeros(4 * size, np.int32), np.zeros(1, np.int64),
    )  # fmt: skip


@helper
def _row_slot(rows, state):
    """Return the table's slot of a state's row, or the free slot for it."""
    mask = len(rows.table) - 1
    slot = (state * 0x2545F4914F6CDD1D >> 20) & mask
    while rows.table[slot] != 0 and rows.owner[rows.table[slot] - 1] != state:
        slot = (slot + 1) & mask
    return slot


@helper
def row_of(fusion, rows, state):
    """Return the row of a state, computed from its suffix's row where it is new."""
    options = fusion.options[0]
    entry = rows.table[_row_slot(rows, state)]
    if entry > 0:
        return np.int64(entry - 1)
    if rows.count[0] + 32 > len(rows.owner):  # full; suffixes are fewer than that
        rows.count[0] = 0
        rows.table[:] = 0
    lm, below = fusion.lm, state
    while below > 0 and rows.table[_row_slot(rows, below)] == 0:
        below = np.int64(lm.suffix[below])
    row = np.int64(rows.table[_row_slot(rows, below)] - 1)
    if row < 0:  # not even the root has a row
        row = _add_row(rows, below)
        for code in range(len(fusion.tokens)):
            log_prob, after = score(lm, np.int64(0), np.int64(fusion.tokens[code]))
            rows.factor[row, code] = np.exp(options["alpha"] * log_prob + options["beta"])
            rows.state[row, code] = after
    while below != state:
        target = state
        while lm.suffix[target] != below:
            target = np.int64(lm.suffix[target])
        row = _longer_row(fusion, rows, row, target)
        below = target
    return row


@helper
def _add_row(rows, state):
    row = rows.count[0]
    rows.count[0] += 1
    rows.owner[row] = state
    rows.table[_row_slot(rows, state)] = row + 1
    return row


@helper
def _longer_row(fusion, rows, shorter, state):
    """Add a state's row: its suffix's row times the back-off, but for the state's own children."""
    options = fusion.options[0]
    lm = fusion.lm
    row = _add_row(rows, state)
    factor = np.exp(options["alpha"] * lm.backoff[state])
    inner = len(lm.backoff)
    for code in range(len(fusion.tokens)):
        rows.factor[row, code] = rows.factor[shorter, code] * factor
        rows.state[row, code] = rows.state[shorter, code]
    low, high = np.int64(lm.begin[state]), np.int64(lm.begin[state + 1])
    # codes and children are sorted differently: look each code up among the few children
    for code in range(len(fusion.tokens)):
        token = fusion.tokens[code]
        a, b = low, high - 1
        while a <= b:
            middle = (a + b) >> 1
            if lm.word[middle] < token:
                a = middle + 1
            elif lm.word[middle] > token:
                b = middle - 1
            else:
                rows.factor[row, code] = np.exp(
                    options["alpha"] * lm.log_prob[middle] + options["beta"]
                )
                if middle < inner:
                    rows.state[row, code] = middle
                break
    return row
