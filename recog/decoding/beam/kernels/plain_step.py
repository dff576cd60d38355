"""Entry point: take a beam through frames, without a language model."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import float64, int64

from recog.decoding.beam.step import step_frames
from recog.decoding.beam.types import BEAM, SCRATCH, TRIE
from recog.util.jit import kernel


@kernel(int64(float64[:, ::1], BEAM, TRIE, SCRATCH, int64, float64, float64))
def step(probs, beam, trie, scratch, tokens, cutoff, ratio):
    """:func:`recog.decoding.beam.step.step_frames` for Python."""
    return step_frames(probs, beam, trie, scratch, tokens, cutoff, ratio, False, None, None, None)
