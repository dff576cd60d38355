"""The compiled way of a beam through frames, without a language model; importing this compiles, or
loads, it."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import float64, int64

from recog.decoding.beam.step import advance
from recog.decoding.beam.types import BEAM, SCRATCH, TRIE
from recog.util.jit import kernel


@kernel(int64(float64[:, ::1], BEAM, TRIE, SCRATCH, int64, float64, float64))
def extend(probs, beam, trie, work, tokens, cutoff, ratio):
    """:func:`recog.decoding.beam.step.advance` for Python."""
    return advance(probs, beam, trie, work, tokens, cutoff, ratio, False, None, None, None)
